"""Rows in which a dictionary's reconstruction stands in the place of the activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from safetycase.errors import RunFailed
from safetycase.run.dictionaries.dictionary import Dictionary


@dataclass(frozen=True)
class Which:
    """Some rows of a pass, and what the features that they had in blocks below are kept as."""

    name: str
    rows: torch.Tensor


Makes = Callable[[Dictionary, Which], torch.Tensor]
"""What a dictionary makes in some rows of the pass, float32 [n, positions, width]."""


@dataclass(frozen=True)
class Batch:
    """A batch of items by arms, item by item.

    The number of the arm that edits nothing, if there is one, and those of the rows that are
    still there.
    """

    items: int
    arms: int
    unedited: int | None
    kept: torch.Tensor


@dataclass(frozen=True)
class Replaced:
    """Rows of the full batch that are replaced at a place by what a dictionary makes there.

    With `clean`, by that and what it leaves unexplained of the same item's unedited row.
    """

    dictionary: Dictionary
    rows: torch.Tensor
    clean: bool

    def on(self, device: torch.device) -> Replaced:
        """The same, with its rows on a device."""
        return replace(self, rows=self.rows.to(device))

    def put(
        self,
        start: torch.Tensor,
        batch: Batch,
        where: torch.Tensor,
        generated: torch.Tensor,
        make: Makes,
        *,
        alike: bool,
    ) -> torch.Tensor:
        """The activations, float32 [rows, positions, width], replaced where that is asked.

        `where` and `generated` [rows, positions]: the tokens edited, and those of them that the
        model has generated. With `alike`, the rows of an item cannot differ yet, and it is made
        once for all of them. Refused: `clean` where the unedited row reads other tokens.
        """
        chosen = torch.isin(batch.kept, self.rows).nonzero().squeeze(1)
        asked = where[chosen]
        if not asked.any():
            return start
        arms = len(self.rows) // batch.items
        each = arms if alike else 1
        name = "clean" if self.clean else "dropped"
        made = make(self.dictionary, Which(name, chosen[::each])).repeat_interleave(each, 0)
        if self.clean:
            if batch.unedited is None or len(start) != batch.items * batch.arms:
                raise _unlike("another batch, or rows that have ended")
            if generated[chosen].any():
                raise _unlike("tokens that the model has generated")
            first = torch.arange(batch.items, device=start.device) * batch.arms
            own = first + batch.unedited
            error = start[own] - make(self.dictionary, Which("unedited", own))
            made = made + error.repeat_interleave(arms, 0)
        result = start.clone()
        result[chosen] = torch.where(asked[..., None], made, start[chosen])
        return result


def _unlike(found: str) -> RunFailed:
    return RunFailed(
        "errors of the unedited model",
        "the unedited arm in the same pass, over the same tokens",
        found=found,
        remedy="Put the baseline beside arms of error policy clean, and score.",
    )
