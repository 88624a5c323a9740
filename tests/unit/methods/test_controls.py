from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.controls import (
    acts,
    controls_needed,
    difference_direction,
    direction,
    draw_feature_sets,
    draw_pairs,
    is_along,
    least_attainable,
    rank_test,
)
from safetycase.methods.stream import Stream

EFFECTS = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("target", "controls", "p"),
    [
        (3.0, [1.0, 2.0], 1 / 3),
        (3.0, [1.0, 3.0], 2 / 3),
        (0.0, [1.0, 3.0], 1.0),
        (0.5, [0.1] * 19, 0.05),
        (-1.0, [-2.0, -3.0, 0.0], 0.5),
    ],
)
def test_rank_of_a_target(target: float, controls: list[float], p: float) -> None:
    assert rank_test(target, controls) == p


@given(EFFECTS)
def test_a_control_in_the_place_of_the_target_is_never_too_lucky(effects: list[float]) -> None:
    """Over all who could have been the target, p <= a has chance at most a."""
    ps = [
        rank_test(effect, [*effects[:i], *effects[i + 1 :], effect])
        for i, effect in enumerate(effects)
    ]
    for p in ps:
        assert sum(other <= p for other in ps) / len(ps) <= p


@given(EFFECTS, st.floats(-6, 6))
def test_rank_is_never_under_the_least_attainable(effects: list[float], target: float) -> None:
    p = rank_test(target, effects)
    assert least_attainable(len(effects)) <= p <= 1.0
    assert (p == least_attainable(len(effects))) == (target > max(effects))


@pytest.mark.parametrize(
    ("target", "controls"), [(1.0, []), (math.nan, [1.0]), (1.0, [math.nan]), (math.inf, [1.0])]
)
def test_no_rank(target: float, controls: list[float]) -> None:
    with pytest.raises(MethodRefused) as refused:
        rank_test(target, controls)
    assert refused.value.where == "rank_test"


@pytest.mark.parametrize(
    ("k", "p"), [(3, 0.25), (5, 1 / 6), (10, 1 / 11), (19, 0.05), (99, 0.01), (279, 1 / 280)]
)
def test_published_least_p(k: int, p: float) -> None:
    assert least_attainable(k) == p


@pytest.mark.parametrize(
    ("alpha", "family", "k"), [(0.05, 1, 19), (0.05, 14, 279), (0.01, 1, 99), (0.9, 1, 1)]
)
def test_published_number_of_controls(alpha: float, family: int, k: int) -> None:
    assert controls_needed(alpha, family) == k


@given(st.integers(1, 500), st.integers(1, 60))
def test_one_control_fewer_is_not_enough(thousandths: int, family: int) -> None:
    alpha = thousandths / 1000
    k = controls_needed(alpha, family)
    exact = Fraction(thousandths, 1000) / family
    assert Fraction(1, k + 1) <= exact
    assert k == 1 or Fraction(1, k) > exact


@pytest.mark.parametrize(("alpha", "family"), [(0.0, 1), (1.0, 1), (math.nan, 1), (0.05, 0)])
def test_no_number_of_controls(alpha: float, family: int) -> None:
    with pytest.raises(MethodRefused):
        controls_needed(alpha, family)


def test_no_least_p_without_controls() -> None:
    with pytest.raises(MethodRefused):
        least_attainable(0)


@pytest.mark.parametrize(
    ("realised", "target", "expected"),
    [
        (2.0, 2.0, True),
        (2.25, 2.5, True),
        (2.19, 2.0, True),
        (2.21, 2.0, False),
        (0.0, 2.0, False),
    ],
)
def test_a_control_acts_within_a_tenth(realised: float, target: float, expected: bool) -> None:
    assert acts(realised, target) is expected
    assert acts(realised * 4, target * 4) is expected


@pytest.mark.parametrize(
    ("realised", "target", "tolerance"),
    [
        (1.0, 0.0, 0.1),
        (-1.0, 1.0, 0.1),
        (math.nan, 1.0, 0.1),
        (1.0, math.inf, 0.1),
        (1.0, 1.0, 0),
    ],
)
def test_norms_that_cannot_be_compared(
    realised: float, target: float, tolerance: float
) -> None:
    with pytest.raises(MethodRefused):
        acts(realised, target, tolerance)


def test_sets_are_those_of_the_stream() -> None:
    live, excluded = [90, 5, 17, 8, 33, 60], [8, 71]
    pool = [5, 17, 33, 60, 90]
    stream = Stream("seed", "sets")
    expected: list[tuple[int, ...]] = []
    while len(expected) < 4:
        chosen = tuple(sorted(pool[i] for i in stream.sample(5, 2)))
        if chosen not in expected:
            expected.append(chosen)
    assert draw_feature_sets(Stream("seed", "sets"), [(live, 2)], 4, excluded) == expected


@given(st.integers(1, 3), st.data())
@settings(deadline=None)
def test_all_sets_can_be_drawn(size: int, data: st.DataObject) -> None:
    live = data.draw(st.sets(st.integers(0, 30), min_size=4, max_size=7))
    excluded = {min(live)}
    every = set(itertools.combinations(sorted(live - excluded), size))
    drawn = draw_feature_sets(Stream("s", "all"), [(live, size)], len(every), excluded)
    assert set(drawn) == every
    assert len(drawn) == len(every)
    with pytest.raises(MethodRefused):
        draw_feature_sets(Stream("s", "all"), [(live, size)], len(every) + 1, excluded)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 0), (4, 1)])
