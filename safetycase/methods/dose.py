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
    """The target's dose series, then those of each best-of set, each with the dose picked.

    Each has one for every candidate of the plan. None where no feature was found: there is
    nothing to give a dose of.
    """
    if finds_nothing(axis, evidence):
        return ()
    tried = range(len(grid.candidates(axis)))
    series = [(f"{axis.id}/target", grid.dose_arms(axis, number), number) for number in tried]
    sets = [grid.best_of_arms(plan, axis, number) for number in tried]
    series += [
        (f"{axis.id}/best_of", sets[number][one], number)
        for one in range(plan.controls.best_of)
        for number in tried
    ]
    return tuple(_response(plan, axis, evidence, *each) for each in series)


def choose(axis: Axis, responses: Sequence[DoseResponse]) -> Chosen:
    """The target's dose, and the random set whose picked dose does most (the first if tied).

    Of several candidates, each takes that which does most at an admissible dose.
    """
    rule, size = axis.dose_rule, len(grid.candidates(axis))
    picked = [
        _pick_candidate(rule, responses[start : start + size])
        for start in range(0, len(responses), size)
    ]
    target, *random_sets = picked
    effects = [_effect_of_chosen(rule, response) for response in random_sets]
    best = max(range(len(effects)), key=lambda i: (effects[i], -i))
    found = random_sets[best]
    return Chosen(
        target.chosen, best, found.chosen, target.candidate or 0, found.candidate or 0
    )


def chosen_response(axis: Axis, responses: Sequence[DoseResponse]) -> DoseResponse:
    """The dose series of the candidate that the target took."""
    return responses[choose(axis, responses).candidate]


def _pick_candidate(rule: DoseRule, responses: Sequence[DoseResponse]) -> DoseResponse:
    """The series whose chosen dose is admissible and does most; the first if tied."""

    def worth(number: int) -> tuple[bool, float, int]:
        response = responses[number]
        point = next(p for p in response.points if p.dose == response.chosen)
        return point.admissible, _effect_of_chosen(rule, response), -number

    return responses[max(range(len(responses)), key=worth)]


def _response(
    plan: Plan, axis: Axis, evidence: Evidence, name: str, arms: Sequence[str], number: int
) -> DoseResponse:
    rule = axis.dose_rule
    doses = grid.candidates(axis)[number].doses
    points = _points(plan, axis, evidence, arms, doses)
    chosen = _pick(rule, points)
    return DoseResponse(
        arm=name,
        candidate=number or None,
        points=tuple(points),
        chosen=chosen,
        monotone=_monotone(rule, points, chosen),
        trend=_trend(plan, axis, evidence, arms, doses),
    )


def _trend(
    plan: Plan,
    axis: Axis,
    evidence: Evidence,
    arms: Sequence[str],
    doses: Sequence[float],
) -> Trend:
    """The trend over all doses, from the most negative up; clusters are the unit."""
    measure = axis.dose_rule.measure
    dataset = evaluation_named(plan, measure.evaluation).dataset
    flags = [
        counts_in(plan, evidence, measure, arms[place], "tuning").least
        for place in sorted(range(len(doses)), key=doses.__getitem__)
    ]
    clusters = [item.cluster for item in evidence.items.of(dataset, "tuning")]
    _, block = np.unique(clusters, return_inverse=True)
    block = block.repeat(len(flags[0]) // len(clusters))
    counts = [np.bincount(block, weights=row).astype(np.int64) for row in flags]
    return trend_of(np.array(counts))


def _points(
    plan: Plan,
    axis: Axis,
    evidence: Evidence,
    arms: Sequence[str],
    doses: Sequence[float],
) -> list[DosePoint]:
    measure = axis.dose_rule.measure
    broken = Measure(evaluation=measure.evaluation, outcomes=(INCOHERENT,))
    counts = []
    for arm in arms:
        counted = counts_in(plan, evidence, measure, arm, "tuning").least
        incoherent = counts_in(plan, evidence, broken, arm, "tuning").most
        counts.append((int(counted.sum()), int(incoherent.sum()), len(counted)))
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
