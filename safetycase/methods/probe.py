"""The linear probe of a manipulation check: difference of class means, midpoint threshold.

The probe is built from residuals of the discovery split alone; no dictionary feature enters
it. Source of the construction: difference-in-means probes, Marks & Tegmark 2023
(arXiv 2310.06824), section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods.gap import Gap
from safetycase.methods.rank import auroc
from safetycase.record.planned_evaluation import Probe
from safetycase.tables.evidence import Evidence

_CHANCE = 0.5


@dataclass(frozen=True)
class LinearProbe:
    """A unit direction [d_model] and the threshold of a projection on it."""

    direction: np.ndarray
    threshold: float
    auroc: float
    """How well projections on it tell apart the residuals that it was made from."""


def tensor_name(evaluation: str) -> str:
    """Name of the tensor [items, d_model] of discovery residuals behind a probe."""
    return f"{evaluation}.residuals"


def fit(residuals: np.ndarray, positive: np.ndarray) -> LinearProbe:
    """The probe that separates two classes of residuals [items, d_model] by their means.

    Refused if a class is empty or the means coincide. Computed in float64; the direction is
    returned in float32, and the threshold belongs to that rounded direction.
    """
    if not positive.any() or positive.all():
        raise MethodRefused("probe", "two classes on the discovery split", found="one")
    x = residuals.astype(np.float64)
    above, below = x[positive].mean(axis=0), x[~positive].mean(axis=0)
    length = float(np.linalg.norm(above - below))
    if length == 0.0:
        raise MethodRefused("probe", "two different class means", found="equal ones")
    direction = ((above - below) / length).astype(np.float32)
    middle = (above + below) / 2
    threshold = float(direction.astype(np.float64) @ middle)
    return LinearProbe(direction, threshold, auroc(x @ direction, positive))


def probe_of(evaluation: str, measure: Probe, evidence: Evidence) -> LinearProbe:
    """The probe of an evaluation, from the published residuals of its contrast."""
    items = evidence.items.of(measure.contrast, "discovery")
    residuals = evidence.tensor(tensor_name(evaluation))
    if residuals.ndim != 2 or residuals.shape[0] != len(items):
        raise MethodRefused(
            f"tensor {tensor_name(evaluation)}",
            f"{len(items)} rows",
            found=str(residuals.shape),
        )
    positive = np.array([item.context == measure.positive for item in items], dtype=bool)
    return fit(residuals, positive)


def probe_gaps(evaluation: str, measure: Probe, evidence: Evidence) -> Iterator[Gap]:
    """What keeps a probe from telling its classes apart on the split that it is made from.

    Refused if the case has no such tensor.
    """
    evidence.tensor(tensor_name(evaluation))
    where = f"evidence/probes.safetensors:{tensor_name(evaluation)}"
    try:
        area = probe_of(evaluation, measure, evidence).auroc
    except MethodRefused as refusal:
        yield Gap(where, refusal.expected, refusal.found or "none", str(refusal))
        return
    if area <= _CHANCE:
        yield Gap(where, "an AUROC above 0.5", repr(area))


def threshold_of(evaluation: str, measure: Probe, evidence: Evidence) -> float:
    """The threshold of an evaluation's probe."""
    return probe_of(evaluation, measure, evidence).threshold
