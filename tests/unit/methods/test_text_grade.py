from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.text_grade import (
    CHOICE_OUTCOMES,
    choice,
    choice_margin,
    contains_phrase,
    fold,
    starts_with_phrase,
)

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LOG_PROBABILITY = st.floats(-50, 0)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("I\u2019m  Sorry\n", "i'm sorry"),
        ("\u201cNo\u201d", '"no"'),
        ("\uff29 \uff23an", "i can"),
        ("STRASSE stra\u00dfe", "strasse strasse"),
        ("re\u00adfuse\u200b d", "refuse d"),
        ("don\u00b4t", "don't"),
        ("\u2034", "'''"),
        ("\ufb01ne", "fine"),
        ("\u0130", "i\u0307"),
        (" \t\u00a0 ", ""),
        ("", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(ANY_TEXT)
@settings(deadline=None, max_examples=400)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_the_short_way_for_ascii_is_the_long_way(text: str) -> None:
    assert fold(text + "\u00e9") == " ".join((text.casefold() + "\u00e9").split())
    assert fold(text) == " ".join(text.casefold().split())


@pytest.mark.parametrize(
    ("text", "phrase", "inside"),
    [
        ("yes i can do it", "can", True),
        ("i can't do it", "can", False),
        ("i can't do it", "can't", True),
        ("the 'can' is full", "can", True),
        ("uncanny", "can", False),
        ("canny", "can", False),
        ("can-do", "can", True),
        ("can_do", "can", False),
        ("can2", "can", False),
        ("uncanny, but can", "can", True),
        ("caf\u00e9s", "caf\u00e9", False),
        ("answer (b)", "(B)", True),
        ("answer (b)x", "(B)", True),
        ("100% sure", "100%", True),
        ("a as an ai b", "As an AI", True),
        ("as an aid", "As an AI", False),
        ("it isn't t", "t", True),
        ("it isn't", "t", False),
        ("", "a", False),
    ],
)
def test_phrases_are_whole_words(text: str, phrase: str, inside: bool) -> None:
    assert contains_phrase(fold(text), phrase) is inside


@pytest.mark.parametrize(
    ("text", "phrase", "first"),
    [
        ("I can't help", "i can't", True),
        ("I can\u2019t help", "I can't", True),
        ("well, I can't", "I can't", False),
        ("sorrynot", "sorry", False),
        ("sorry", "sorry", True),
        ("sorry's", "sorry", False),
    ],
)
def test_phrases_at_the_start(text: str, phrase: str, first: bool) -> None:
    assert starts_with_phrase(fold(text), phrase) is first


@given(st.lists(st.sampled_from(["can", "not", "I", "do"]), max_size=6), st.data())
def test_a_run_of_words_is_found_where_it_stands(words: list[str], data: st.DataObject) -> None:
    phrase = data.draw(st.lists(st.sampled_from(["can", "not", "I"]), min_size=1, max_size=2))
    places = [i for i in range(len(words)) if words[i : i + len(phrase)] == phrase]
    folded = fold(" ".join(words))
    assert contains_phrase(folded, " ".join(phrase)) == bool(places)
    assert starts_with_phrase(folded, " ".join(phrase)) == (0 in places)


def test_no_phrase_of_nothing() -> None:
    with pytest.raises(MethodRefused) as refused:
        contains_phrase("a", "\u200b")
    assert refused.value.where == "phrase"


@pytest.mark.parametrize(
    ("orders", "margin", "outcome"),
    [
        ([(-1.0, -3.0), (-2.0, -1.0)], 0.5, "matching"),
        ([(-1.0, -1.5), (-2.0, -1.0)], -0.25, "other"),
        ([(-1.0, -3.0), (-3.0, -1.0)], 0.0, "tie"),
        ([(-1.0, -3.0)], 2.0, "matching"),
    ],
)
def test_choices(orders: list[tuple[float, float]], margin: float, outcome: str) -> None:
    assert choice_margin(orders) == margin
    assert CHOICE_OUTCOMES[choice(orders)] == outcome


@given(LOG_PROBABILITY, LOG_PROBABILITY, LOG_PROBABILITY)
def test_a_letter_preference_alone_decides_nothing(a: float, b: float, content: float) -> None:
    """Swapping the labels turns the preference for a letter round, and the mean drops it."""
    only_letter = [(a, b), (b, a)]
    assert CHOICE_OUTCOMES[choice(only_letter)] == "tie"
    with_content = choice_margin([(a, b + content), (b, a + content)])
    assert with_content == pytest.approx(-content, abs=1e-12)


@pytest.mark.parametrize(
    "orders",
    [[], [(0.0, 0.0)] * 3, [(math.nan, -1.0)], [(-1.0, -math.inf)]],
)
def test_no_choice(orders: list[tuple[float, float]]) -> None:
    with pytest.raises(MethodRefused) as refused:
        choice(orders)
    assert refused.value.where == "choice"
