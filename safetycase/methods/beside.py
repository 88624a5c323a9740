"""What stands beside a claim, from graded rows: outcomes, shrinkage, strata."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from safetycase.methods import grid
from safetycase.methods.classes import classes_of
from safetycase.methods.clusters import Grouping
from safetycase.methods.dose import chosen_response, signed
from safetycase.methods.grid import BASELINE, evaluation_named, samples_of
from safetycase.methods.identify import finds_nothing
from safetycase.methods.interval import Interval, normal_quantile
from safetycase.methods.measure import change_of
from safetycase.methods.outcomes import counts_in, groups_of
from safetycase.methods.text_grade import CHOICE_OUTCOMES
from safetycase.record.beside import (
    OutcomeCount,
    Shrinkage,
    ShrunkAuroc,
    ShrunkEffect,
    Stratum,
)
from safetycase.record.doses import DoseResponse
from safetycase.record.identification import Identification
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, Mediator
from safetycase.record.planned_evaluation import (
    INCOHERENT,
    Choice,
    Evaluation,
    Generate,
    Measure,
)
from safetycase.record.unavailable import Unavailable
from safetycase.tables.columns import Flags
from safetycase.tables.evidence import Evidence

_HALF = 0.5
"""Share of an effect that must be left. Gelman and Carlin (2014, Perspectives on Psychological
Science 9:641) call what is lost by choosing the largest an exaggeration; replications of a
hundred studies found half (Open Science Collaboration 2015, Science 349:aac4716)."""
_STEPS = 200


def outcomes_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Every outcome that an evaluation can give, the grader's in its order."""
    measure = evaluation.measure
    if isinstance(measure, Generate):
        rules = (rule.outcome for rule in measure.grader.rules)
        return tuple(dict.fromkeys([*rules, measure.grader.otherwise, INCOHERENT]))
    return tuple(CHOICE_OUTCOMES) if isinstance(measure, Choice) else ("above", "below")


