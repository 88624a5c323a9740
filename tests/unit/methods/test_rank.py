from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.rank import (
    auroc,
    auroc_columns,
    compare_columns,
    mann_whitney_p,
    mann_whitney_p_columns,
    standardised_difference_columns,
    standardised_mean_difference,
)

ROWS, COLUMNS = 60, 40


def sparse_scores(seed: int, density: float, dtype: Any = np.float32) -> NDArray[Any]:
    """Activations with many zeros, ties and both signs; no column is constant."""
    generator = np.random.default_rng(seed)
    values = np.round(generator.normal(size=(ROWS, COLUMNS)), 1)
    scores = np.where(generator.random((ROWS, COLUMNS)) < density, values, 0.0)
    scores[0], scores[1] = 1.0, -1.0
    return scores.astype(dtype)


def alternating(rows: int) -> NDArray[np.bool_]:
    return np.arange(rows) % 3 == 0


def auroc_by_pairs(scores: NDArray[Any], labels: NDArray[np.bool_]) -> float:
    wins = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[labels].tolist()
        for low in scores[~labels].tolist()
    ]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_columns_are_those_of_scipy(density: float, dtype: Any) -> None:
    scores, labels = sparse_scores(7, density, dtype), alternating(ROWS)
    exact = scores.astype(np.float64)
    theirs = stats.mannwhitneyu(exact[labels], exact[~labels], method="asymptotic")
    pairs = labels.sum() * (~labels).sum()
    np.testing.assert_array_equal(auroc_columns(scores, labels), theirs.statistic / pairs)
    np.testing.assert_allclose(mann_whitney_p_columns(scores, labels), theirs.pvalue, rtol=1e-9)


@given(
    hnp.arrays(
        np.float32, (12, 3), elements=st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1.0, 3.0])
    ),
    hnp.arrays(np.bool_, 12),
)
@settings(deadline=None)
def test_auroc_is_the_share_of_pairs_won(
    scores: NDArray[np.float32], labels: NDArray[np.bool_]
) -> None:
    if labels.all() or not labels.any():
        return
    expected = [auroc_by_pairs(scores[:, j], labels) for j in range(3)]
    np.testing.assert_allclose(auroc_columns(scores, labels), expected, rtol=1e-14)
    np.testing.assert_allclose(
        auroc_columns(scores, ~labels), 1 - np.array(expected), rtol=1e-13
    )


@given(
    hnp.arrays(
        np.float32, 20, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)
    )
)
@settings(deadline=None)
def test_every_finite_float32_is_ordered_as_its_value(scores: NDArray[np.float32]) -> None:
    labels = alternating(20)
    as_ranks = stats.rankdata(scores.astype(np.float64)).astype(np.float64)
    assert auroc(scores, labels) == auroc_by_pairs(as_ranks, labels)
    assert auroc(scores.astype(np.float64), labels) == auroc(scores, labels)


@given(
    hnp.arrays(np.float64, 25, elements=st.integers(-4, 4).map(float)),
    st.floats(0.5, 9.0),
    st.floats(-5.0, 5.0),
)
@settings(deadline=None)
def test_ranks_do_not_see_a_rising_map(
    scores: NDArray[np.float64], factor: float, shift: float
) -> None:
    labels = alternating(25)
    moved = scores * factor + shift
    assert auroc(moved, labels) == auroc(scores, labels)
    if np.ptp(scores):
        assert mann_whitney_p(moved, labels) == mann_whitney_p(scores, labels)


def test_single_scores_are_columns_of_one() -> None:
    scores, labels = sparse_scores(3, 0.4), alternating(ROWS)
    column = scores[:, 5]
    assert auroc(column, labels) == auroc_columns(scores, labels)[5]
    assert auroc(column.tolist(), labels.tolist()) == auroc(column, labels)
    assert mann_whitney_p(column, labels) == mann_whitney_p_columns(scores, labels)[5]
    difference = standardised_difference_columns(scores, labels)[5]
    assert standardised_mean_difference(column, labels) == difference


def test_whole_numbers_are_scores() -> None:
    assert auroc([3, 1, 2, 2], [True, False, True, False]) == 0.875


def test_perfect_order_and_its_reverse() -> None:
    labels = [False, False, True, True]
    assert auroc([1.0, 2.0, 3.0, 4.0], labels) == 1.0
    assert auroc([4.0, 3.0, 2.0, 1.0], labels) == 0.0


def test_auroc_of_equal_rows_is_one_half() -> None:
    labels = alternating(6)
    for value in (0.0, 2.5, -1.0):
        assert auroc(np.full(6, value, np.float32), labels) == 0.5


