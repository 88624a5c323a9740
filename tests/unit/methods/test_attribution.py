"""Features by attribution: one-sample t beside scipy, ranking, and what is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from safetycase.errors import MethodRefused
from safetycase.methods.attribution import mean_columns, one_sample_p_columns
from safetycase.methods.identify import attributed, select_features
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ExclusionRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of

N = 60


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 60), st.integers(0, 10_000), st.floats(-3.0, 3.0))
def test_p_is_that_of_scipy_down_to_what_signs_can_say(n: int, seed: int, at: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(at, 1.0, size=(n, 5))
    matrix[rng.uniform(size=matrix.shape) < 0.4] = 0.0
    matrix = matrix[:, (matrix != matrix[0]).any(axis=0)]
    wanted = stats.ttest_1samp(matrix, 0.0, axis=0).pvalue
    floor = 2.0 / 2.0 ** (matrix != 0.0).sum(axis=0)
    found = one_sample_p_columns(matrix) if matrix.size else np.array([])
    assert found == pytest.approx(np.minimum(1.0, np.maximum(wanted, floor)), rel=1e-9)


def test_far_tails_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(0.0, 1.0, size=(400, 4)) + np.array([0.0, 1.0, 4.0, -9.0])
    wanted = stats.ttest_1samp(matrix, 0.0, axis=0).pvalue
    floor = 2.0**-399
    assert wanted.min() < 1e-150
    found = one_sample_p_columns(matrix)
    assert found == pytest.approx(np.maximum(wanted, floor), rel=1e-9)


@pytest.mark.parametrize(
    "matrix", [np.ones((1, 2)), np.array([[1.0, 2.0], [1.0, 3.0]]), np.zeros((3, 1))]
)
def test_one_row_and_constant_columns_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(MethodRefused):
        one_sample_p_columns(matrix)


def test_a_mean_is_a_running_sum_of_float64() -> None:
    matrix = np.array([[1.0], [1e-8], [-1.0]], dtype=np.float32)
    assert mean_columns(matrix)[0] == pytest.approx(1e-8 / 3, rel=1e-6)


def _axis(direction: str = "up", **rule: Any) -> Axis:
    data = plan_data()
    data["evaluations"].append(
        {"id": "quiz", "dataset": "items", "title": "quiz", "measure": {"kind": "choice"}}
    )
    data["axes"][0]["selection"] |= {
        "statistic": "attribution",
        "attribution": {"evaluation": "quiz", "direction": direction},
        **rule,
    }
    return plan_of(data).axes[0]


def _evidence(x: np.ndarray, given: np.ndarray, gone: tuple[int, ...] = ()) -> Evidence:
    items = [
        ItemRow(
            "items",
            f"i{n}",
            f"c{n}",
            "k",
            "no" if n % 2 else "yes",
            "discovery",
            None,
            None,
            "",
        )
        for n in range(len(x))
    ]
    rows, columns = np.nonzero(x)
    tensors = {
        "axis.values": x[rows, columns],
        "axis.attribution": given[rows, columns],
        "axis.columns": columns.astype(np.int32),
        "axis.indptr": np.searchsorted(rows, np.arange(len(x) + 1)).astype(np.int64),
        "axis.width": np.array([x.shape[1]], dtype=np.int64),
    }
    missing = [
        ExclusionRow("quiz", "baseline", f"i{n}", 0, "prompt_longer_than_context") for n in gone
    ]
    return Evidence(Items(items), {}, [], [], tensors, exclusions=missing)


def _world() -> tuple[np.ndarray, np.ndarray]:
    """Feature 0 silent, 1 and 2 move M up and down, 3 by chance, 4 as 1 but half as far."""
    rng = np.random.default_rng(8)
    x = rng.uniform(0.5, 2.0, size=(N, 5)).astype(np.float32)
    x[:, 0] = 0.0
    x[rng.uniform(size=(N, 5)) < 0.3] = 0.0
    slopes = rng.normal([0.0, 2.0, -2.0, 0.0, 1.0], 0.4, size=(N, 5))
    return x, (x * slopes).astype(np.float32)


@pytest.mark.parametrize(("direction", "kept"), [("up", [1, 4]), ("down", [2])])
def test_features_are_ranked_by_their_mean_attribution_that_way(
    direction: str, kept: list[int]
) -> None:
    x, given = _world()
    found = select_features(_axis(direction), _evidence(x, given))
    assert [one.feature for one in found.features] == kept
    assert (found.candidates, found.unanswered) == (4, None)
    columns = given[:, 1:].astype(float)
    floors = 2.0 / 2.0 ** (columns != 0.0).sum(axis=0)
    p = np.maximum(stats.ttest_1samp(columns, 0.0).pvalue, floors)
    adjusted = multipletests(p, method="holm")[1]
    for one in found.features:
        column = given[:, one.feature].astype(float)
        assert one.attribution == pytest.approx(column.mean(), rel=1e-9)
        assert one.p == pytest.approx(p[one.feature - 1], rel=1e-9)
        assert one.p_adjusted == pytest.approx(adjusted[one.feature - 1], rel=1e-9)
        assert one.standardised_difference is None


def test_prompts_without_an_answer_are_left_out() -> None:
    x, given = _world()
    given[[3, 10]] = 1000.0 * (x[[3, 10]] > 0)
    found = select_features(_axis(), _evidence(x, given, gone=(3, 10)))
    assert found.unanswered == 2
    assert (found.positive_items, found.negative_items) == (29, 29)
    keep = [n for n in range(N) if n not in (3, 10)]
    first = found.features[0]
    assert first.attribution == pytest.approx(given[keep, 1].astype(float).mean(), rel=1e-9)


def test_an_attribution_stands_for_each_activation_and_nowhere_else() -> None:
    x, given = _world()
    evidence = _evidence(x, given)
    assert (attributed(_axis(), evidence)[x == 0.0] == 0.0).all()
    more = np.append(evidence.tensors["axis.attribution"], np.float32(1.0))
    longer = Evidence(
        evidence.items, {}, [], [], {**evidence.tensors, "axis.attribution": more}
    )
    with pytest.raises(MethodRefused):
        select_features(_axis(), longer)


def test_nothing_is_found_where_nothing_moves_it() -> None:
    x, given = _world()
    found = select_features(_axis(), _evidence(x, 0.0 * given))
    assert (found.candidates, found.features) == (0, ())
    still = np.where(np.arange(N)[:, None] % 2, given, -given).astype(np.float32)
    none = select_features(_axis(), _evidence(np.abs(x), still))
    assert none.features == ()
    assert none.least_p_adjusted is not None


def test_a_statistic_without_what_is_attributed_is_refused() -> None:
    x, given = _world()
    for fields in ({"attribution": None}, {"statistic": "auroc"}):
        rule = _axis().selection.model_copy(update=fields)
        axis = _axis().model_copy(update={"selection": rule})
        with pytest.raises(MethodRefused, match="attribution with statistic attribution"):
            select_features(axis, _evidence(x, given))
