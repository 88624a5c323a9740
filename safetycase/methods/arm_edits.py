"""What arms do to an activation, made of their specification and the published tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from safetycase.methods.arms import ArmSpec, decoder_rows
from safetycase.methods.grid import candidates
from safetycase.methods.identify import largest
from safetycase.methods.operations import StateEdit, state_edit
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence


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
