"""The decision takes what cannot be ruled out for so, and an override stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.stats

from safetycase.methods.decision import decide, direction, objections
from safetycase.record.case import Case
from safetycase.record.governance import Override
from safetycase.record.plan import Plan
from tests.kit.builder import honest_case


def _plan(**rule: Any) -> Plan:
    plan = Plan.model_validate_json(honest_case().members["plan.json"])
    [only] = plan.decision.rules
    rules = (only.model_copy(update=rule),)
    return plan.model_copy(
        update={"decision": plan.decision.model_copy(update={"rules": rules})}
    )


def _axes() -> Any:
    return Case.model_validate_json(honest_case().members["case.json"]).results.axes


def _bounds() -> tuple[float, float]:
    rate = next(
        rate
        for rate in _axes()[1].rates
        if rate.arm == "knowledge/target" and rate.measure.evaluation == "quiz"
    )
    k, n = rate.counted, rate.items
    low = scipy.stats.beta.ppf(0.05, k, n - k + 1)
    high = scipy.stats.beta.isf(0.05, k + 1, n - k)
    return float(low), float(high)


@pytest.mark.parametrize(
    ("place", "known", "tier"),
    [
        ("over", "below", "general"),
        ("inside", "cannot_rule_out", "restricted"),
        ("under", "reached", "restricted"),
    ],
)
def test_an_interval_that_straddles_the_threshold_rules_nothing_out(
    place: str, known: str, tier: str
) -> None:
    low, high = _bounds()
    threshold = {"over": high + 1e-6, "inside": (low + high) / 2, "under": low - 1e-6}[place]
    decided = decide(_plan(rate_at_most=threshold), _axes())
    assert decided.determinations is not None
    [found] = decided.determinations
    assert (found.determination, decided.tier) == (known, tier)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.rule, found.axis, found.threshold) == (0, "knowledge", threshold)


def test_a_rule_without_a_threshold_determines_nothing() -> None:
    decided = decide(_plan(axis=None, rate_at_most=None), _axes())
    assert decided.determinations is None
    assert "determinations" not in decided.spelled()


def test_tiers_stand_from_the_loosest_to_the_strictest() -> None:
    plan = _plan()
    assert direction(plan, "restricted", "general") == "looser"
    assert direction(plan, "general", "restricted") == "stricter"
    assert direction(plan, "general", "general") is None
    assert direction(plan, "general", "partners") is None


@pytest.mark.parametrize(
    ("derived", "tier", "way", "trusted", "found"),
    [
        ("general", "restricted", "stricter", (), []),
        ("restricted", "general", "looser", ("kit",), []),
        ("restricted", "general", "looser", (), [("by", False)]),
        ("restricted", "general", "looser", ("other",), [("by", False)]),
        ("restricted", "general", "stricter", ("kit",), [("direction", True)]),
        ("general", "restricted", "looser", ("kit",), [("direction", True)]),
        ("general", "general", "stricter", ("kit",), [("direction", True)]),
        ("general", "partners", "looser", ("kit",), [("tier", True)]),
    ],
)
def test_only_a_named_signer_may_loosen(
    derived: str, tier: str, way: Any, trusted: Any, found: list[tuple[str, bool]]
) -> None:
    stated = Override(by="kit", tier=tier, direction=way, reason="r")
    told = objections(_plan(), derived, stated, trusted)
    assert [(each.where.rpartition("/")[2], not each.silent) for each in told] == found
