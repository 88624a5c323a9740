from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar

from safetycase.errors import MethodRefused
from safetycase.methods.interval import Side, critical_value
from safetycase.methods.paired import (
    Alternative,
    Pairs,
    mcnemar_exact,
    minimum_detectable_difference,
    non_inferiority,
    sample_for_difference,
    sample_for_margin,
    tango_interval,
)

TABLES = st.tuples(*[st.integers(0, 60)] * 4).filter(any)
ALTERNATIVES: list[Alternative] = ["two-sided", "greater", "less"]


def test_pairs_are_counted() -> None:
    pairs = Pairs.of([1, 1, 0, 0, 0, 1], [1, 0, 1, 1, 0, 1])
    assert pairs == Pairs(both=2, only_before=1, only_after=2, neither=1)
    assert (pairs.n, pairs.discordant, pairs.difference) == (6, 3, 1 / 6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_arrays_count_as_lists_do(rows: list[tuple[bool, bool]]) -> None:
    before, after = (list(column) for column in zip(*rows, strict=True))
    expected = Pairs(*(rows.count(c) for c in ((1, 1), (1, 0), (0, 1), (0, 0))))
    assert Pairs.of(before, after) == expected
    assert Pairs.of(np.array(before), np.array(after, dtype=np.uint8)) == expected
    turned = Pairs.of(after, before)
    assert turned.difference == -expected.difference


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([1], [1, 0]),
        ([2], [0]),
        ([-1], [0]),
        ([None], [0]),
        ([0.0], [1.0]),
        (["1"], ["0"]),
        ([[0]], [[1]]),
        ([0], [math.nan]),
    ],
)
def test_outcomes_that_are_no_outcomes(before: list[Any], after: list[Any]) -> None:
    with pytest.raises(MethodRefused) as refused:
        Pairs.of(before, after)
    assert refused.value.where == "Pairs.of"


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, -1, 0, 0)])
def test_counts_that_no_pairs_have(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(MethodRefused):
        Pairs(*counts)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0, 1),
        (3, 9),
        (10, 10),
        (40, 22),
        (1000, 1048),
        (1024, 1024),
        (1024, 1025),
        (1000, 1049),
        (3200, 3000),
        (499_000, 501_000),
        (460_000, 450_000),
        (500_000, 500_000),
    ],
)
def test_mcnemar_is_the_binomial_test_of_scipy(
    before: int, after: int, alternative: Alternative
) -> None:
    ours = mcnemar_exact(Pairs(0, before, after, 7), alternative)
    theirs = stats.binomtest(after, before + after, 0.5, alternative=alternative).pvalue
    assert ours == pytest.approx(theirs, rel=1e-11)


@given(TABLES)
@settings(deadline=None, max_examples=50)
def test_mcnemar_is_that_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    pairs = Pairs(*table)
    theirs = mcnemar([[table[0], table[1]], [table[2], table[3]]], exact=True).pvalue
    assert mcnemar_exact(pairs) == pytest.approx(theirs, rel=1e-11)


@given(TABLES)
def test_mcnemar_is_the_rounded_fraction(table: tuple[int, int, int, int]) -> None:
    pairs = Pairs(*table)
    m = pairs.discordant
    ways = sum(math.comb(m, i) for i in range(pairs.only_after, m + 1))
    assert mcnemar_exact(pairs, "greater") == float(Fraction(ways, 2**m))
    exactly = math.comb(m, pairs.only_after) / 2**m
    both = mcnemar_exact(pairs, "greater") + mcnemar_exact(pairs, "less")
    assert both == pytest.approx(1 + exactly, rel=1e-12)


@pytest.mark.parametrize(
    ("one_way", "published"), [(5, 0.063), (6, 0.031), (8, 0.0078), (9, 0.0039), (10, 0.0020)]
)
def test_published_values_of_mcnemar(one_way: int, published: float) -> None:
    p = mcnemar_exact(Pairs(50, 0, one_way, 50))
    assert p == pytest.approx(published, abs=6e-4)
    assert p == 2 / 2**one_way


def test_no_discordant_pair_is_no_evidence() -> None:
    assert {mcnemar_exact(Pairs(9, 0, 0, 1), a) for a in ALTERNATIVES} == {1.0}


@pytest.mark.parametrize("discordant", [2000, 5000])
def test_a_p_value_is_never_zero(discordant: int) -> None:
    assert mcnemar_exact(Pairs(0, 0, discordant, 0)) == math.ulp(0.0)


def test_the_two_ways_of_computing_meet() -> None:
    by_integers = mcnemar_exact(Pairs(0, 1000, 1048, 0))
    by_beta = mcnemar_exact(Pairs(0, 1000, 1049, 0))
    exact_next = Fraction(2 * sum(math.comb(2049, i) for i in range(1001)), 2**2049)
    assert by_beta == pytest.approx(float(exact_next), rel=1e-12)
    assert by_beta < by_integers


