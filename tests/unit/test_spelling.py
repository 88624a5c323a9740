"""The fast writer gives the library's bytes, or asks for a closer look."""

from __future__ import annotations

import math
import struct
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from safetycase.spelling import MAX_INTEGER, Unspellable, spell

floats = st.integers(0, 2**64 - 1).map(
    lambda n: float(struct.unpack("<d", struct.pack("<Q", n))[0])
)
numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | (floats | st.floats(-1e6, 1e6)).filter(
    lambda f: abs(f) <= MAX_INTEGER or 1e21 <= abs(f) < math.inf
)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class Named(StrEnum):
    A = "a"


@given(values)
def test_it_spells_as_the_library_does(value: Any) -> None:
    assert spell(value, max_depth=64) == rfc8785.dumps(value)


@pytest.mark.parametrize("key", ["\ufb33", "\U0001f600", "\ue000", "z", "\x7f", "\x1f", '"'])
def test_keys_stand_in_order_of_utf_16(key: str) -> None:
    value: Any = {
        "\ufb33": 1,
        "\U00010000": 2,
        "a": {key: None},
        key: (key, -0.0, 1e16 / 4, 1e-7),
    }
    assert spell(value, max_depth=64) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        1e16,
        -1e20,
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        {"\udfff": 0},
        {1: 0},
        {None: 0},
        b"",
        Named.A,
        [[[]]],
        [{"a": {}}],
    ],
    ids=repr,
)
def test_what_is_unusual_is_left_to_a_closer_look(value: object) -> None:
    with pytest.raises(Unspellable):
        spell(value, max_depth=2)
