from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from safetycase.errors import MethodRefused
from safetycase.methods.multiplicity import benjamini_hochberg, holm

FAMILIES = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=40
)
METHODS = [(holm, "holm"), (benjamini_hochberg, "fdr_bh")]


@pytest.mark.parametrize(("method", "name"), METHODS)
@given(family=FAMILIES)
@settings(deadline=None, max_examples=25)  # statsmodels collects garbage at every call
def test_adjusted_values_are_those_of_statsmodels(
    method: Any, name: str, family: list[float]
) -> None:
    theirs = multipletests(family, method=name)[1]
    np.testing.assert_allclose(method(family), theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
@given(family=FAMILIES)
def test_order_is_kept_and_nothing_shrinks(method: Any, family: list[float]) -> None:
    adjusted = method(family)
    assert np.all(adjusted >= np.array(family) * (1 - 1e-15))
    assert np.all(adjusted <= 1.0)
    turned = method(family[::-1])
    np.testing.assert_array_equal(turned[::-1], adjusted)


def test_worked_example() -> None:
    family = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(holm(family), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(family), [0.02, 0.04, 0.04, 0.02], rtol=1e-12)


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
def test_a_family_of_one_is_left_alone(method: Any) -> None:
    assert method([0.03]).tolist() == [0.03]


def test_a_longer_family_costs_more() -> None:
    assert holm([0.01, 0.9])[0] == 0.02
    assert holm([0.01, 0.9, 0.9])[0] == 0.03


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
@pytest.mark.parametrize("family", [[], [0.1, math.nan], [1.5], [-0.1], [[0.1]]])
def test_no_family(method: Any, family: Any) -> None:
    with pytest.raises(MethodRefused) as refused:
        method(family)
    assert refused.value.where == method.__name__
