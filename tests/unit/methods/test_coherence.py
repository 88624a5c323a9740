from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.coherence import coherent, repetition

PLAIN = (
    "the committee met on tuesday and agreed to publish the report before the end of the year"
)
LOOP = "i think that i think that i think that i think that i think that"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAIN, 0.0),
        (LOOP, 1 - 3 / 13),
        ("no no no no no no no no", 1 - 1 / 6),
        ("a b c d a b c d", 1 - 4 / 6),
        ("a b c a b c", 1 - 3 / 4),
        ("no no no no no", 1 - 1 / 4),
        ("a b a b", 1 - 2 / 3),
        ("no no no", 1 - 1 / 3),
        ("no no", 0.5),
        ("yes i can", 0.0),
        ("yes", 0.0),
    ],
)
def test_share_of_trigrams_said_before(text: str, expected: float) -> None:
    assert repetition(text.split()) == expected


@pytest.mark.parametrize(
    ("order", "expected"), [(1, 1 - 3 / 15), (2, 1 - 3 / 14), (4, 1 - 3 / 12)]
)
def test_other_orders(order: int, expected: float) -> None:
    assert repetition(LOOP.split(), order) == expected


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 5))
def test_repetition_is_a_share(tokens: list[int], order: int) -> None:
    value = repetition(tokens, order)
    assert 0.0 <= value < 1.0
    assert repetition(list(map(str, tokens)), order) == value
    fitting = max(1, min(order, len(tokens) // 2))
    grams = [tuple(tokens[i : i + fitting]) for i in range(len(tokens) - fitting + 1)]
    repeats = sum(gram in grams[:i] for i, gram in enumerate(grams))
    assert value == pytest.approx(repeats / len(grams), abs=1e-15)


@given(st.lists(st.integers(), min_size=1, max_size=30, unique=True))
def test_different_words_repeat_nothing(tokens: list[int]) -> None:
    assert repetition(tokens) == 0.0


@pytest.mark.parametrize(("words", "order"), [([], 3), (["a"], 0)])
def test_no_repetition(words: list[str], order: int) -> None:
    with pytest.raises(MethodRefused) as refused:
        repetition(words, order)
    assert refused.value.where == "repetition"


@pytest.mark.parametrize(
    ("nll", "repeated", "expected"),
    [(4.0, 0.5, True), (4.1, 0.5, False), (4.0, 0.51, False), (0.0, 0.0, True)],
)
def test_gate_is_open_up_to_both_ceilings(
    nll: float,
    repeated: float,
    expected: bool,
) -> None:
    gate = coherent(nll, repeated, nll_ceiling=4.0, repetition_ceiling=0.5)
    assert gate.tolist() is expected


@pytest.mark.parametrize(
    ("nll", "repeated", "ceiling"),
    [(math.nan, 0.1, 4.0), (math.inf, 0.1, 4.0), (1.0, math.nan, 4.0), (1.0, 0.1, math.nan)],
)
def test_no_gate(nll: float, repeated: float, ceiling: float) -> None:
    with pytest.raises(MethodRefused) as refused:
        coherent(nll, repeated, nll_ceiling=ceiling, repetition_ceiling=0.5)
    assert refused.value.where == "coherent"