def test_no_such_alternative() -> None:
    with pytest.raises(MethodRefused):
        mcnemar_exact(Pairs(1, 1, 1, 1), "bigger")  # type: ignore[arg-type]


def score_by_maximisation(up: int, down: int, n: int, difference: float) -> float:
    """Tango's score statistic, its nuisance found by maximising the likelihood numerically."""

    def minus_log_likelihood(down_rate: float) -> float:
        rates = (down_rate + difference, down_rate, 1 - 2 * down_rate - difference)
        counts = (up, down, n - up - down)
        return -sum(
            count * math.log(max(rate, 1e-300))
            for count, rate in zip(counts, rates, strict=True)
            if count
        )

    span = (max(0.0, -difference), (1 - difference) / 2)
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=span, method="bounded", options={"xatol": 1e-12}
    )
    variance = 2 * found.x + difference * (1 - difference)
    return (up - down - n * difference) / math.sqrt(n * variance)


@pytest.mark.parametrize(
    ("up", "down", "n"), [(6, 16, 161), (7, 1, 21), (20, 35, 300), (1, 0, 50), (12, 12, 90)]
)
def test_tango_ends_are_where_the_score_test_turns(up: int, down: int, n: int) -> None:
    ours = tango_interval(Pairs(n - up - down, down, up, 0), 0.95)
    z = critical_value(0.95)
    assert score_by_maximisation(up, down, n, ours.low) == pytest.approx(z, rel=1e-5)
    assert score_by_maximisation(up, down, n, ours.high) == pytest.approx(-z, rel=1e-5)


def test_published_example_of_tango() -> None:
    """Complete response before and after consolidation (Cavo 2012), in Fagerland 2014."""
    ours = tango_interval(Pairs(both=59, only_before=16, only_after=6, neither=80), 0.95)
    assert (round(ours.low, 4), round(ours.high, 4)) == (-0.1240, -0.0054)


@pytest.mark.parametrize(("n", "published"), [(100, 0.0370), (300, 0.0126)])
def test_no_discordant_pairs_still_leave_a_width(n: int, published: float) -> None:
    ours = tango_interval(Pairs(n, 0, 0, 0))
    z_squared = critical_value(0.95) ** 2
    assert ours.high == pytest.approx(z_squared / (n + z_squared), rel=1e-12)
    assert ours.low == -ours.high
    assert round(ours.high, 4) == published


@given(TABLES, st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None, max_examples=60)
def test_tango_is_the_score_test_turned_inside_out(
    table: tuple[int, int, int, int], level: float
) -> None:
    pairs = Pairs(*table)
    ours = tango_interval(pairs, level)
    assert -1.0 <= ours.low <= pairs.difference <= ours.high <= 1.0
    turned = tango_interval(Pairs(table[0], table[2], table[1], table[3]), level)
    assert (turned.low, turned.high) == (-ours.high, -ours.low)
    if pairs.discordant:
        score = (pairs.only_after - pairs.only_before) / math.sqrt(pairs.discordant)
        assert (ours.low > 0) == (score > critical_value(level))
        assert (ours.high < 0) == (-score > critical_value(level))


def test_one_sided_bounds_are_ends_of_wider_levels() -> None:
    pairs = Pairs(100, 20, 35, 145)
    both = tango_interval(pairs, 0.9)
    upper, lower = (tango_interval(pairs, 0.95, side) for side in ("upper", "lower"))
    assert (lower.low, upper.high) == pytest.approx((both.low, both.high), rel=1e-12)
    assert (lower.high, upper.low) == (1.0, -1.0)


@pytest.mark.parametrize(
    ("table", "low", "high"), [((0, 0, 9, 0), None, 1.0), ((0, 9, 0, 0), -1.0, None)]
)
def test_all_pairs_changed(
    table: tuple[int, int, int, int], low: float | None, high: float | None
) -> None:
    ours = tango_interval(Pairs(*table))
    assert low is None or ours.low == low
    assert high is None or ours.high == high


@pytest.mark.parametrize(("n", "simulated"), [(50, 0.969), (100, 0.936)])
def test_coverage_of_tango_by_enumeration(n: int, simulated: float) -> None:
    """Against 4000 simulated tables with rates .05 and .01; here all tables that matter."""
    rates, covered = (0.05, 0.01, 0.94), 0.0
    for up in range(18):
        for down in range(8):
            chance = stats.multinomial.pmf([up, down, n - up - down], n, rates)
            ends = tango_interval(Pairs(n - up - down, down, up, 0))
            covered += chance if ends.low <= 0.04 <= ends.high else 0.0
    assert covered == pytest.approx(simulated, abs=0.012)


