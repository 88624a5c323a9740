"""Rates, paired comparisons and control tests on the held-out split, from graded rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.methods.clusters import (
    Grouping,
    clustered_difference,
    design_effect,
    effective_for_rate,
    korn_graubard,
    sign_flip,
)
from safetycase.methods.controls import acts, rank_test
from safetycase.methods.dose import signed
from safetycase.methods.grid import BASELINE, evaluation_named
from safetycase.methods.identify import finds_nothing
from safetycase.methods.interval import Interval, clopper_pearson
from safetycase.methods.outcomes import (
    Counts,
    counted_samples,
    counts_in,
    groups_of,
    tally,
)
from safetycase.methods.paired import Pairs, mcnemar_exact, tango_interval
from safetycase.methods.realised import realised_norm
from safetycase.record.control_tests import ControlFamily, ControlTest
from safetycase.record.counted import Clustered, ExcludedPairs
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import INCOHERENT, Measure
from safetycase.record.results import (
    BaselineComparison,
    Comparison,
    Rate,
)
from safetycase.tables.columns import Flags
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import path_of

TABLE_OF_KIND = {
    "generate": "generations",
    "choice": "choices",
    "probe": "probes",
    "perplexity": "likelihoods",
}


def rate(plan: Plan, evidence: Evidence, measure: Measure, arm: str) -> Rate:
    """The held-out rate of an arm over all its items, with its exact interval.

    Where items come in clusters, the interval is that of Korn and Graubard.
    """
    found = tally(plan, evidence, measure, arm, "held_out")
    level = plan.statistics.level
    groups = groups_of(plan, evidence, measure.evaluation, "held_out")
    clustered = None
    if groups is not None:
        counts = counts_in(plan, evidence, measure, arm, "held_out")
        of = counted_samples(plan, measure.evaluation)
        clustered = _clustered_rate(counts, groups, level, of)

    def interval(k: int) -> Interval:
        if clustered is None:
            return clopper_pearson(k, found.of, level)
        return korn_graubard(k / found.of, clustered.effective, level)

    kind = evaluation_named(plan, measure.evaluation).measure.kind
    return Rate(
        arm=arm,
        measure=measure,
        split="held_out",
        counted=found.least,
        items=found.of,
        low=interval(found.least).low,
        high=interval(found.most).high,
        excluded=found.most - found.least or None,
        table=path_of(TABLE_OF_KIND[kind]),
        clustered=clustered,
    )


def _clustered_rate(counts: Counts, groups: Grouping, level: float, samples: int) -> Clustered:
    effect = max(design_effect(flags, groups) for flags in (counts.least, counts.most))
    return Clustered(
        method="korn_graubard",
        clusters=groups.clusters,
        design_effect=effect,
        effective=effective_for_rate(effect, groups, level),
        if_alike=groups.if_alike,
        samples=samples if samples > 1 else None,
    )


def compare(plan: Plan, evidence: Evidence, measure: Measure, arm: str) -> Comparison:
    """An arm against the baseline on the same held-out items."""
    return Comparison(
        arm=arm, measure=measure, **_paired(plan, evidence, measure, BASELINE, arm)
    )


def _paired(
    plan: Plan, evidence: Evidence, measure: Measure, first: str, second: str
) -> dict[str, Any]:
    """Counts, difference, interval and p of one arm after another, item by item.

    Where items come in clusters, clusters are the unit of interval and test. Missing answers
    are the worst both ways: `low` and `high` are bounds of two differences, and p is the larger
    of their two, 1 if they do not lie on one side of 0.
    """
    before = counts_in(plan, evidence, measure, first, "held_out")
    after = counts_in(plan, evidence, measure, second, "held_out")
    known = before.known & after.known
    pairs = Pairs.of(before.least[known], after.least[known])
    groups = groups_of(plan, evidence, measure.evaluation, "held_out")
    level, of = plan.statistics.level, counted_samples(plan, measure.evaluation)
    worst = change_of(before.most, after.least, groups, level)
    p = _p_of(before.most, after.least, groups)
    best = worst
    if not known.all():
        best = change_of(before.least, after.most, groups, level)
        is_one_sided = worst.difference * best.difference > 0.0
        p = max(p, _p_of(before.least, after.most, groups)) if is_one_sided else 1.0
    missing = int((~known).sum())
    return {
        "both": pairs.both,
        "gained": pairs.only_after,
        "lost": pairs.only_before,
        "neither": pairs.neither,
        "difference": (pairs.only_after - pairs.only_before) / len(known),
        "low": worst.interval.low,
        "high": best.interval.high,
        "p": p,
        "clustered": _costlier(worst.clustered, best.clustered, of),
        "excluded": None
        if worst is best
        else ExcludedPairs(pairs=missing, least=worst.difference, most=best.difference),
    }


def baseline_comparisons(
    plan: Plan, axis: Axis, evidence: Evidence
) -> tuple[BaselineComparison, ...] | None:
    """What the target adds to each simpler intervention on the claim's rate, if any is asked.

    The simpler one stands in the place of *before*: the difference is the target's rate less
    its own. Where the dictionary's error is dropped, the reconstruction is one of them. None
    where no feature was found.
    """
    if finds_nothing(axis, evidence):
        return None
    arms = grid.compared_arms(axis)
    measure, target = axis.claim.measure, f"{axis.id}/target"
    found = tuple(
        BaselineComparison(arm=arm, **_paired(plan, evidence, measure, arm, target))
        for arm in arms
    )
    return found or None


def _p_of(before: Flags, after: Flags, groups: Grouping | None) -> float:
    if groups is None:
        return mcnemar_exact(Pairs.of(before, after))
    return sign_flip(after.astype(np.int64) - before, groups)


def _costlier(one: Clustered | None, other: Clustered | None, samples: int) -> Clustered | None:
    """What clusters cost at the more, with the number of samples counted of an item."""
    if one is None or other is None:
        return None
    more = max(one, other, key=lambda each: each.design_effect)
    return more.model_copy(update={"samples": samples if samples > 1 else None})


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the same answers from one arm to another."""

    pairs: Pairs
    difference: float
    interval: Interval
    clustered: Clustered | None


