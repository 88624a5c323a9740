from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as scipy_stats
import statsmodels.api as statsmodels

from safetycase.errors import MethodRefused
from safetycase.methods.clusters import Grouping, clustered_standard_error
from safetycase.methods.spread import spread_of


def drawn(seed: int, items: int = 30, samples: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chances = rng.uniform(size=(items, 1))
    return rng.uniform(size=(items, samples)) < chances


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_are_those_of_the_analysis_of_variance(seed: int) -> None:
    flags = drawn(seed)
    found = spread_of("a/target", flags)
    rows = flags.astype(float)
    items = np.repeat(np.arange(len(rows)), rows.shape[1])
    dummies = (items[:, None] == np.arange(len(rows))[None, :]).astype(float)
    within = statsmodels.OLS(rows.ravel(), dummies).fit().mse_resid
    assert found.within == pytest.approx(within, rel=1e-9)
    f, _ = scipy_stats.f_oneway(*rows)
    assert found.between * rows.shape[1] / within == pytest.approx(f, rel=1e-9)


def test_variance_between_items_is_the_squared_error_of_clustered_samples() -> None:
    flags = drawn(9)
    groups = Grouping.of([f"i{n}" for n in range(len(flags))]).repeated(flags.shape[1])
    error = clustered_standard_error(flags.ravel(), groups)
    assert spread_of("a/b", flags).between / len(flags) == pytest.approx(error**2, rel=1e-9)


def test_rates_are_those_of_the_samples() -> None:
    flags = np.array([[1, 0, 1], [1, 0, 0]], dtype=bool)
    found = spread_of("a/b", flags)
    assert found.rates == (1.0, 0.0, 0.5)
    assert found.deviation == pytest.approx(0.5)


def test_one_sample_has_no_spread() -> None:
    with pytest.raises(MethodRefused):
        spread_of("a/b", np.ones((9, 1), dtype=bool))
