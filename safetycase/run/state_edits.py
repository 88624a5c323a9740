"""Edits that depend on the activation, for all rows of a batch at once.

The arithmetic is `methods.operations`', which is the reference; here it is laid out so that the
activations of all features that some row edits are encoded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from safetycase.errors import RunFailed
from safetycase.methods.grid import candidates
from safetycase.methods.operations import StateEdit
from safetycase.record.plan import Plan
from safetycase.run.dictionaries.dictionary import Dictionary

Asked = Sequence[tuple[StateEdit, str | None] | None]
"""By arm: its edit and its dictionary, where it has one that depends on the activation."""


def require_operable(plan: Plan, dictionaries: Mapping[str, Dictionary]) -> None:
    """Return only if what features add is known where a plan scales or clamps them."""
    for axis in plan.axes:
        asked = [tried.operation for tried in candidates(axis)]
        needing = [operation for operation in asked if operation not in {"add", "project_out"}]
        if needing and dictionaries[axis.dictionary].scales_by_token:
            raise RunFailed(
                f"axis {axis.id}, operation {needing[0]}",
                "a dictionary whose features add their decoder rows",
                found=f"{axis.dictionary} scales what it decodes back, token by token",
                remedy="Use add or project_out with this dictionary.",
            )


@dataclass
class StateRows:
    """Rows [n] of a batch whose edit depends on what is found, and how.

    `dictionary`: whose activations are read; none: coordinates along the row's own basis.
    `places` gives each row of the full batch its arm's place in the parts: `directions`
    [features, width] or [arms, k, width]; `slope` and `offset` [arms, features or k];
    `only_active` [arms].
    """

    rows: torch.Tensor
    dictionary: Dictionary | None
    features: list[int]
    places: torch.Tensor
    directions: torch.Tensor
    slope: torch.Tensor
    offset: torch.Tensor
    only_active: torch.Tensor

    def on(self, device: torch.device) -> StateRows:
        """The same, on a device; the dictionary stays where it is."""
        return replace(
            self,
            rows=self.rows.to(device),
            places=self.places.to(device),
            directions=self.directions.to(device),
            slope=self.slope.to(device),
            offset=self.offset.to(device),
            only_active=self.only_active.to(device),
        )

    def added(self, read: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """What is added, float32 [n, positions, width], to rows of the full batch [n].

        `read`: activations of the features or, where there are none, what stands there.
        """
        places = self.places[rows]
        slope, offset = self.slope[places][:, None], self.offset[places][:, None]
        if self.dictionary is None:
            basis = self.directions[places]
            along = read @ basis.transpose(1, 2)
            return (along * slope) @ basis
        amounts = read * slope + offset
        silent = (read == 0) & self.only_active[places][:, None, None]
        return amounts.masked_fill(silent, 0.0) @ self.directions


def state_rows(
    asked: Asked, items: int, dictionaries: Mapping[str, Dictionary]
) -> list[StateRows]:
    """The parts of a batch of items by arms; none where no arm has such an edit."""
    groups: dict[str | None, list[int]] = {}
    for number, entry in enumerate(asked):
        if entry is not None:
            edit, name = entry
            groups.setdefault(name if edit.features else None, []).append(number)
    parts = []
    for name, numbers in groups.items():
        edits = [cast("tuple[StateEdit, str | None]", asked[number])[0] for number in numbers]
        place = torch.zeros(len(asked), dtype=torch.int64)
        place[torch.tensor(numbers)] = torch.arange(len(numbers))
        features, *arrays = _projected(edits) if name is None else _read(edits)
        directions, slope, offset = (torch.from_numpy(array) for array in arrays)
        parts.append(
            StateRows(
                rows=rows_of(numbers, len(asked), items),
                dictionary=None if name is None else dictionaries[name],
                features=features,
                places=place.repeat(items),
                directions=directions,
                slope=slope,
                offset=offset,
                only_active=torch.tensor([e.only_active for e in edits]),
            )
        )
    return parts


Layout = tuple[list[int], np.ndarray, np.ndarray, np.ndarray]


def _read(edits: Sequence[StateEdit]) -> Layout:
    """All features of some edits with their rows; 0 stands for those of other edits."""
    rows = {f: row for edit in edits for f, row in zip(edit.features, edit.rows, strict=True)}
    features = sorted(rows)
    column = {feature: place for place, feature in enumerate(features)}
    slope = np.zeros((len(edits), len(features)), dtype=np.float32)
    offset = np.zeros_like(slope)
    for number, edit in enumerate(edits):
        places = [column[feature] for feature in edit.features]
        slope[number, places], offset[number, places] = edit.slope, edit.offset
    return features, np.array([rows[feature] for feature in features]), slope, offset


def _projected(edits: Sequence[StateEdit]) -> Layout:
    """The bases of some edits, filled up with zeros to the size of the largest."""
    most = max(len(edit.rows) for edit in edits)
    width = edits[0].rows.shape[1]
    directions = np.zeros((len(edits), most, width), dtype=np.float32)
    slope = np.zeros((len(edits), most), dtype=np.float32)
    for number, edit in enumerate(edits):
        directions[number, : len(edit.rows)] = edit.rows
        slope[number, : len(edit.rows)] = edit.slope
    return [], directions, slope, np.zeros_like(slope)


def rows_of(numbers: list[int], arms: int, items: int) -> torch.Tensor:
    """Rows of some arms in a batch of items by arms, item by item."""
    first = torch.arange(items)[:, None] * arms
    return (first + torch.tensor(numbers)[None, :]).flatten()