@pytest.mark.parametrize(
    ("worse", "side", "sign"), [("lower", "lower", -1.0), ("higher", "upper", 1.0)]
)
def test_non_inferiority_is_the_bound_within_the_margin(
    worse: Any, side: Side, sign: float
) -> None:
    pairs = Pairs(200, 6, 5, 89)
    interval = tango_interval(pairs, 0.975, side)
    bound = interval.low if side == "lower" else interval.high
    inside = non_inferiority(pairs, abs(bound) * 1.01, 0.025, worse)
    outside = non_inferiority(pairs, abs(bound), 0.025, worse)
    assert inside.bound == outside.bound == bound
    assert math.copysign(1.0, bound) == sign
    assert (inside.holds, outside.holds) == (True, False)


def test_identical_answers_are_not_inferior_once_there_are_enough() -> None:
    assert non_inferiority(Pairs(100, 0, 0, 0), 0.04, 0.025).holds
    assert not non_inferiority(Pairs(90, 0, 0, 0), 0.04, 0.025).holds


@pytest.mark.parametrize(
    ("margin", "alpha", "worse"),
    [(0.0, 0.025, "lower"), (1.0, 0.025, "lower"), (0.1, 0.5, "lower"), (0.1, 0.025, "up")],
)
def test_no_non_inferiority(margin: float, alpha: float, worse: Any) -> None:
    with pytest.raises(MethodRefused):
        non_inferiority(Pairs(9, 1, 1, 9), margin, alpha, worse)


@pytest.mark.parametrize(
    ("discordance", "needed", "detectable"),
    [(0.05, 974, 3.6), (0.1, 1955, 5.0), (0.2, 3917, 7.1)],
)
def test_published_sizes(discordance: float, needed: int, detectable: float) -> None:
    assert sample_for_difference(0.02, discordance, 0.05, 0.8) == needed
    least = minimum_detectable_difference(300, discordance, 0.05, 0.8)
    assert round(100 * least, 1) == detectable


@given(
    st.integers(100, 10**6), st.floats(0.1, 0.9), st.floats(0.001, 0.3), st.floats(0.5, 0.99)
)
def test_size_and_difference_are_inverse(
    n: int, discordance: float, alpha: float, power: float
) -> None:
    try:
        least = minimum_detectable_difference(n, discordance, alpha, power)
    except MethodRefused:
        return
    assert sample_for_difference(least, discordance, alpha, power) in (n, n + 1)


@pytest.mark.parametrize(
    ("margin", "discordance"), [(0.05, 0.05), (0.05, 0.02), (0.05, 0.1), (0.02, 0.02)]
)
def test_the_sample_for_a_margin_has_its_power(margin: float, discordance: float) -> None:
    """By enumeration of all tables without a true difference."""
    n = sample_for_margin(margin, discordance, 0.025, 0.8)
    power = 0.0
    for discordant in range(int(stats.binom.isf(1e-6, n, discordance)) + 1):
        chance = stats.binom.pmf(discordant, n, discordance)
        for down in range(discordant + 1):
            pairs = Pairs(n - discordant, down, discordant - down, 0)
            if non_inferiority(pairs, margin, 0.025).holds:
                power += chance * stats.binom.pmf(down, discordant, 0.5)
    assert 0.8 < power < 0.84


def test_a_sample_for_a_margin_is_never_too_small_for_a_perfect_result() -> None:
    n = sample_for_margin(0.05, 1e-9, 0.025, 0.8)
    assert non_inferiority(Pairs(n, 0, 0, 0), 0.05, 0.025).holds


@pytest.mark.parametrize(
    "call",
    [
        lambda: minimum_detectable_difference(0, 0.1, 0.05, 0.8),
        lambda: minimum_detectable_difference(300, 0.02, 0.05, 0.8),
        lambda: minimum_detectable_difference(300, 0.0, 0.05, 0.8),
        lambda: minimum_detectable_difference(300, 0.1, 1.0, 0.8),
        lambda: minimum_detectable_difference(300, 0.1, 0.05, 1.0),
        lambda: minimum_detectable_difference(300, 0.1, 0.05, 0.4),
        lambda: sample_for_difference(0.05, 0.02, 0.05, 0.8),
        lambda: sample_for_difference(0.0, 0.02, 0.05, 0.8),
        lambda: sample_for_margin(0.0, 0.1, 0.025, 0.8),
        lambda: sample_for_margin(0.1, 0.1, 0.5, 0.8),
    ],
)
def test_sizes_without_a_value(call: Any) -> None:
    with pytest.raises(MethodRefused):
        call()
