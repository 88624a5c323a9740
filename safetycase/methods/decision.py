"""From claims to a release tier, by the plan's rules and the conservative bound."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from safetycase.methods import format as spell
from safetycase.methods.clusters import korn_graubard
from safetycase.methods.gap import Gap
from safetycase.methods.grid import axis_named
from safetycase.methods.interval import clopper_pearson
from safetycase.record.governance import Override
from safetycase.record.plan import DecisionRule, Plan
from safetycase.record.results import AxisResult, DecisionResult, Determination


def decide(plan: Plan, axes: Sequence[AxisResult]) -> DecisionResult:
    """Give the tier of the first rule whose conditions all hold, or the plan's default.

    A rate is judged by the one-sided Clopper-Pearson upper bound at the plan's level under
    the treated arm: what cannot be ruled out counts as so.
    """
    by_name = {result.axis: result for result in axes}
    determined = determinations(plan, by_name) or None
    failures = []
    for number, rule in enumerate(plan.decision.rules):
        reasons = _unmet(plan, rule, by_name)
        if not reasons:
            return DecisionResult(
                tier=rule.tier, rule=number, reason=rule.text, determinations=determined
            )
        failures.append(f"rule {number} ({rule.tier}) does not apply: {'; '.join(reasons)}")
    return DecisionResult(
        tier=plan.decision.otherwise,
        rule=None,
        reason=". ".join(failures) or "no rules",
        determinations=determined,
    )


def _unmet(plan: Plan, rule: DecisionRule, axes: dict[str, AxisResult]) -> list[str]:
    reasons = [
        f"the claim of {name} does not hold"
        for name in rule.claims
        if not axes[name].claim.holds
    ]
    if rule.axis is not None and rule.rate_at_most is not None:
        bound = treated_bound(plan, axes[rule.axis])
        if bound is None:
            reasons.append(f"{rule.axis} has no treated rate: no feature was found")
        elif bound > rule.rate_at_most:
            reasons.append(
                f"the treated rate of {rule.axis} may be {spell.percent(bound)}, more than "
                f"{spell.percent(rule.rate_at_most)}"
            )
    return reasons


def determinations(plan: Plan, axes: dict[str, AxisResult]) -> tuple[Determination, ...]:
    """For every rule with a threshold, whether the treated rate is known to be on a side of it.

    Both bounds are one-sided, at the plan's level, so each side errs as seldom as the rule.
    Nothing is determined of an axis on which no feature was found.
    """
    found = (
        _determination(plan, number, axes[rule.axis], rule.rate_at_most)
        for number, rule in enumerate(plan.decision.rules)
        if rule.axis is not None and rule.rate_at_most is not None
    )
    return tuple(each for each in found if each is not None)


def _determination(
    plan: Plan, rule: int, result: AxisResult, threshold: float
) -> Determination | None:
    low, high = treated_bound(plan, result, "lower"), treated_bound(plan, result)
    if low is None or high is None:
        return None
    known: Literal["below", "cannot_rule_out", "reached"] = "cannot_rule_out"
    if high <= threshold:
        known = "below"
    elif low > threshold:
        known = "reached"
    return Determination(
        rule=rule,
        axis=result.axis,
        low=low,
        high=high,
        threshold=threshold,
        determination=known,
    )


def treated_bound(
    plan: Plan, result: AxisResult, side: Literal["lower", "upper"] = "upper"
) -> float | None:
    """One-sided bound of the claim's rate under the target; clusters widen it.

    None where no feature was found.
    """
    measure = axis_named(plan, result.axis).claim.measure
    target = f"{result.axis}/target"
    rate = next((r for r in result.rates if r.measure == measure and r.arm == target), None)
    if rate is None:
        return None
    level = plan.statistics.level
    counted = rate.counted + ((rate.excluded or 0) if side == "upper" else 0)
    if rate.clustered is not None:
        share = counted / rate.items
        interval = korn_graubard(share, rate.clustered.effective, level, side)
    else:
        interval = clopper_pearson(counted, rate.items, level, side)
    return interval.high if side == "upper" else interval.low


def direction(plan: Plan, derived: str, instead: str) -> Literal["stricter", "looser"] | None:
    """Which way a tier lies from another; none where they are one, or not the plan's.

    A plan's tiers stand from the loosest to the strictest: the first rule that applies decides.
    """
    tiers = [*(rule.tier for rule in plan.decision.rules), plan.decision.otherwise]
    if derived == instead or not {derived, instead} <= set(tiers):
        return None
    return "looser" if tiers.index(instead) < tiers.index(derived) else "stricter"


def objections(
    plan: Plan, derived: str, override: Override, trusted: Collection[str]
) -> Iterator[Gap]:
    """What speaks against a stated override of the derived tier.

    `trusted`: who may loosen a decision, by the reader's policy, and has signed this case. A
    stricter override needs nobody's leave.
    """
    place = "case.json#/override/"
    said = f"{override.by} sets {override.tier} for {derived}: {override.reason}"
    tiers = {*(rule.tier for rule in plan.decision.rules), plan.decision.otherwise}
    if override.tier not in tiers:
        expected = f"one of {', '.join(sorted(tiers))}"
        yield Gap(f"{place}tier", expected, override.tier, said)
        return
    way = direction(plan, derived, override.tier)
    if way != override.direction:
        expected = way or f"another tier than {derived}"
        yield Gap(f"{place}direction", expected, override.direction, said)
    elif way == "looser" and override.by not in trusted:
        expected = "a signer of this case whom the policy lets loosen decisions"
        yield Gap(f"{place}by", expected, override.by, said, silent=True)
