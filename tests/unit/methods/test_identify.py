from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from safetycase.errors import MethodRefused
from safetycase.methods.identify import live_features, pooled, select_features
from safetycase.methods.rank import auroc_columns, compare_columns
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ItemRow
from tests.unit.methods.plans import plan_data, plan_of

PLAN = plan_of(plan_data())
AXIS = PLAN.axes[0]
N = 60
LABELS = np.arange(N) % 2 == 0


def _matrix() -> np.ndarray:
    """Feature 0 silent, 1 perfect, 2 inverted, 3 noise, 4 nearly perfect, 5 silent too."""
    x = np.zeros((N, 6), dtype=np.float32)
    x[LABELS, 1] = 2.0
    x[~LABELS, 2] = 2.0
    x[:, 3] = (np.arange(N) * 7919 % 61) + 1
    x[LABELS, 4] = 1.0
    x[1, 4] = 1.0
    return x


def _evidence(x: np.ndarray, **changes: np.ndarray) -> Evidence:
    items = [
        ItemRow(
            "items", f"i{n}", f"c{n}", "k", "yes" if y else "no", "discovery", None, None, "p"
        )
        for n, y in enumerate(LABELS)
    ]
    rows, columns = np.nonzero(x)
    tensors = {
        "axis.values": x[rows, columns],
        "axis.columns": columns.astype(np.int32),
        "axis.indptr": np.searchsorted(rows, np.arange(len(x) + 1)).astype(np.int64),
        "axis.width": np.array([x.shape[1]], dtype=np.int64),
    }
    return Evidence(Items(items), {}, [], [], tensors | changes)


def test_sparse_rows_come_back_as_they_were() -> None:
    assert (pooled(AXIS, _evidence(_matrix())) == _matrix()).all()


def test_the_features_that_carry_the_contrast_are_kept_best_first() -> None:
    found = select_features(AXIS, _evidence(_matrix()))
    assert [s.feature for s in found.features] == [1, 4]
    assert found.features[0].auroc == 1.0
    assert found.features[1].auroc == pytest.approx(1 - 0.5 / 30)
    # candidates: 1 to 4; the silent one is not a test
    assert found.candidates == 4
    assert found.significant == 2
    assert (found.positive_items, found.negative_items) == (30, 30)
    assert found.features[0].p_adjusted == pytest.approx(4 * found.features[0].p)


def test_equal_features_go_to_the_lower_index() -> None:
    x = _matrix()
    x[:, 5] = x[:, 1]
    found = select_features(AXIS, _evidence(x))
    assert [s.feature for s in found.features] == [1, 5]


def test_live_features_are_the_dense_enough_ones() -> None:
    assert live_features(PLAN, AXIS, _evidence(_matrix())) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "fault",
    [
        {"axis.indptr": np.zeros(N, dtype=np.int64)},
        {"axis.indptr": np.zeros(N + 1, dtype=np.int64)},
        {"axis.width": np.array([3], dtype=np.int64)},
        {"axis.values": -_matrix()[np.nonzero(_matrix())]},
        {"axis.columns": np.flip(np.nonzero(_matrix())[1]).astype(np.int32)},
    ],
)
def test_malformed_sparse_rows_are_refused(fault: dict[str, np.ndarray]) -> None:
    with pytest.raises(MethodRefused):
        pooled(AXIS, _evidence(_matrix(), **fault))


def _ruled(**rule: str) -> Axis:
    data = plan_data()
    data["axes"][0]["selection"] |= rule
    return plan_of(data).axes[0]


def test_features_may_be_ranked_by_the_difference_of_their_means() -> None:
    x = _matrix()
    # as many wins as feature 4, but far outside: a larger area is not a larger difference
    x[:, 5] = np.where(LABELS, 1.0, 0.9)
    x[::6, 5] = 40.0
    found = select_features(_ruled(statistic="standardised_mean_difference"), _evidence(x))
    assert [s.feature for s in found.features] == [1, 4]
    assert found.features[0].standardised_difference == pytest.approx(2.0)
    by_area = select_features(AXIS, _evidence(x))
    assert [s.feature for s in by_area.features] == [1, 5]
    assert by_area.features[0].standardised_difference is None


def test_a_feature_lower_in_the_positive_class_is_not_kept() -> None:
    found = select_features(
        _ruled(statistic="standardised_mean_difference"), _evidence(_matrix()[:, :3])
    )
    assert [s.feature for s in found.features] == [1]
    assert found.candidates == 2


def test_the_correction_is_the_plans() -> None:
    rng = np.random.default_rng(5)
    x = rng.random((N, 40)).astype(np.float32)
    x[LABELS, :12] += 0.32
    kept = {}
    for name in (None, "holm", "benjamini_hochberg"):
        axis = AXIS if name is None else _ruled(correction=name)
        kept[name] = select_features(axis, _evidence(x))
    assert kept[None] == kept["holm"]
    assert kept["benjamini_hochberg"].significant > kept["holm"].significant
    p = compare_columns(x, LABELS).p_value
    theirs = multipletests(p, alpha=AXIS.selection.alpha, method="fdr_bh")[0]
    above = auroc_columns(x, LABELS) > 0.5
    assert kept["benjamini_hochberg"].significant == int((theirs & above).sum())


def test_a_rule_that_names_nothing_new_spells_as_before() -> None:
    assert "correction" not in AXIS.selection.spelled()