def outcome_counts(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[OutcomeCount, ...]:
    """Where the answers to the claim's questions went, under every named arm."""
    evaluation = evaluation_named(plan, axis.claim.measure.evaluation)
    named = [] if finds_nothing(axis, evidence) else grid.named_arms(axis)
    return tuple(
        _counted(plan, evidence, evaluation, arm, outcome)
        for arm in [BASELINE, *named]
        for outcome in outcomes_of(evaluation)
    )


def _counted(
    plan: Plan, evidence: Evidence, evaluation: Evaluation, arm: str, outcome: str
) -> OutcomeCount:
    measure = Measure(evaluation=evaluation.id, outcomes=(outcome,))
    flags = counts_in(plan, evidence, measure, arm, "held_out").least
    return OutcomeCount(arm=arm, outcome=outcome, counted=int(flags.sum()), items=len(flags))


def shrinkage(
    plan: Plan,
    axis: Axis,
    evidence: Evidence,
    found: Identification,
    responses: Sequence[DoseResponse],
) -> Shrinkage | None:
    """What is left on held-out items of effect and AUROC; none without a feature."""
    if not responses:
        return None
    return Shrinkage(
        effect=_shrunk_effect(plan, axis, evidence, chosen_response(axis, responses)),
        features=tuple(_shrunk_aurocs(plan, axis, evidence, found)),
    )


def _shrunk_effect(
    plan: Plan, axis: Axis, evidence: Evidence, response: DoseResponse
) -> ShrunkEffect | None:
    rule = axis.dose_rule
    measured = [axis.claim.measure, *(mediator.measure for mediator in axis.mediators)]
    if rule.measure.evaluation not in {measure.evaluation for measure in measured}:
        return None
    arms = {point.dose: point.arm for point in response.points}
    tuned = _effect(plan, axis, evidence, (arms[0.0], arms[response.chosen]), "tuning")
    dropped = axis.candidate.error_policy == "none"
    zero = f"{axis.id}/reconstruction" if dropped else BASELINE
    fresh = _effect(plan, axis, evidence, (zero, response.arm), "held_out")
    gap = difference_interval(fresh, tuned)
    return ShrunkEffect(
        tuning=tuned[0],
        held_out=fresh[0],
        difference=fresh[0] - tuned[0],
        low=gap.low,
        high=gap.high,
        large=tuned[0] > 0.0 and fresh[0] < _HALF * tuned[0],
    )


Estimate = tuple[float, Interval]
"""A figure and its interval."""


def _effect(
    plan: Plan, axis: Axis, evidence: Evidence, arms: tuple[str, str], split: str
) -> Estimate:
    """The change from one arm to the other in the dose rule's direction, with its interval."""
    rule = axis.dose_rule
    before, after = (counts_in(plan, evidence, rule.measure, arm, split).least for arm in arms)
    groups = groups_of(plan, evidence, rule.measure.evaluation, split)
    change = change_of(before, after, groups, plan.statistics.level)
    low, high = change.interval.low, change.interval.high
    if rule.direction == "down":
        low, high = -high, -low
    return signed(rule.direction, change.difference), Interval(low, high)


def difference_interval(one: Estimate, two: Estimate) -> Interval:
    """Interval of the difference of two independent figures, from their own intervals.

    Source: Zou & Donner 2008, Statistics in Medicine 27:1693 (method of variance estimates
    recovery); of two proportions with Wilson's intervals it is Newcombe's method 10.
    """
    (a, first), (b, second) = one, two
    below = math.hypot(a - first.low, second.high - b)
    above = math.hypot(first.high - a, b - second.low)
    return Interval(a - b - below, a - b + above)


def _shrunk_aurocs(
    plan: Plan, axis: Axis, evidence: Evidence, found: Identification
) -> Iterator[ShrunkAuroc]:
    fresh_sizes = classes_of(axis.selection.contrast, evidence, "held_out").sizes
    sizes = (found.positive_items, found.negative_items), fresh_sizes
    for kept in found.features:
        if isinstance(kept.held_out_auroc, Unavailable):
            continue
        areas = kept.auroc, kept.held_out_auroc
        known, fresh = (
            (area, auroc_interval(area, *size, plan.statistics.level))
            for area, size in zip(areas, sizes, strict=True)
        )
        gap = difference_interval(fresh, known)
        yield ShrunkAuroc(
            feature=kept.feature,
            discovery=kept.auroc,
            held_out=kept.held_out_auroc,
            difference=kept.held_out_auroc - kept.auroc,
            low=gap.low,
            high=gap.high,
            large=kept.auroc > 0.5 and kept.held_out_auroc - 0.5 < _HALF * (kept.auroc - 0.5),
        )


def auroc_interval(area: float, positive: int, negative: int, level: float) -> Interval:
    """Interval of an area under the ROC curve, from the area and the two sample sizes.

    Where |t - area| is the normal point times Hanley and McNeil's standard error at t, with the
    mean sample size in its numerator. Empty at an area of 0 or 1 it is not.
    Source: Newcombe 2006, Statistics in Medicine 25:559, method 5.
    """
    point = normal_quantile((1.0 + level) / 2.0) ** 2
    mean = (positive + negative) / 2.0

    def is_beyond(t: float) -> bool:
        inflation = 1.0 + (mean - 1.0) * ((1.0 - t) / (2.0 - t) + t / (1.0 + t))
        return (t - area) ** 2 > point * t * (1.0 - t) * inflation / (positive * negative)

    ends = []
    for end in (0.0, 1.0):
        near, far = area, end
        for _ in range(_STEPS):
            middle = (near + far) / 2.0
            if is_beyond(middle):
                far = middle
            else:
                near = middle
        ends.append(near)
    return Interval(ends[0], ends[1])


def _is_beside(plan: Plan, axis: Axis, mediator: Mediator) -> bool:
    names = (axis.claim.measure.evaluation, mediator.measure.evaluation)
    one, two = (evaluation_named(plan, name) for name in names)
    return one.dataset == two.dataset and samples_of(one) == samples_of(two) == 1


def stratifying(plan: Plan, axis: Axis) -> list[Mediator]:
    """Manipulation checks that are read on the claim's own items, one answer each."""
    return [each for each in axis.mediators if _is_beside(plan, axis, each)]


def strata(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[Stratum, ...] | None:
    """The target's effect by the baseline outcome of every mediator of the same items.

    Descriptive: what the edit is meant to change divides the items, so that a difference
    between strata is no effect of it.
    """
    beside = stratifying(plan, axis)
    if not beside or finds_nothing(axis, evidence):
        return None
    measure = axis.claim.measure
    arms = (BASELINE, f"{axis.id}/target")
    before, after = (counts_in(plan, evidence, measure, arm, "held_out").least for arm in arms)
    items = evidence.items.of(evaluation_named(plan, measure.evaluation).dataset, "held_out")
    clusters = [item.cluster for item in items]
    result = []
    for mediator in beside:
        inside = counts_in(plan, evidence, mediator.measure, BASELINE, "held_out").least
        for counted in (True, False):
            mask = inside == counted
            result.append(
                _stratum(plan, mediator, before, after, mask, clusters, counted=counted)
            )
    return tuple(result)


def _stratum(
    plan: Plan,
    mediator: Mediator,
    before: Flags,
    after: Flags,
    mask: Flags,
    clusters: Sequence[str],
    *,
    counted: bool,
) -> Stratum:
    items = int(mask.sum())
    sizes: dict[str, float] = {}
    if items:
        inside = [clusters[place] for place in np.flatnonzero(mask).tolist()]
        groups = Grouping.of(inside)
        change = change_of(
            before[mask],
            after[mask],
            None if groups.is_trivial else groups,
            plan.statistics.level,
        )
        sizes = {
            "difference": change.difference,
            "low": change.interval.low,
            "high": change.interval.high,
        }
    return Stratum(
        mediator=mediator.id,
        counted=counted,
        items=items,
        before=int(before[mask].sum()),
        after=int(after[mask].sum()),
        **sizes,
    )