def change_of(before: Flags, after: Flags, groups: Grouping | None, level: float) -> Change:
    """The paired change of a share with its interval; clusters are the unit where given."""
    pairs = Pairs.of(before, after)
    gained, lost = pairs.only_after, pairs.only_before
    if groups is None:
        clustered, interval = None, tango_interval(pairs, level)
    else:
        clustered = _clustered_change(after.astype(np.int64) - before, groups)
        effect = clustered.design_effect
        interval = clustered_difference(gained, lost, groups, effect, level)
    return Change(pairs, (gained - lost) / len(before), interval, clustered)


def _clustered_change(change: NDArray[np.int64], groups: Grouping) -> Clustered:
    effect = design_effect(change, groups)
    return Clustered(
        method="tango_design_effect",
        clusters=groups.clusters,
        design_effect=effect,
        effective=groups.answers / effect,
        if_alike=groups.if_alike,
    )


def incoherence(plan: Plan, axis: Axis) -> Measure | None:
    """The share of incoherent answers on the claim's items; none if nothing is generated."""
    evaluation = evaluation_named(plan, axis.claim.measure.evaluation)
    if evaluation.measure.kind != "generate":
        return None
    return Measure(evaluation=evaluation.id, outcomes=(INCOHERENT,))


def measured_on(plan: Plan, axis: Axis) -> list[tuple[Measure, list[str]]]:
    """Every rate that is reported on an axis, with its arms, the baseline first."""
    everywhere = [BASELINE, *grid.held_out_arms(plan, axis)]
    named = [BASELINE, *grid.named_arms(axis)]
    measures = [(axis.claim.measure, everywhere)]
    measures += [(mediator.measure, everywhere) for mediator in axis.mediators]
    measures += [
        (effect.measure, everywhere if grid.is_damage(axis, effect) else named)
        for effect in grid.to_keep(plan, axis)
    ]
    incoherent = incoherence(plan, axis)
    if incoherent is not None:
        measures.append((incoherent, everywhere))
    left = grid.without_gain(axis)
    if left is not None and all(left != measure for measure, _ in measures):
        measures.append((left, named))
    return measures


