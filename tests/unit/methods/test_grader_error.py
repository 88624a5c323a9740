"""Sensitivity, kappa and corrected rates against statsmodels, limits and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa as oracle_kappa
from statsmodels.stats.proportion import proportion_confint

from safetycase.errors import MethodRefused
from safetycase.methods.grader_error import (
    Agreement,
    cohens_kappa,
    lang_reiczigel,
    rogan_gladen,
)
from safetycase.methods.interval import critical_value

COUNT = st.integers(0, 60)


@given(COUNT, COUNT, COUNT, COUNT)
@settings(deadline=None, max_examples=200)
def test_kappa_is_that_of_statsmodels(a: int, b: int, c: int, d: int) -> None:
    table = Agreement(a, b, c, d)
    if (a + b) * (a + c) + (c + d) * (b + d) == (a + b + c + d) ** 2:
        with pytest.raises(MethodRefused):
            cohens_kappa(table)
        return
    expected = oracle_kappa(np.array([[a, b], [c, d]]), return_results=False, wt=None)
    assert cohens_kappa(table) == pytest.approx(
        float(expected[0]) if np.ndim(expected) else float(expected), abs=1e-9
    )


@given(st.floats(0, 1), st.floats(0.55, 1), st.floats(0.55, 1))
def test_what_a_grader_sees_is_turned_back(rate: float, se: float, sp: float) -> None:
    seen = rate * se + (1 - rate) * (1 - sp)
    assert rogan_gladen(seen, se, sp) == pytest.approx(rate, abs=1e-9)


def test_rates_are_cut_to_shares_and_chance_is_refused() -> None:
    assert rogan_gladen(0.0, 0.9, 0.9) == 0.0
    assert rogan_gladen(1.0, 0.9, 0.9) == 1.0
    for se, sp in ((0.5, 0.5), (0.1, 0.2)):
        with pytest.raises(MethodRefused):
            rogan_gladen(0.4, se, sp)
    for table in (Agreement(0, 5, 0, 5), Agreement(5, 0, 5, 0), Agreement(1, 9, 9, 1)):
        with pytest.raises(MethodRefused):
            lang_reiczigel(5, 20, table, 0.95)


@pytest.mark.parametrize(("counted", "rows"), [(0, 30), (7, 30), (30, 30), (400, 1000)])
def test_with_a_perfect_grader_it_is_the_interval_of_agresti_and_coull(
    counted: int, rows: int
) -> None:
    endless = Agreement(10**15, 0, 0, 10**15)
    low, high = proportion_confint(counted, rows, alpha=0.05, method="agresti_coull")
    interval = lang_reiczigel(counted, rows, endless, 0.95)
    assert interval.low == pytest.approx(max(0.0, low), abs=1e-9)
    assert interval.high == pytest.approx(min(1.0, high), abs=1e-9)


def test_its_width_is_that_of_the_delta_method() -> None:
    """The half width, by numerical derivatives of the estimate in all three shares."""
    table, counted, rows, z = Agreement(46, 8, 5, 61), 120, 300, critical_value(0.95)
    n, m1, m0 = rows + z * z, table.positives + 2, table.negatives + 2
    point = np.array(
        [(counted + z * z / 2) / n, (table.both + 1) / m1, (table.neither + 1) / m0]
    )
    variances = point * (1 - point) / np.array([n, m1, m0])

    def estimate(shares: np.ndarray) -> float:
        return float((shares[0] + shares[2] - 1) / (shares[1] + shares[2] - 1))

    step = 1e-6
    slopes = [
        (estimate(point + step * axis) - estimate(point - step * axis)) / (2 * step)
        for axis in np.eye(3)
    ]
    half = z * math.sqrt(float(np.dot(np.square(slopes), variances)))
    interval = lang_reiczigel(counted, rows, table, 0.95)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=1e-7)


@pytest.mark.parametrize(
    ("rate", "se", "sp", "rows", "labels"),
    [(0.3, 0.8, 0.9, 200, 80), (0.1, 0.7, 0.95, 300, 60), (0.6, 0.9, 0.7, 100, 40)],
)
def test_it_covers_as_often_as_it_says(
    rate: float, se: float, sp: float, rows: int, labels: int
) -> None:
    rng = np.random.default_rng(11)
    draws = 1500
    seen = rng.binomial(rows, rate * se + (1 - rate) * (1 - sp), draws)
    hits, passes = rng.binomial(labels, se, draws), rng.binomial(labels, sp, draws)
    covered = 0
    for counted, hit, passed in zip(seen.tolist(), hits.tolist(), passes.tolist(), strict=True):
        table = Agreement(hit, labels - passed, labels - hit, passed)
        interval = lang_reiczigel(counted, rows, table, 0.95)
        covered += interval.low <= rate <= interval.high
    assert 0.935 <= covered / draws <= 0.985