@pytest.mark.parametrize("value", [0.0, 2.5, -1.0])
@pytest.mark.parametrize("function", [mann_whitney_p, standardised_mean_difference])
def test_equal_rows_have_no_test(function: Any, value: float) -> None:
    with pytest.raises(MethodRefused) as refused:
        function(np.full(6, value), alternating(6))
    assert refused.value.found == "1 constant, first at 0"


def test_two_rows_are_enough() -> None:
    assert mann_whitney_p([1.0, 0.0], [True, False]) == 1.0


def test_a_p_value_is_never_zero() -> None:
    labels = np.arange(6000) < 3000
    scores = np.where(labels, 1.0, 0.0) + np.arange(6000) / 10_000
    assert mann_whitney_p(scores, labels) == math.ulp(0.0)


def test_standardised_difference_is_the_point_biserial_correlation() -> None:
    scores, labels = sparse_scores(11, 0.5), alternating(ROWS)
    ours = standardised_difference_columns(scores, labels)
    n1 = int(labels.sum())
    factor = math.sqrt(n1 * (ROWS - n1)) / ROWS
    for j in range(COLUMNS):
        theirs = stats.pointbiserialr(labels, scores[:, j].astype(np.float64)).statistic
        assert ours[j] * factor == pytest.approx(theirs, rel=1e-12, abs=1e-14)


def test_a_feature_that_fires_on_all_positives_alike_has_a_difference() -> None:
    assert standardised_mean_difference([1.0, 1.0, 0.0, 0.0], [True, True, False, False]) == 2.0


def test_more_columns_than_fit_at_once() -> None:
    narrow, labels = sparse_scores(5, 0.2), alternating(ROWS)
    wide = np.tile(narrow, (1, 110))
    expected = np.tile(standardised_difference_columns(narrow, labels), 110)
    np.testing.assert_array_equal(standardised_difference_columns(wide, labels), expected)
    assert wide.shape[1] > 4096


def test_comparison_names_the_columns_that_vary() -> None:
    scores, labels = sparse_scores(2, 0.2), alternating(ROWS)
    scores[:, 3], scores[:, 17] = 0.0, 4.0
    compared = compare_columns(scores, labels)
    kept = [j for j in range(COLUMNS) if j not in (3, 17)]
    assert compared.columns.tolist() == kept
    np.testing.assert_array_equal(compared.auroc, auroc_columns(scores, labels)[kept])
    expected = mann_whitney_p_columns(scores[:, kept], labels)
    np.testing.assert_array_equal(compared.p_value, expected)
    expected = standardised_difference_columns(scores[:, kept], labels)
    np.testing.assert_array_equal(compared.standardised_difference, expected)


def test_nothing_to_compare() -> None:
    with pytest.raises(MethodRefused) as refused:
        compare_columns(np.zeros((6, 4), np.float32), alternating(6))
    assert refused.value.expected == "a column that varies"


def test_memory_order_has_no_say() -> None:
    scores, labels = sparse_scores(9, 0.3), alternating(ROWS)
    turned = np.asfortranarray(scores)
    for function in (auroc_columns, mann_whitney_p_columns, standardised_difference_columns):
        np.testing.assert_array_equal(function(turned, labels), function(scores, labels))


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        (np.ones((4, 2)), np.ones(4, bool)),
        (np.ones((4, 2)), np.zeros(4, bool)),
        (np.ones((1, 2)), np.ones(1, bool)),
        (np.ones((0, 2)), np.ones(0, bool)),
        (np.ones((4, 0)), alternating(4)),
        (np.ones(4), alternating(4)),
        (np.ones((4, 2)), alternating(5)),
        (np.ones((4, 2)), np.array([1, 0, 1, 0])),
        (np.ones((4, 2), bool), alternating(4)),
        (np.array([[1.0], [math.nan]]), alternating(2)),
        (np.array([[1.0], [math.inf]]), alternating(2)),
    ],
)
def test_matrices_without_a_statistic(scores: NDArray[Any], labels: NDArray[Any]) -> None:
    for function in (auroc_columns, mann_whitney_p_columns, standardised_difference_columns):
        with pytest.raises(MethodRefused) as refused:
            function(scores, labels)
        assert refused.value.where == "rank"


def test_more_rows_than_stay_exact() -> None:
    with pytest.raises(MethodRefused):
        auroc(np.zeros(200_001, np.float32), alternating(200_001))


def test_a_spread_beyond_float64() -> None:
    with pytest.raises(MethodRefused) as refused:
        standardised_mean_difference([1e300, -1e300, 0.0], [True, False, False])
    assert refused.value.found == "a spread of 0 or infinity"
