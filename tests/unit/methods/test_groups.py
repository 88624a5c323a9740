"""Groups of the kept features: what fires with them, is near enough, and is brought in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.feature_sets import target_features
from safetycase.methods.groups import (
    companions,
    group_faults,
    group_members,
    spelled_cosines,
)
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ItemRow
from tests.unit.methods.plans import plan_data, plan_of

N = 60
LABELS = np.arange(N) % 2 == 0


def _axis(keep: int = 1, **rule: Any) -> Axis:
    data = plan_data()
    asked = {"cosine": 0.5, "co_firing": 0.25, "at_most": 2} | rule
    data["axes"][0]["selection"] |= {"keep": keep, "groups": asked}
    return plan_of(data).axes[0]


def _evidence(x: np.ndarray, **tensors: np.ndarray) -> Evidence:
    items = [
        ItemRow(
            "items", f"i{n}", f"c{n}", "k", "yes" if y else "no", "discovery", None, None, "p"
        )
        for n, y in enumerate(LABELS)
    ]
    rows, columns = np.nonzero(x)
    published = {
        "axis.values": x[rows, columns].astype(np.float32),
        "axis.columns": columns.astype(np.int32),
        "axis.indptr": np.searchsorted(rows, np.arange(len(x) + 1)).astype(np.int64),
        "axis.width": np.array([x.shape[1]], dtype=np.int64),
    }
    return Evidence(Items(items), {}, [], [], published | tensors)


def _matrix() -> np.ndarray:
    """Feature 1 is kept, 2 second; 3 fires on half of 1's prompts, 4 with all, 5 seldom."""
    x = np.zeros((N, 7))
    yes = np.flatnonzero(LABELS)
    x[yes, 1] = 2.0
    x[yes[:28], 2] = 1.0
    x[yes[:15], 3] = 1.0
    x[:, 4] = 1.0
    x[yes[:3], 5] = 1.0
    x[~LABELS, 6] = 1.0
    return x


def _with_cosines(axis: Axis, x: np.ndarray, *cosines: float) -> Evidence:
    found = [one.other for one in companions(axis, _evidence(x))]
    ids = np.array(found, dtype=np.int64)
    return _evidence(x, **{"axis.group_features": ids, "axis.group_cosines": np.array(cosines)})


def test_companions_fire_on_the_planned_share_of_the_prompts() -> None:
    """28 of 30, 15 of 30 and 30 of 60 prompts; 3 of 30 are too few, and none of 60."""
    found = companions(_axis(), _evidence(_matrix()))
    counts = [(c.other, c.both, c.feature_alone, c.other_alone) for c in found]
    assert counts == [(2, 28, 2, 0), (3, 15, 15, 0), (4, 30, 0, 30)]
    assert {one.feature for one in found} == {1}


def test_a_share_that_is_reached_exactly_is_enough() -> None:
    assert [one.other for one in companions(_axis(co_firing=0.5), _evidence(_matrix()))] == [
        2, 3, 4,
    ]  # fmt: skip
    assert [one.other for one in companions(_axis(co_firing=0.51), _evidence(_matrix()))] == [2]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 19))
def test_companions_are_those_of_sets(number: int, twentieths: int) -> None:
    rng = np.random.default_rng(number)
    x = (rng.uniform(size=(N, 12)) < rng.uniform(size=12)) * 1.0
    x[:, 0] = LABELS
    axis = _axis(co_firing=twentieths / 20)
    found = companions(axis, _evidence(x))
    on = [set(np.flatnonzero(column).tolist()) for column in x.T]
    wanted = [
        other
        for other in range(1, 12)
        if on[0] | on[other]
        and 20 * len(on[0] & on[other]) >= twentieths * len(on[0] | on[other])
    ]
    assert {one.feature for one in found} <= {0}
    assert [one.other for one in found] == wanted
    for one in found:
        assert one.both == len(on[0] & on[one.other])
        assert one.feature_alone == len(on[0] - on[one.other])
        assert one.other_alone == len(on[one.other] - on[0])


def test_the_nearest_are_brought_in_as_many_as_planned() -> None:
    axis = _axis()
    evidence = _with_cosines(axis, _matrix(), 0.6, 0.9, 0.7)
    assert [(m.member, m.cosine) for m in group_members(axis, evidence)] == [(3, 0.9), (4, 0.7)]
    assert target_features(axis, evidence) == (1, 3, 4)


def test_equal_cosines_go_to_the_lower_index_and_far_ones_stay_out() -> None:
    axis = _axis(at_most=1)
    evidence = _with_cosines(axis, _matrix(), 0.49, 0.5, 0.5)
    assert [one.member for one in group_members(axis, evidence)] == [3]


def test_two_kept_features_may_bring_in_the_same_one() -> None:
    """Neither brings in the other, and what both bring in is edited once."""
    axis = _axis(keep=2, at_most=1)
    evidence = _with_cosines(axis, _matrix(), 0.8, 0.1, 0.9, 0.2)
    pairs = [(one.feature, one.member) for one in group_members(axis, evidence)]
    assert pairs == [(1, 3), (2, 3)]
    assert target_features(axis, evidence) == (1, 2, 3)


def test_without_the_rule_the_kept_features_are_edited_alone() -> None:
    [axis] = plan_of(plan_data()).axes
    evidence = _evidence(_matrix())
    assert companions(axis, evidence) == []
    assert group_members(axis, evidence) == ()
    assert 3 not in target_features(axis, evidence)


def test_companions_under_other_numbers_are_refused() -> None:
    axis = _axis()
    honest = _with_cosines(axis, _matrix(), 0.6, 0.9, 0.7)
    ids = np.array([2, 3, 5], dtype=np.int64)
    other = _evidence(
        _matrix(),
        **{
            "axis.group_features": ids,
            "axis.group_cosines": honest.tensor("axis.group_cosines"),
        },
    )
    with pytest.raises(MethodRefused, match="group_features"):
        group_members(axis, other)
    [fault] = group_faults(axis, other)
    assert fault.found == "others"


def test_a_published_decoder_row_contradicts_another_cosine() -> None:
    axis = _axis()
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 16)).astype(np.float32)
    stated = spelled_cosines(rows[[0]], rows[1:])
    published = {
        "axis.features": np.array([1, 2, 4], dtype=np.int64),
        "axis.w_dec": rows,
        "axis.group_features": np.array([2, 3, 4], dtype=np.int64),
    }

    def faults(second: float) -> list[int]:
        cosines = np.array([stated[0], 0.99, second])
        evidence = _evidence(_matrix(), **published, **{"axis.group_cosines": cosines})
        return [fault.place for fault in group_faults(axis, evidence)]

    assert faults(stated[1]) == []
    assert faults(stated[1] + 1e-4) == [2]
    assert faults(float("nan")) == [2]


def test_cosines_are_spelled_in_six_digits() -> None:
    rng = np.random.default_rng(1)
    own, rows = (rng.normal(size=(n, 8)).astype(np.float32) for n in (1, 5))
    wide, others = own.astype(float), rows.astype(float)
    wanted = (others @ wide[0]) / (np.linalg.norm(others, axis=1) * np.linalg.norm(wide))
    found = spelled_cosines(own, rows)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert found.tolist() == [float(f"{one:.6g}") for one in found.tolist()]
