"""The target beside controls of equal damage: its line, its rank, and too few of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.claims import claim_p, conditions
from safetycase.methods.controls import rank_test
from safetycase.methods.degradation import line_through
from safetycase.methods.lint import lint
from safetycase.record.control_tests import ArmDamage, MatchedComparison
from tests.unit.methods.plans import plan_data, plan_of
from tests.unit.methods.test_wording import _findings

NUMBERS = st.lists(st.integers(-20, 20).map(lambda n: n / 8), min_size=3, max_size=15)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_line_is_that_of_scipy(data: Any) -> None:
    x = data.draw(NUMBERS)
    y = data.draw(st.lists(st.floats(-1, 1), min_size=len(x), max_size=len(x)))
    assume(len(set(x)) > 1)
    wanted = stats.linregress(x, y)
    found = line_through(x, y)
    assert found.slope == pytest.approx(wanted.slope, abs=1e-9)
    left = np.array(y) - wanted.intercept - wanted.slope * np.array(x)
    assert found.residuals == pytest.approx(left, abs=2e-9)


def test_the_line_is_level_where_damage_does_not_vary() -> None:
    assert line_through([0.5] * 3, [0.0, 0.0, 0.3]).slope == 0.0
    assert line_through([0.5] * 3, [0.0, 0.0, 0.3]).residuals == (-0.1, -0.1, 0.2)


def test_equal_arms_are_tied() -> None:
    line = line_through([0.1, 0.3, 0.1, 0.7], [0.2, 0.9, 0.2, 0.4])
    assert line.residuals[0] == line.residuals[2]
    assert rank_test(line.residuals[0], line.residuals[2:3]) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_whoever_could_have_been_the_target_is_never_too_lucky(data: Any) -> None:
    """With the target on the line as any other point, ranks of residuals keep their level."""
    x = data.draw(NUMBERS)
    y = data.draw(st.lists(st.integers(-8, 8).map(float), min_size=len(x), max_size=len(x)))
    left = line_through(x, y).residuals
    p = [rank_test(own, [*left[:i], *left[i + 1 :]]) for i, own in enumerate(left)]
    for alpha in (0.1, 0.2, 0.5):
        assert sum(each <= alpha for each in p) <= alpha * len(x) + 1e-9


def test_no_points_have_no_line() -> None:
    with pytest.raises(MethodRefused):
        line_through([], [])


def _asked(**changes: Any) -> dict[str, Any]:
    return {"damage": "likelihood", "tolerance": 0.1, "test": "matched"} | changes


def _compared(**changes: Any) -> MatchedComparison:
    facts: dict[str, Any] = {
        "arms": (ArmDamage(arm="axis/target", damage=0.2, effect=0.75),),
        "matched": 30,
        "as_large": 0,
        "p": 1 / 31,
        "slope": 0.1,
        "residual": 0.7,
        "p_residual": 1 / 40,
    }
    return MatchedComparison(**(facts | changes))


def _judged(asked: dict[str, Any], found: MatchedComparison) -> tuple[bool, str, float]:
    data = plan_data()
    data["axes"][0]["matched_degradation"] = asked
    plan = plan_of(data)
    findings = _findings(plan, degradation=found)
    p = claim_p(findings)
    assert p is not None
    met = {each.id: each for each in conditions(plan, findings, p)}
    one = met["exceeds_at_matched_degradation"]
    return one.holds, one.reason, p


def test_a_target_above_controls_of_equal_damage_exceeds_them() -> None:
    holds, reason, p = _judged(_asked(), _compared())
    assert holds
    assert "0 of 30 controls" in reason
    assert p == 1 / 31


def test_a_control_of_equal_damage_and_effect_counts_against_the_target() -> None:
    holds, _, p = _judged(_asked(), _compared(as_large=1, p=2 / 31))
    assert not holds
    assert p == 2 / 31


@pytest.mark.parametrize("changes", [{"matched": 0, "p": None}, {"matched": 9, "p": 0.1}])
def test_too_few_controls_of_equal_damage_are_no_pass(changes: dict[str, Any]) -> None:
    holds, reason, p = _judged(_asked(), _compared(**changes))
    assert not holds
    assert "not known, and not shown" in reason
    assert p == (changes["p"] or 1.0)


def test_the_regression_asks_for_what_damage_does_not_explain() -> None:
    assert _judged(_asked(test="regression"), _compared(matched=0, p=None))[0]
    assert not _judged(_asked(test="regression"), _compared(p_residual=0.3))[0]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (_asked(damage="capability"), "name the side effect"),
        (_asked(side_effect="quiz"), "only with damage capability"),
        (_asked(damage="repetition"), None),
        (_asked(), None),
    ],
)
def test_a_plan_says_what_damage_is(asked: dict[str, Any], says: str | None) -> None:
    data = plan_data()
    data["axes"][0]["matched_degradation"] = asked
    faults = [fault for fault in lint(plan_of(data)) if "matched_degradation" in fault]
    assert [says in fault for fault in faults if says] == ([True] if says else [])
    assert bool(faults) == bool(says)


def test_texts_are_needed_where_damage_is_that_of_texts() -> None:
    data = plan_data()
    data["evaluations"][0]["measure"] = {"kind": "choice"}
    data["axes"][0]["matched_degradation"] = _asked(damage="repetition")
    assert any("answers of kind choice" in fault for fault in lint(plan_of(data)))
    data["axes"][0]["matched_degradation"] = _asked()
    assert not any("matched_degradation" in fault for fault in lint(plan_of(data)))
