"""What arms do to an activation, made of their specification and the published tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from safetycase.methods.account import Arms, near
from safetycase.methods.arms import ArmSpec, decoder_rows
from safetycase.methods.gap import Gap
from safetycase.methods.grid import candidates
from safetycase.methods.identify import largest
from safetycase.methods.operations import StateEdit, state_edit
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence

_DIRECTION_TOLERANCE = 1e-5
_SIZE_TOLERANCE = 1e-3
"""How far a row's edit norm may lie from the coefficient: float32 and six digits."""
_ADDING_NOTHING = frozenset({"sham", "reconstruction", "prompt", "system_prompt"})


def direction_gaps(
    specs: Sequence[ArmSpec], stated: np.ndarray, derived: np.ndarray
) -> Iterator[Gap]:
    """Directions [arms, d_model] that are not those that follow; places are the arms' names."""
    if stated.shape != derived.shape:
        yield Gap("", f"shape {derived.shape}", f"shape {stated.shape}")
        return
    gaps = np.abs(stated.astype(np.float64) - derived).max(axis=1)
    for row in np.flatnonzero(~(gaps <= _DIRECTION_TOLERANCE)).tolist():
        found = f"a gap of {gaps[row]:.3g}"
        yield Gap(f" {specs[row].id}", "the direction that follows", found)


def sizes_of(specs: Sequence[ArmSpec]) -> dict[str, float]:
    """Edit norms of the arms that add one vector to every activation."""
    return {
        spec.id: abs(spec.coefficient)
        for spec in specs
        if spec.role not in _ADDING_NOTHING and spec.operation in {None, "add"}
    }


def size_gaps(sizes: Mapping[str, float], answers: Arms) -> Iterator[Gap]:
    """Rows whose edit has not the size of their arm's."""
    for (_, arm), rows in answers.items():
        if arm in sizes:
            size = sizes[arm]
            given = near(rows.delta, size, relative=_SIZE_TOLERANCE, absolute=1e-9)
            for row in np.flatnonzero(~given).tolist():
                found = str(rows.delta[row])
                yield Gap(rows.where(row), f"an edit of size {size:.6g}", found)


def clamp_units(
    axis: Axis, features: Sequence[int], evidence: Evidence, candidate: int = 0
) -> list[float] | None:
    """What a level of 1 is of each feature: an activation; none unless the candidate clamps."""
    tried = candidates(axis)[candidate]
    if tried.operation != "clamp":
        return None
    if tried.unit == "activation_value":
        return [1.0] * len(features)
    return [float(value) for value in largest(axis, evidence)[list(features)]]


def state_edits(
    axis: Axis, specs: Sequence[ArmSpec], directions: np.ndarray, evidence: Evidence
) -> list[StateEdit | None]:
    """Edits that depend on activations, one an arm; none for an arm that adds or replaces."""
    return [
        _state_edit(axis, spec, direction, evidence)
        for spec, direction in zip(specs, directions, strict=True)
    ]


def _state_edit(
    axis: Axis, spec: ArmSpec, direction: np.ndarray, evidence: Evidence
) -> StateEdit | None:
    if spec.operation is None or spec.operation == "add":
        return None
    rows = decoder_rows(axis, spec.features, evidence) if spec.features else direction[None]
    return state_edit(
        spec.operation,
        spec.features,
        rows,
        coefficient=spec.coefficient,
        gain=1.0 if spec.gain is None else spec.gain,
        units=clamp_units(axis, spec.features, evidence, spec.candidate or 0),
        only_active=candidates(axis)[spec.candidate or 0].condition == "where_active",
    )
