"""What honest numbers never look like, and that honest ones are left alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats

from safetycase.methods import plausible
from safetycase.methods.plausible import TOO_SELDOM, as_even, at_least, rounded
from safetycase.tables.columns import Answers
from safetycase.tables.rows import ProbeRow


def _scores(values: list[float]) -> Answers:
    return Answers.of(
        [ProbeRow("e", "a", f"i{n}", v, 0, 0.0, 0.0, "above") for n, v in enumerate(values)]
    )


def _six(value: float) -> float:
    return float(f"{value:.6g}")


def test_fewer_short_figures_than_are_counted_are_never_a_trace() -> None:
    """However few figures there are: so their column need not be looked at."""
    few = range(1, plausible._FEWEST)
    assert min(at_least(short, short, plausible.SHORT_SHARE) for short in few) > TOO_SELDOM
    assert at_least(plausible._FEWEST, plausible._FEWEST, plausible.SHORT_SHARE) < TOO_SELDOM


@pytest.mark.parametrize("size", [1e-5, 1.0, 20.0, 3e4])
def test_measured_figures_keep_their_digits(size: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = [_six(v) for v in size * rng.normal(size=200)]
        assert list(rounded(_scores(values))) == []


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_figures_written_by_hand_are_found(digits: int) -> None:
    values = [float(f"{v:.{digits}g}") for v in np.random.default_rng(3).uniform(1, 9e3, 400)]
    [found] = rounded(_scores(values))
    assert found.column == "score"
    assert found.short == found.figures == len(set(values))
    assert found.chance < TOO_SELDOM


def test_few_or_equal_figures_tell_nothing() -> None:
    assert list(rounded(_scores([1.5] * 1000))) == []
    assert list(rounded(_scores([1.5, 2.5, 3.5, 4.5, 5.5]))) == []
    assert [f.figures for f in rounded(_scores([float(n) for n in range(1, 7)]))] == [6]


def test_every_part_of_a_long_arm_is_looked_at() -> None:
    measured = [_six(v) for v in np.random.default_rng(3).normal(size=5000)]
    made_up = [float(f"{v:.2g}") + n for n, v in enumerate(measured[2500:])]
    assert list(rounded(_scores(measured))) == []
    assert len(list(rounded(_scores([*measured[:2500], *made_up])))) == 1


@pytest.mark.parametrize(("counted", "trials"), [(1, 1), (3, 40), (40, 40), (12, 1000)])
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_the_tail_is_that_of_scipy(counted: int, trials: int, share: float) -> None:
    expected = scipy.stats.binom.sf(counted - 1, trials, share)
    assert at_least(counted, trials, share) == pytest.approx(expected, rel=1e-9)


def test_the_tail_ends() -> None:
    assert at_least(0, 5, 0.1) == 1.0
    assert at_least(6, 5, 0.1) == 0.0


@pytest.mark.parametrize(
    "pairs", [[(2, 2)], [(2, 1), (3, 3)], [(4, 4), (1, 1), (2, 2)], [(0, 0), (5, 4)]]
)
def test_evenness_is_that_of_enumeration(pairs: list[tuple[int, int]]) -> None:
    limit = sum((a - b) ** 2 for a, b in pairs)
    signs = list(product((-1, 1), repeat=sum(a + b for a, b in pairs)))
    hits = 0
    for drawn in signs:
        place, total = 0, 0
        for a, b in pairs:
            total += sum(drawn[place : place + a + b]) ** 2
            place += a + b
        hits += total <= limit
    assert as_even(pairs) == pytest.approx(hits / len(signs), rel=1e-12)


@pytest.mark.parametrize("count", [10, 101, 2000])
def test_one_pair_is_the_binomial_of_scipy(count: int) -> None:
    one = (count + count % 2) // 2
    difference = 2 * one - count
    expected = scipy.stats.binom.pmf(one, count, 0.5) * (2 if difference else 1)
    assert as_even([(one, count - one)]) == pytest.approx(expected, rel=1e-9)


def test_a_spread_of_the_usual_size_is_not_looked_into() -> None:
    assert as_even([(9, 1), (3, 7)]) == 1.0
    assert as_even([]) == 1.0
    assert as_even([(0, 0)] * 40) == 1.0


def test_independent_arms_are_seldom_even() -> None:
    rng = np.random.default_rng(4)
    chances = []
    for _ in range(2000):
        draws = [(int(n), 20 - int(n)) for n in rng.binomial(20, 0.5, size=9)]
        chances.append(as_even(draws))
    assert np.mean(np.array(chances) <= 0.05) <= 0.065
    assert as_even([(10, 10)] * 18) < TOO_SELDOM < as_even([(10, 10)] * 9)


@pytest.mark.parametrize(
    "power", [-317, -310, -308, -304, -300, -23, -5, 0, 5, 22, 23, 307, 308]
)
def test_digits_are_counted_at_every_size_of_double(power: int) -> None:
    short, long = float(f"1.5e{power}"), float(f"1.23456e{power}")
    assert plausible._are_short(np.array([short, long])).tolist() == [True, False]


def test_the_smallest_and_largest_doubles_have_digits_too() -> None:
    figures = np.array([5e-324, 1.7976931348623157e308, 0.0])
    assert plausible._are_short(figures).tolist() == [False, False, False]
