from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats as scipy_stats
import statsmodels.api as statsmodels

from safetycase.errors import MethodRefused
from safetycase.methods import clusters
from safetycase.methods.clusters import (
    Grouping,
    bound_without_change,
    clustered_difference,
    clustered_standard_error,
    design_effect,
    effective_for_rate,
    korn_graubard,
    sign_flip,
)
from safetycase.methods.interval import clopper_pearson, student_t_critical
from safetycase.methods.paired import Pairs, mcnemar_exact, score_interval, tango_interval


def grouped(sizes: list[int]) -> Grouping:
    return Grouping.of([f"c{n}" for n, size in enumerate(sizes) for _ in range(size)])


def drawn(seed: int, count: int = 14, most: int = 5) -> tuple[np.ndarray, Grouping]:
    rng = np.random.default_rng(seed)
    groups = grouped(rng.integers(1, most, size=count).tolist())
    lean = rng.normal(size=count)[groups.codes]
    change = np.sign(np.round(lean + 0.8 * rng.normal(size=groups.answers))).astype(np.int64)
    return change, groups


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 30, 500, 10**6])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_student_t_is_that_of_scipy(degrees: int, level: float) -> None:
    wanted = scipy_stats.t.isf((1.0 - level) / 2.0, degrees)
    assert student_t_critical(level, degrees) == pytest.approx(wanted, rel=1e-9)
    upper = scipy_stats.t.isf(1.0 - level, degrees)
    assert student_t_critical(level, degrees, "upper") == pytest.approx(upper, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_clustered_standard_error_is_that_of_statsmodels(seed: int) -> None:
    change, groups = drawn(seed)
    fitted = statsmodels.OLS(change, np.ones(len(change))).fit(
        cov_type="cluster", cov_kwds={"groups": groups.codes}
    )
    wanted = float(fitted.bse[0])
    assert clustered_standard_error(change, groups) == pytest.approx(wanted, rel=1e-9)


def test_answers_that_stand_alone_have_no_design_effect() -> None:
    values = np.array([0, 1, 1, 0, 1, 0, 0])
    assert design_effect(values, grouped([1] * 7)) == pytest.approx(1.0, rel=1e-12)


def test_answers_that_are_all_alike_count_once_a_cluster() -> None:
    values = np.repeat([0, 1, 1, 0, 0, 1, 0, 1], 4)
    effect = design_effect(values, grouped([4] * 8))
    assert effect == pytest.approx(4.0 * (31 / 32) * (8 / 7), rel=1e-12)


def test_where_nothing_varies_a_cluster_is_one_answer() -> None:
    groups = grouped([4, 4, 2, 1])
    assert groups.if_alike == pytest.approx(121 / 37)
    assert design_effect(np.zeros(11, dtype=np.int64), groups) == pytest.approx(37 / 11)


@pytest.mark.parametrize("seed", range(8))
def test_sign_flip_counts_all_signs(seed: int) -> None:
    change, groups = drawn(seed, count=10)
    sums = np.bincount(groups.codes, weights=change)
    signs = np.array(list(itertools.product((-1, 1), repeat=len(sums))))
    share = np.mean(np.abs(signs @ sums) >= abs(sums.sum()))
    assert sign_flip(change, groups) == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_sign_flip_is_the_permutation_test_of_scipy(seed: int) -> None:
    change, groups = drawn(seed, count=9)
    sums = np.bincount(groups.codes, weights=change)
    found = scipy_stats.permutation_test(
        (sums,),
        lambda values, axis: np.abs(np.sum(values, axis=axis)),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    )
    assert sign_flip(change, groups) == pytest.approx(found.pvalue, rel=1e-12)


@pytest.mark.parametrize(
    ("up", "down", "rest"), [(9, 2, 20), (0, 0, 5), (7, 7, 1), (60, 20, 9)]
)
def test_sign_flip_of_single_items_is_mcnemar(up: int, down: int, rest: int) -> None:
    change = np.array([1] * up + [-1] * down + [0] * rest)
    found = sign_flip(change, grouped([1] * len(change)))
    assert found == pytest.approx(mcnemar_exact(Pairs(rest, down, up, 0)), rel=1e-11)


def test_many_clusters_are_counted_by_their_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    change, groups = drawn(3, count=3000, most=4)
    change[:400] = 1
    exact = sign_flip(change, groups)
    monkeypatch.setattr(clusters, "_MOST_WORK", 0)
    assert sign_flip(change, groups) == pytest.approx(exact, rel=0.05)


def test_differences_that_are_not_whole_are_refused() -> None:
    with pytest.raises(MethodRefused):
        sign_flip(np.array([0.5, 1.0]), grouped([1, 1]))


@pytest.mark.parametrize(("k", "n"), [(0, 40), (1, 40), (13, 40), (39, 40), (40, 40)])
def test_korn_graubard_of_whole_counts_is_clopper_pearson(k: int, n: int) -> None:
    for side in ("two-sided", "upper", "lower"):
        plain = clopper_pearson(k, n, 0.95, side)
        found = korn_graubard(k / n, float(n), 0.95, side)
        assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
@pytest.mark.parametrize("effective", [1.7, 13.4, 88.2])
def test_korn_graubard_is_the_beta_of_scipy(share: float, effective: float) -> None:
    k = share * effective
    low = scipy_stats.beta.ppf(0.025, k, effective - k + 1.0)
    high = scipy_stats.beta.isf(0.025, k + 1.0, effective - k)
    found = korn_graubard(share, effective, 0.95)
    assert found.low == pytest.approx(low, rel=1e-9)
    assert found.high == pytest.approx(high, rel=1e-9)


def test_one_cluster_shows_nothing() -> None:
    values, groups = np.array([1, 1, 0, 1]), grouped([4])
    assert effective_for_rate(design_effect(values, groups), groups, 0.95) == 0.0
    assert korn_graubard(0.75, 0.0, 0.95).low == 0.0
    assert korn_graubard(0.75, 0.0, 0.95).high == 1.0
    assert clustered_difference(3, 0, groups, 4.0, 0.95).low == -1.0
    assert bound_without_change(1.0, 1, 0.95) == 1.0
    assert sign_flip(values, groups) == 1.0


def test_zero_of_n_in_clusters_is_bounded_by_clusters() -> None:
    groups = grouped([5] * 20)
    effect = design_effect(np.zeros(100, dtype=np.int64), groups)
    effective = effective_for_rate(effect, groups, 0.95)
    assert effective < 20
    bound = korn_graubard(0.0, effective, 0.95).high
    assert bound > clopper_pearson(0, 20).high > clopper_pearson(0, 100).high


def test_pairs_worth_half_are_tested_at_a_wider_point() -> None:
    half = score_interval(6.5, 2.0, 30.0, 1.96)
    wide = score_interval(13, 4, 60, 1.96 * np.sqrt(2.0))
    assert (half.low, half.high) == pytest.approx((wide.low, wide.high), rel=1e-12)


def test_many_single_pairs_have_the_interval_of_tango() -> None:
    pairs = Pairs(900, 40, 60, 1000)
    found = clustered_difference(60, 40, grouped([1] * 2000), 1.0, 0.95)
    plain = tango_interval(pairs)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-4)


def test_coverage_holds_where_clusters_are_alike() -> None:
    rng = np.random.default_rng(11)
    groups = grouped([4] * 30)
    covered = plain = 0
    for _ in range(400):
        same = rng.uniform(size=30)[groups.codes]
        change = np.where(same < 0.2, 1, np.where(same < 0.3, -1, 0))
        up, down = int((change == 1).sum()), int((change == -1).sum())
        effect = design_effect(change, groups)
        found = clustered_difference(up, down, groups, effect, 0.95)
        covered += found.low <= 0.1 <= found.high
        naive = tango_interval(Pairs(0, down, up, 120 - up - down))
        plain += naive.low <= 0.1 <= naive.high
    assert covered >= 0.93 * 400
    assert plain <= 0.80 * 400
