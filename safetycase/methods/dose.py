"""Which dose the plan's rule picks on the tuning split, for the target and for random sets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from safetycase.methods import grid
from safetycase.methods.arms import Chosen
from safetycase.methods.grid import evaluation_named
from safetycase.methods.identify import finds_nothing
from safetycase.methods.outcomes import counts_in
from safetycase.methods.trend import trend_of
from safetycase.record.doses import DosePoint, DoseResponse, Trend
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, DoseRule
from safetycase.record.planned_evaluation import INCOHERENT, Measure
from safetycase.tables.evidence import Evidence


def signed(direction: str, change: float) -> float:
    """A change in the direction asked for: positive if it goes there."""
    return change if direction == "up" else -change


def dose_responses(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[DoseResponse, ...]:
    """The target's dose series, then that of each best-of set, each with the dose picked.

    None where no feature was found: there is nothing to give a dose of.
    """
    if finds_nothing(axis, evidence):
        return ()
    series = [(f"{axis.id}/target", grid.dose_arms(axis))]
    series += [(f"{axis.id}/best_of", arms) for arms in grid.best_of_arms(plan, axis)]
    return tuple(_response(plan, axis, evidence, name, arms) for name, arms in series)


def choose(axis: Axis, responses: Sequence[DoseResponse]) -> Chosen:
    """The target's dose, and the random set whose picked dose does most (the first if tied)."""
    target, *random_sets = responses
    effects = [_effect_of_chosen(axis.dose_rule, response) for response in random_sets]
    best = max(range(len(effects)), key=lambda i: (effects[i], -i))
    return Chosen(target.chosen, best, random_sets[best].chosen)


def _response(
    plan: Plan, axis: Axis, evidence: Evidence, name: str, arms: Sequence[str]
) -> DoseResponse:
    rule = axis.dose_rule
    points = _points(plan, axis, evidence, arms)
    chosen = _pick(rule, points)
    return DoseResponse(
        arm=name,
        points=tuple(points),
        chosen=chosen,
        monotone=_monotone(rule, points, chosen),
        trend=_trend(plan, axis, evidence, arms),
    )


def _trend(plan: Plan, axis: Axis, evidence: Evidence, arms: Sequence[str]) -> Trend:
    """The trend over all doses, from the most negative up; clusters are the unit."""
    measure = axis.dose_rule.measure
    dataset = evaluation_named(plan, measure.evaluation).dataset
    doses = axis.candidate.doses
    flags = [
        counts_in(plan, evidence, measure, arms[place], "tuning").least
        for place in sorted(range(len(doses)), key=doses.__getitem__)
    ]
    clusters = [item.cluster for item in evidence.items.of(dataset, "tuning")]
    _, block = np.unique(clusters, return_inverse=True)
    block = block.repeat(len(flags[0]) // len(clusters))
    counts = [np.bincount(block, weights=row).astype(np.int64) for row in flags]
    return trend_of(np.array(counts))


def _points(plan: Plan, axis: Axis, evidence: Evidence, arms: Sequence[str]) -> list[DosePoint]:
    measure = axis.dose_rule.measure
    broken = Measure(evaluation=measure.evaluation, outcomes=(INCOHERENT,))
    counts = []
    for arm in arms:
        counted = counts_in(plan, evidence, measure, arm, "tuning").least
        incoherent = counts_in(plan, evidence, broken, arm, "tuning").most
        counts.append((int(counted.sum()), int(incoherent.sum()), len(counted)))
    doses = axis.candidate.doses
    zero = counts[doses.index(0.0)]
    return [
        DosePoint(
            arm=arm,
            dose=dose,
            counted=counted,
            incoherent=incoherent,
            items=items,
            admissible=_eligible(axis.dose_rule, dose)
            and (incoherent - zero[1]) / items <= axis.dose_rule.incoherent_at_most,
        )
        for arm, dose, (counted, incoherent, items) in zip(arms, doses, counts, strict=True)
    ]


def _eligible(rule: DoseRule, dose: float) -> bool:
    if rule.sign == "negative":
        return dose < 0.0
    if rule.sign == "positive":
        return dose > 0.0
    return dose != 0.0


def _effect(rule: DoseRule, points: Sequence[DosePoint], point: DosePoint) -> float:
    zero = next(p for p in points if p.dose == 0.0)
    return signed(rule.direction, (point.counted - zero.counted) / point.items)


def _pick(rule: DoseRule, points: Sequence[DosePoint]) -> float:
    admissible = [p for p in points if p.admissible]
    if not admissible:
        return min((p.dose for p in points if _eligible(rule, p.dose)), key=abs)
    effects = [_effect(rule, points, p) for p in admissible]
    best = max(effects)
    enough = rule.share_of_best * best if best > 0.0 else best
    good = [p.dose for p, effect in zip(admissible, effects, strict=True) if effect >= enough]
    return min(good, key=abs)


def _effect_of_chosen(rule: DoseRule, response: DoseResponse) -> float:
    point = next(p for p in response.points if p.dose == response.chosen)
    return _effect(rule, response.points, point)


def _monotone(rule: DoseRule, points: Sequence[DosePoint], chosen: float) -> bool:
    between = sorted(
        (p for p in points if min(0.0, chosen) <= p.dose <= max(0.0, chosen)),
        key=lambda p: abs(p.dose),
    )
    effects = [_effect(rule, points, p) for p in between]
    return all(a <= b for a, b in pairwise(effects))
