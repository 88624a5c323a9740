"""How large the edits of an arm were, by its own rows."""

from __future__ import annotations

import math

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods.outcomes import answers_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Measure
from safetycase.tables.columns import Answers, Numbers
from safetycase.tables.evidence import Evidence


def realised(answers: Answers) -> tuple[float | None, float | None]:
    """Mean ‖Δh‖ per edited position, and its ratio to mean ‖h‖; none where nothing is edited.

    Weighted by each row's number of edited positions; sums are correctly rounded (fsum), so
    that they depend on no order.
    """
    edits = int(answers.edits.sum(dtype=np.int64))
    if not edits:
        return None, None
    delta = _sum(answers.delta * answers.edits) / edits
    residual = _sum(answers.residual * answers.edits) / edits
    if residual <= 0.0:
        raise MethodRefused(
            "rows of an edited arm", "activations with a norm above 0", found="0"
        )
    return delta, delta / residual


def _sum(values: Numbers) -> float:
    """The correctly rounded sum; of one value so often, that is their product."""
    if (values == values[0]).all():
        return float(values[0]) * len(values)
    return math.fsum(values.tolist())


def realised_norm(
    plan: Plan, evidence: Evidence, measure: Measure, arm: str, split: str
) -> tuple[float | None, float | None]:
    """The realised edit of an arm over the rows of one evaluation and split."""
    key = ("realised", measure.evaluation, arm, split)
    return evidence.once(
        key, lambda: realised(answers_of(plan, evidence, measure.evaluation, arm, split))
    )
