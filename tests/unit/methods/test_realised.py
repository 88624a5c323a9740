"""Sums of rows do not depend on how they are taken."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from safetycase.methods.realised import _sum

SIZES = st.floats(min_value=0.0, max_value=1e9)


@given(SIZES, st.integers(1, 5000))
def test_a_value_so_often_is_summed_as_one_by_one(value: float, count: int) -> None:
    assert _sum(np.full(count, value)) == math.fsum([value] * count)


@given(st.lists(SIZES, min_size=1))
def test_other_sums_are_correctly_rounded(values: list[float]) -> None:
    assert _sum(np.array(values)) == math.fsum(values)
