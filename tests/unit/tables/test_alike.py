"""Rows are alike where all their columns are; places that follow each other are a slice."""

from __future__ import annotations

import numpy as np

from safetycase.tables.alike import alike, as_stretch, stretches


def test_rows_alike_share_a_number() -> None:
    numbers = alike(np.array([3, 1, 3, 3]), np.array([0, 0, 1, 0]))
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 3


def test_many_columns_of_any_numbers_are_told_apart() -> None:
    """More combinations than one whole number holds; every row beside a copy of it."""
    rng = np.random.default_rng(3)
    half = [rng.integers(-3, 10**5, 300) for _ in range(5)] + [rng.normal(size=300).round(1)]
    half += [rng.integers(0, 2**60, 300)]
    order = rng.permutation(300)
    columns = [np.concatenate([column, column[order]]) for column in half]
    numbers = alike(*columns)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    known = dict(zip(rows, numbers.tolist(), strict=True))
    assert [known[row] for row in rows] == numbers.tolist()
    assert sorted(set(numbers.tolist())) == list(range(len(set(rows))))


def test_a_stretch_begins_where_a_column_changes() -> None:
    assert stretches(np.array([1, 1, 2]), np.array([5, 5, 5])).tolist() == [0, 2, 3]
    assert stretches(np.array([])).tolist() == [0]


def test_places_that_follow_each_other_are_a_slice() -> None:
    assert as_stretch(np.array([2, 3, 4])) == slice(2, 5)
    apart = np.array([2, 4])
    assert as_stretch(apart) is apart
    assert as_stretch(slice(1, 2)) == slice(1, 2)
