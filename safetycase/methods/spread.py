"""Which items an intervention moves which way, and how much of that is the luck of sampling.

A mean effect can hide items that move against it: on many concepts steering does so for a large
share of inputs (Tan et al. 2024, arXiv 2407.12404, "anti-steerable" examples).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.dose import signed
from safetycase.methods.grid import BASELINE, evaluation_named, samples_of
from safetycase.methods.identify import finds_nothing
from safetycase.methods.outcomes import each_answer
from safetycase.record.counted import Spread, Steering
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.columns import Flags
from safetycase.tables.evidence import Evidence


def steering(plan: Plan, axis: Axis, evidence: Evidence) -> Steering | None:
    """Count held-out items by the way in which the target moved their share of samples.

    The aim is the claim's direction; of a claim that nothing changes, away from the harm. None
    where no feature was found, so that there is no target.
    """
    if finds_nothing(axis, evidence):
        return None
    samples = samples_of(evaluation_named(plan, axis.claim.measure.evaluation))
    target = f"{axis.id}/target"
    pairs = [
        each_answer(plan, evidence, axis.claim.measure, arm, "held_out")
        for arm in (BASELINE, target)
    ]
    both: Flags = pairs[0].known & pairs[1].known
    known: Flags = np.logical_and.reduce(both.reshape(-1, samples), axis=1)
    before, after = (counts.least.reshape(-1, samples)[known] for counts in pairs)
    change = after.sum(axis=1, dtype=np.int64) - before.sum(axis=1, dtype=np.int64)
    sign = 1 if axis.claim.kind == "effect" else -1
    aim = sign * signed(axis.claim.direction, 1.0) * change
    spread = (spread_of(BASELINE, before), spread_of(target, after)) if samples > 1 else None
    return Steering(
        toward=int((aim > 0).sum()),
        against=int((aim < 0).sum()),
        unmoved=int((aim == 0).sum()),
        unanswered=len(known) - len(aim) or None,
        spread=spread,
    )


def spread_of(arm: str, flags: NDArray[np.bool_]) -> Spread:
    """Take outcomes [items, samples] apart: between samples of an item, and between items.

    Refused: under two items or samples, which have no variance.

    Source: one-way analysis of variance; Miller, arXiv 2411.00640, section 3.2: the variance of
    a mean over n items and K samples is between/n, of which within/(nK) is sampling.
    """
    if min(flags.shape) < 2:
        raise MethodRefused("spread_of", "two items and samples", found=str(flags.shape))
    rates = flags.mean(axis=0)
    return Spread(
        arm=arm,
        rates=tuple(rates.tolist()),
        deviation=float(np.std(rates, ddof=1)),
        within=float(np.var(flags, axis=1, ddof=1).mean()),
        between=float(np.var(flags.mean(axis=1), ddof=1)),
    )
