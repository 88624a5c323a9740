"""The trend test against scipy's exact permutation test, and against its own enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, page_trend_test, permutation_test

from safetycase.methods import trend
from safetycase.methods.trend import trend_of


def rank_sum(*doses: np.ndarray, axis: int = 0) -> np.ndarray:
    return sum(rank * dose.sum(axis=axis) for rank, dose in enumerate(doses))


@pytest.mark.parametrize("seed", range(6))
def test_exact_p_is_that_of_scipy(seed: int) -> None:
    """All exchanges within items, by scipy's permutation of samples; (4!)^3 of them."""
    counts = np.random.default_rng(seed).integers(0, 2, (4, 3))
    found = trend_of(counts)
    mean = 1.5 * counts.sum()

    def off(*doses: np.ndarray, axis: int = 0) -> np.ndarray:
        return np.abs(rank_sum(*doses, axis=axis) - mean)

    oracle = permutation_test(
        tuple(counts),
        off,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    )
    assert found.method == "exact"
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)


def test_normal_tail_is_that_of_page() -> None:
    """Blocks with a rank for every dose: Page's L and its asymptotic p, by scipy."""
    rng = np.random.default_rng(4)
    ranks = np.array([rng.permutation(5) + 1 for _ in range(30)])
    found = trend_of(ranks.T)
    oracle = page_trend_test(ranks, ranked=True, method="asymptotic")
    one_sided = oracle.pvalue if found.direction == "rising" else 1.0 - oracle.pvalue
    assert found.method == "normal"
    assert found.p == pytest.approx(2.0 * min(one_sided, 1.0 - one_sided), rel=1e-9)


def test_normal_tail_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    counts = (rng.uniform(size=(5, 400)) < np.linspace(0.45, 0.52, 5)[:, None]).astype(int)
    exact = trend_of(counts)
    monkeypatch.setattr(trend, "MOST_EXACT", 0)
    normal = trend_of(counts)
    assert (exact.method, normal.method) == ("exact", "normal")
    assert 1e-4 < exact.p < 0.5
    assert normal.p == pytest.approx(exact.p, rel=0.05)
    totals = counts.sum(axis=0)
    # Mantel's chi-square for matched sets, written out.
    variance = (totals * (5 - totals)).sum() * 6 / 12
    distance = (np.arange(5) @ counts).sum() - 2 * totals.sum()
    assert normal.p == pytest.approx(chi2.sf(distance**2 / variance, 1), rel=1e-9)


def test_small_p_is_counted_out() -> None:
    """Twelve items that answer only at the two highest of four doses: one in 6^12, twice."""
    counts = np.repeat([[0], [0], [1], [1]], 12, axis=1)
    found = trend_of(counts)
    assert found.direction == "rising"
    assert found.p == pytest.approx(2.0 / math.comb(4, 2) ** 12, rel=1e-9)


def test_nothing_varies() -> None:
    found = trend_of(np.ones((5, 7), dtype=np.int64))
    assert (found.direction, found.p) == ("flat", 1.0)


def test_a_turn_of_the_doses_turns_the_direction_and_not_the_p() -> None:
    counts = np.random.default_rng(8).integers(0, 2, (6, 40))
    one, other = trend_of(counts), trend_of(counts[::-1])
    assert one.p == pytest.approx(other.p, rel=1e-9)
    assert {one.direction, other.direction} == {"rising", "falling"}
