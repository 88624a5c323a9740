"""Rows are alike where all their columns are; places that follow each other are a slice."""

from __future__ import annotations

import numpy as np

from safetycase.tables.alike import alike, as_stretch, stretches


def test_rows_alike_share_a_number() -> None:
    numbers = alike(np.array([3, 1, 3, 3]), np.array([0, 0, 1, 0]))
    assert numbers[0] == numbers[3]
    assert len(set(numbers.tolist())) == 3


def test_a_stretch_begins_where_a_column_changes() -> None:
    assert stretches(np.array([1, 1, 2]), np.array([5, 5, 5])).tolist() == [0, 2, 3]
    assert stretches(np.array([])).tolist() == [0]


def test_places_that_follow_each_other_are_a_slice() -> None:
    assert as_stretch(np.array([2, 3, 4])) == slice(2, 5)
    apart = np.array([2, 4])
    assert as_stretch(apart) is apart
    assert as_stretch(slice(1, 2)) == slice(1, 2)