def rates(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[Rate, ...]:
    """Every held-out rate of an axis; the baseline's alone where no feature was found."""
    is_edited = not finds_nothing(axis, evidence)
    return tuple(
        rate(plan, evidence, measure, arm)
        for measure, arms in measured_on(plan, axis)
        for arm in (arms if is_edited else [BASELINE])
    )


def comparisons(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[Comparison, ...]:
    """Named arms against the baseline on the claim's rate; the target on every other rate."""
    if finds_nothing(axis, evidence):
        return ()
    result = [compare(plan, evidence, axis.claim.measure, arm) for arm in grid.named_arms(axis)]
    target = f"{axis.id}/target"
    for measure, _ in measured_on(plan, axis)[1:]:
        result.append(compare(plan, evidence, measure, target))
    return tuple(result)


def effect(
    plan: Plan, axis: Axis, evidence: Evidence, arm: str, *, at_most: bool = False
) -> float:
    """Change of the claim's rate from the baseline, in the claim's direction, as a share.

    Missing answers are taken as those that make it least, or most with `at_most`.
    """
    measure = axis.claim.measure
    before = tally(plan, evidence, measure, BASELINE, "held_out")
    after = tally(plan, evidence, measure, arm, "held_out")
    is_most = (axis.claim.direction == "up") == at_most
    change = after.most - before.least if is_most else after.least - before.most
    return signed(axis.claim.direction, change / before.of)


def control_tests(plan: Plan, axis: Axis, evidence: Evidence) -> tuple[ControlTest, ...]:
    """The target against each control family of the plan; none where no feature was found."""
    if finds_nothing(axis, evidence):
        return ()
    return tuple(
        _control_test(plan, axis, evidence, family, grid.control_arms(plan, axis, family))
        for family in grid.control_counts(plan)
    )


def _control_test(
    plan: Plan,
    axis: Axis,
    evidence: Evidence,
    family: ControlFamily,
    arms: Sequence[str],
) -> ControlTest:
    target = f"{axis.id}/target"
    acting = [arm for arm in arms if acts_like_the_target(plan, axis, evidence, arm)]
    if not acting:
        raise MethodRefused(f"axis {axis.id}", f"a {family} control that acts", found="none")
    aim = effect(plan, axis, evidence, target)
    effects = [effect(plan, axis, evidence, arm, at_most=True) for arm in acting]
    return ControlTest(
        family=family,
        controls=len(acting),
        silent=len(arms) - len(acting),
        as_large=sum(e >= aim for e in effects),
        largest=max(effects),
        median=median(effects),
        p=rank_test(aim, effects),
    )


def acts_like_the_target(plan: Plan, axis: Axis, evidence: Evidence, arm: str) -> bool:
    """Whether an arm's realised norm on the claim's rows is near enough to the target's."""
    measure, target = axis.claim.measure, f"{axis.id}/target"
    wanted, _ = realised_norm(plan, evidence, measure, target, "held_out")
    done, _ = realised_norm(plan, evidence, measure, arm, "held_out")
    if wanted is None or done is None:
        return False
    if not wanted:
        raise MethodRefused(
            f"axis {axis.id}",
            "an edit of some size on the claim's held-out items",
            found="none: the edit met no activation of its features",
            remedy="Nothing follows from an edit of nothing; ask where the features fire.",
        )
    return acts(done, wanted, tolerance=plan.controls.norm_tolerance)
