from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from safetycase.errors import MethodRefused
from safetycase.methods.interval import (
    Interval,
    Side,
    beta_quantile,
    beta_tails,
    clopper_pearson,
    critical_value,
    normal_cdf,
    normal_quantile,
    rule_of_zero,
    wilson,
)

SIZES = [1, 2, 3, 10, 50, 300, 12_345, 1_000_000, 10_000_000]
COUNTS = [
    (k, n) for n in SIZES for k in sorted({0, 1, min(2, n), n // 100, n // 3, n // 2, n - 1, n})
]
SCIPY_ALTERNATIVE: dict[Side, str] = {
    "two-sided": "two-sided",
    "upper": "less",
    "lower": "greater",
}
SIDES: list[Side] = ["two-sided", "upper", "lower"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_clopper_pearson_is_that_of_scipy(k: int, n: int, side: Side) -> None:
    for level in (0.8, 0.95, 0.9999):
        ours = clopper_pearson(k, n, level, side)
        tail = (1 - level) / 2 if side == "two-sided" else 1 - level
        low = stats.beta.ppf(tail, k, n - k + 1) if k and side != "upper" else 0.0
        high = stats.beta.isf(tail, k + 1, n - k) if k < n and side != "lower" else 1.0
        assert ours.low == pytest.approx(low, rel=1e-9, abs=1e-15)
        assert ours.high == pytest.approx(high, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson_is_that_of_scipy(k: int, n: int, side: Side) -> None:
    ours = wilson(k, n, 0.95, side)
    test = stats.binomtest(k, n, alternative=SCIPY_ALTERNATIVE[side])
    theirs = test.proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 50), (41, 220), (20, 20)])
def test_both_are_those_of_statsmodels(k: int, n: int) -> None:
    for function, name in ((clopper_pearson, "beta"), (wilson, "wilson")):
        ours = function(k, n)
        theirs = proportion_confint(k, n, alpha=0.05, method=name)
        assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "one_sided", "two_sided"),
    [(0, 50, 5.8, 7.1), (0, 100, 3.0, 3.6), (8, 100, 14.0, 15.2), (1, 50, 9.1, 10.6)],
)
def test_published_upper_bounds_in_percent(
    k: int, n: int, one_sided: float, two_sided: float
) -> None:
    assert round(100 * clopper_pearson(k, n, 0.95, "upper").high, 1) == one_sided
    assert round(100 * clopper_pearson(k, n, 0.95).high, 1) == two_sided


