"""What arms do to an activation, made of their specification and the published tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from safetycase.methods.account import Arms
from safetycase.methods.arms import ArmSpec, decoder_rows
from safetycase.methods.gap import Gap
from safetycase.methods.grid import candidates
from safetycase.methods.identify import largest
from safetycase.methods.operations import StateEdit, state_edit
from safetycase.methods.rounding import LOST, moved_by
from safetycase.record.planned_axis import Axis
from safetycase.tables.columns import Answers, Flags, Numbers
from safetycase.tables.evidence import Evidence

_DIRECTION_TOLERANCE = 1e-5
_SIZE_TOLERANCE = 1e-3
"""How far a row's edit norm may lie from the coefficient: six digits, and sums of float32."""
_NOTHING = 1e-9
"""The largest edit norm of a dose of zero."""
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


def adding(specs: Sequence[ArmSpec]) -> dict[str, ArmSpec]:
    """The arms that add one vector to every activation."""
    return {
        spec.id: spec
        for spec in specs
        if spec.role not in _ADDING_NOTHING and spec.operation in {None, "add"}
    }


def size_gaps(arms: Mapping[str, ArmSpec], answers: Arms, dtype: str) -> Iterator[Gap]:
    """Rows whose edit has not the size of their arm's, which adds a vector.

    Wrong is what rounding to the model's number format does not explain. What it explains is
    left open where it took or added a quarter of the edit.
    """
    for (_, arm), rows in answers.items():
        if arm in arms and not _all_within(_SIZE_TOLERANCE, arms[arm], rows):
            expected = f"an edit of size {abs(arms[arm].coefficient):.6g}"
            for row in np.flatnonzero(_gaps(arms[arm], rows) > _slack(arms[arm], rows, dtype)):
                yield Gap(rows.where(int(row)), expected, str(rows.delta[row]))
            for row in np.flatnonzero(lost_in_rounding(arms[arm], rows, dtype)):
                where, found = rows.where(int(row)), str(rows.delta[row])
                sentence = f"{where}: rounded to {dtype}, {found} is left of {expected}."
                yield Gap(where, expected, found, sentence, silent=True)


def lost_in_rounding(spec: ArmSpec, rows: Answers, dtype: str) -> Flags:
    """Rows of an arm that adds of which rounding took or added a quarter of the edit [rows].

    Nobody can say of them whether the dose was given.
    """
    if _all_within(LOST, spec, rows):
        return np.zeros(len(rows), dtype=np.bool_)
    gaps, size = _gaps(spec, rows), abs(spec.coefficient)
    lost: Flags = (gaps > LOST * size) & (gaps <= _slack(spec, rows, dtype)) & (size > 0.0)
    return lost


def _all_within(share: float, spec: ArmSpec, rows: Answers) -> bool:
    """Whether every row's edit norm lies this close to the coefficient, without a copy."""
    size = abs(spec.coefficient)
    farthest = max(rows.delta.max(initial=size) - size, size - rows.delta.min(initial=size))
    return bool(farthest <= share * size)


def _gaps(spec: ArmSpec, rows: Answers) -> Numbers:
    """How far each row's edit norm lies from the coefficient; 0 where nothing is edited."""
    return np.abs(rows.delta - abs(spec.coefficient)) * (rows.edits > 0)


def _slack(spec: ArmSpec, rows: Answers, dtype: str) -> Numbers:
    """How far each row's edit norm may lie from the coefficient [rows]."""
    size = abs(spec.coefficient)
    if not size:
        return np.full(len(rows), _NOTHING)
    made = spec.error_policy is not None
    return _SIZE_TOLERANCE * size + moved_by(rows.residual, size, dtype, made=made)


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