def test_no_sets(size: int, count: int) -> None:
    with pytest.raises(MethodRefused) as refused:
        draw_feature_sets(Stream("s", "p"), [([1, 2, 3], size)], count, [])
    assert refused.value.where == "draw_feature_sets"


def test_sets_of_parts_have_so_many_of_each() -> None:
    parts = [([4, 1, 9], 2), ([], 0), ([20, 23, 21, 22], 1)]
    stream = Stream("seed", "parts")
    expected: list[tuple[int, ...]] = []
    while len(expected) < 5:
        chosen = [[1, 4, 9][i] for i in stream.sample(3, 2)]
        chosen += [[20, 22, 23][i] for i in stream.sample(3, 1)]
        if tuple(sorted(chosen)) not in expected:
            expected.append(tuple(sorted(chosen)))
    assert draw_feature_sets(Stream("seed", "parts"), parts, 5, [21]) == expected
    assert len(draw_feature_sets(Stream("seed", "parts"), parts, 9, [21])) == 9
    with pytest.raises(MethodRefused) as refused:
        draw_feature_sets(Stream("seed", "parts"), parts, 10, [21])
    assert refused.value.expected == "10 different sets of 2 and 1 features"
    assert refused.value.found == "3 and 3 live features outside the selection"


def test_no_pair_comes_back_reversed() -> None:
    pairs = draw_pairs(Stream("s", "pairs"), 5, 10)
    assert len(pairs) == 10
    assert {frozenset(pair) for pair in pairs} == {
        frozenset(pair) for pair in itertools.combinations(range(5), 2)
    }
    assert any(i > j for i, j in pairs)
    assert any(i < j for i, j in pairs)


def test_pairs_are_those_of_the_stream() -> None:
    stream = Stream("s", "few")
    expected = [tuple(stream.sample(1000, 2)) for _ in range(3)]
    assert draw_pairs(Stream("s", "few"), 1000, 3) == expected


def test_a_pair_that_is_no_control_is_drawn_again() -> None:
    stream = Stream("s", "few")
    every = [tuple(stream.sample(1000, 2)) for _ in range(40)]
    odd = [pair for pair in every if pair[0] % 2][:5]
    drawn = draw_pairs(Stream("s", "few"), 1000, 5, is_control=lambda i, _j: i % 2 == 1)
    assert drawn == odd
    with pytest.raises(MethodRefused) as refused:
        draw_pairs(Stream("s", "few"), 1000, 2, is_control=lambda _i, _j: False)
    assert refused.value.expected == "2 pairs that are controls"


def test_along_is_a_cosine_of_a_half_of_either_sign() -> None:
    aim = np.array([1.0, 0.0], dtype=np.float32)
    for degrees, along in [(0, True), (59, True), (61, False), (90, False), (119, False)]:
        turned = np.radians(degrees)
        other = np.array([np.cos(turned), np.sin(turned)], dtype=np.float32)
        assert is_along(other, aim) is along
        assert is_along(-other, aim) is along


@pytest.mark.parametrize(("pool", "count"), [(1, 1), (3, 4), (3, 0), (-2, 1)])
def test_no_pairs(pool: int, count: int) -> None:
    with pytest.raises(MethodRefused):
        draw_pairs(Stream("s", "p"), pool, count)


def test_direction_gives_each_row_the_same_weight() -> None:
    rows = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.25]], np.float32)
    ours = direction(rows)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, np.float32([math.sqrt(0.5), 0.0, math.sqrt(0.5)]))


@given(st.integers(0, 1000), st.integers(1, 6), st.floats(0.01, 100))
@settings(deadline=None)
def test_direction_has_length_one_and_knows_no_scale(seed: int, k: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(size=(k, 40))
    ours = direction(rows)
    assert math.fsum(float(x) ** 2 for x in ours) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(direction(rows * scale), ours, atol=1e-7)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    total = units.sum(axis=0)
    np.testing.assert_allclose(ours, total / np.linalg.norm(total), atol=1e-7)


def test_difference_points_from_the_second_to_the_first() -> None:
    pool = np.array([[1.0, 1.0], [1.0, 5.0], [4.0, 1.0]], np.float32)
    np.testing.assert_array_equal(difference_direction(pool, 1, 0), np.float32([0.0, 1.0]))
    np.testing.assert_array_equal(difference_direction(pool, 0, 2), np.float32([-1.0, 0.0]))
    np.testing.assert_array_equal(difference_direction(pool, 1, 2), np.float32([-3 / 5, 4 / 5]))


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((0, 3)),
        np.zeros(3),
        np.zeros((1, 3)),
        np.array([[1.0, 0.0], [-1.0, 0.0]]),
        np.array([[1.0, math.nan]]),
        np.array([[1.0, math.inf]]),
    ],
)
def test_rows_without_a_direction(rows: Any) -> None:
    with pytest.raises(MethodRefused) as refused:
        direction(rows)
    assert refused.value.where == "direction"


@pytest.mark.parametrize(("i", "j"), [(0, 0), (0, 3), (-1, 1), (0, 1)])
def test_no_difference(i: int, j: int) -> None:
    pool = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(MethodRefused):
        difference_direction(pool, i, j)
