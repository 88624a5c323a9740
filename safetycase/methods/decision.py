"""From claims to a release tier, by the plan's rules and the conservative bound."""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.methods import format as spell
from safetycase.methods.clusters import korn_graubard
from safetycase.methods.grid import axis_named
from safetycase.methods.interval import clopper_pearson
from safetycase.record.plan import DecisionRule, Plan
from safetycase.record.results import AxisResult, DecisionResult


def decide(plan: Plan, axes: Sequence[AxisResult]) -> DecisionResult:
    """Give the tier of the first rule whose conditions all hold, or the plan's default.

    A rate is judged by the one-sided Clopper-Pearson upper bound at the plan's level under
    the treated arm: what cannot be ruled out counts as so.
    """
    by_name = {result.axis: result for result in axes}
    failures = []
    for number, rule in enumerate(plan.decision.rules):
        reasons = _unmet(plan, rule, by_name)
        if not reasons:
            return DecisionResult(tier=rule.tier, rule=number, reason=rule.text)
        failures.append(f"rule {number} ({rule.tier}) does not apply: {'; '.join(reasons)}")
    return DecisionResult(
        tier=plan.decision.otherwise, rule=None, reason=". ".join(failures) or "no rules"
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


def treated_bound(plan: Plan, result: AxisResult) -> float | None:
    """One-sided upper bound of the claim's rate under the target; clusters widen it.

    None where no feature was found.
    """
    measure = axis_named(plan, result.axis).claim.measure
    target = f"{result.axis}/target"
    rate = next((r for r in result.rates if r.measure == measure and r.arm == target), None)
    if rate is None:
        return None
    if rate.clustered is not None:
        share, level = rate.counted / rate.items, plan.statistics.level
        return korn_graubard(share, rate.clustered.effective, level, "upper").high
    return clopper_pearson(rate.counted, rate.items, plan.statistics.level, "upper").high
