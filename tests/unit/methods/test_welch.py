from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.welch import welch_p_columns


@pytest.mark.parametrize("rows", [12, 60, 400])
@pytest.mark.parametrize("density", [0.2, 1.0])
def test_columns_are_those_of_scipy(rows: int, density: float) -> None:
    rng = np.random.default_rng(rows)
    labels = np.arange(rows) % 3 == 0
    x = np.where(rng.random((rows, 30)) < density, rng.normal(size=(rows, 30)), 0.0)
    x += np.where(labels[:, None], np.linspace(0, 1, 30) * rng.random((rows, 30)), 0.0)
    theirs = stats.ttest_ind(x[labels], x[~labels], equal_var=False).pvalue
    np.testing.assert_allclose(welch_p_columns(x, labels), theirs, rtol=1e-9)
    assert theirs.min() < 0.01 or rows == 12


def test_one_class_may_be_silent() -> None:
    labels = np.arange(40) % 2 == 0
    x = np.zeros((40, 1))
    x[labels, 0] = np.linspace(0, 1, 20)
    theirs = stats.ttest_ind(x[labels], x[~labels], equal_var=False).pvalue
    np.testing.assert_allclose(welch_p_columns(x, labels), theirs, rtol=1e-9)


def test_the_least_p_is_that_of_all_permutations() -> None:
    values = np.array([0.1] * 3 + [0.0] * 4)
    labels = np.array([True] * 3 + [False] * 4)
    seen = abs(values[labels].mean() - values[~labels].mean())
    as_far = 0
    ways = list(itertools.combinations(range(7), 3))
    for chosen in ways:
        drawn = np.isin(np.arange(7), chosen)
        as_far += abs(values[drawn].mean() - values[~drawn].mean()) >= seen - 1e-12
    # values of one sign: no labels give the opposite difference, so one way, counted twice
    assert as_far == 1
    assert welch_p_columns(values[:, None], labels)[0] == 2 * as_far / len(ways)


def test_the_least_p_of_many_rows_is_a_number() -> None:
    labels = np.arange(4000) % 2 == 0
    assert 0.0 < welch_p_columns(labels.astype(np.float64)[:, None], labels)[0] < 1e-300


@pytest.mark.parametrize(
    ("values", "labels"),
    [([1.0, 2.0, 3.0], [True, False, False]), ([1.0] * 4, [True, True, False, False])],
)
def test_what_has_no_spread_is_refused(values: list[float], labels: list[bool]) -> None:
    with pytest.raises(MethodRefused):
        welch_p_columns(np.array(values)[:, None], np.array(labels))


def test_false_finds_are_as_rare_as_said() -> None:
    """Normal columns of one population, unequal classes: p is uniform."""
    rng = np.random.default_rng(3)
    labels = np.arange(90) % 3 == 0
    p = welch_p_columns(rng.normal(size=(90, 4000)), labels)
    assert stats.kstest(p, "uniform").pvalue > 0.01