@given(st.integers(1, 400), st.data())
@settings(deadline=None, max_examples=60)
def test_ends_are_where_the_binomial_tail_is_the_error(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    ours = clopper_pearson(k, n, 0.9)
    assert 0.0 <= ours.low <= k / n <= ours.high <= 1.0
    if k > 0:
        assert stats.binom.sf(k - 1, n, ours.low) == pytest.approx(0.05, rel=1e-9)
    if k < n:
        assert stats.binom.cdf(k, n, ours.high) == pytest.approx(0.05, rel=1e-9)
    mirrored = clopper_pearson(n - k, n, 0.9)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx(
        (ours.low, ours.high), abs=1e-12
    )


def test_coverage_is_never_under_the_level() -> None:
    n = 30
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    for rate in (i / 200 for i in range(1, 200)):
        covered = sum(
            stats.binom.pmf(k, n, rate)
            for k, interval in enumerate(intervals)
            if interval.low <= rate <= interval.high
        )
        assert covered >= 0.95


@pytest.mark.parametrize(("n", "bound"), [(300, 0.00994), (59, 0.0495), (1, 0.95)])
def test_rule_of_zero(n: int, bound: float) -> None:
    assert round(rule_of_zero(n), 5 if n == 300 else 4) == bound
    assert rule_of_zero(n) == clopper_pearson(0, n, 0.95, "upper").high
    assert (1 - rule_of_zero(n)) ** n == pytest.approx(0.05, rel=1e-9)


def test_open_ends_are_open() -> None:
    assert clopper_pearson(3, 10, 0.95, "upper").low == 0.0
    assert clopper_pearson(3, 10, 0.95, "lower").high == 1.0
    assert wilson(3, 10, 0.95, "upper").low == 0.0
    assert wilson(3, 10, 0.95, "lower").high == 1.0
    all_of_them = clopper_pearson(5, 5)
    assert all_of_them == Interval(pytest.approx(0.025 ** (1 / 5), rel=1e-13), 1.0)


@given(st.floats(1, 3000), st.floats(1, 3000), st.floats(1e-6, 1 - 1e-6))
@settings(deadline=None)
def test_incomplete_beta_is_that_of_scipy(a: float, b: float, x: float) -> None:
    under, over = beta_tails(a, b, x)
    assert under == pytest.approx(special.betainc(a, b, x), rel=1e-10, abs=1e-290)
    assert over == pytest.approx(special.betaincc(a, b, x), rel=1e-10, abs=1e-290)


@given(st.floats(1, 3000), st.floats(1, 3000), st.floats(1e-9, 1 - 1e-9), st.booleans())
@example(a=988.0, b=1.09375, tail=1e-9, upper=True)
@settings(deadline=None)
def test_beta_quantile_undoes_the_tail(a: float, b: float, tail: float, upper: bool) -> None:
    """Up to what an error of 2e-14 in x makes of the tail: next to 1 that is a lot of it."""
    x = beta_quantile(tail, a, b, upper=upper)
    room = 2e-14 * stats.beta.pdf(x, a, b)
    assert beta_tails(a, b, x)[1 if upper else 0] == pytest.approx(tail, rel=1e-8, abs=room)


def test_all_mass_is_on_one_side_of_the_ends() -> None:
    assert beta_tails(2.0, 3.0, 0.0) == (0.0, 1.0)
    assert beta_tails(2.0, 3.0, 1.0) == (1.0, 0.0)


@given(st.floats(-37, 37))
def test_normal_cdf_is_that_of_scipy(z: float) -> None:
    assert normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-11)


@given(st.floats(1e-300, 1 - 1e-12))
def test_normal_quantile_is_that_of_scipy(probability: float) -> None:
    assert normal_quantile(probability) == pytest.approx(
        stats.norm.ppf(probability), rel=1e-11, abs=1e-12
    )


def test_critical_values() -> None:
    assert critical_value(0.95) == pytest.approx(1.959963984540054, rel=1e-12)
    assert critical_value(0.95, "upper") == pytest.approx(1.6448536269514722, rel=1e-12)
    assert critical_value(0.95, "lower") == critical_value(0.95, "upper")


@pytest.mark.parametrize("function", [clopper_pearson, wilson])
@pytest.mark.parametrize(
    ("k", "n", "level"),
    [(0, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0), (1, 5, math.nan)],
)
def test_no_interval(function: type, k: int, n: int, level: float) -> None:
    with pytest.raises(MethodRefused):
        function(k, n, level)


def test_no_such_side() -> None:
    with pytest.raises(MethodRefused) as refused:
        clopper_pearson(1, 5, 0.95, "left")  # type: ignore[arg-type]
    assert refused.value.expected == "two-sided, upper or lower"


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, math.nan])
def test_no_quantile(probability: float) -> None:
    with pytest.raises(MethodRefused):
        normal_quantile(probability)
    with pytest.raises(MethodRefused):
        beta_quantile(probability, 2.0, 3.0)


@pytest.mark.parametrize(("a", "b", "x"), [(0.0, 1.0, 0.5), (1.0, -1.0, 0.5), (1.0, 1.0, 1.5)])
def test_no_beta(a: float, b: float, x: float) -> None:
    with pytest.raises(MethodRefused):
        beta_tails(a, b, x)


def test_nothing_seen_in_nothing_has_no_bound() -> None:
    with pytest.raises(MethodRefused) as refused:
        rule_of_zero(0)
    assert refused.value.found == "n = 0"
