from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.text_grade import (
    REFUSAL,
    ChoiceOutcome,
    Lexicon,
    TextOutcome,
    choice,
    choice_margin,
    choice_signs,
    contains_phrase,
    exact,
    fold,
    grade_all,
    includes,
    refusal,
    regex,
    starts_with,
    starts_with_phrase,
)

MATCH, NO_MATCH, EMPTY = TextOutcome.MATCH, TextOutcome.NO_MATCH, TextOutcome.EMPTY
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


@pytest.mark.parametrize(
    ("grade", "text", "outcome"),
    [
        (includes, "Well, blue it is", MATCH),
        (includes, "BLUE\u2026", MATCH),
        (includes, "bluest", NO_MATCH),
        (includes, "", EMPTY),
        (includes, " \n", EMPTY),
        (starts_with, "Deep  Red wine", MATCH),
        (starts_with, "deep redder", NO_MATCH),
        (starts_with, "a blue", NO_MATCH),
        (starts_with, "", EMPTY),
        (exact, " Deep Red\n", MATCH),
        (exact, "deep red.", NO_MATCH),
        (exact, "\u200b", EMPTY),
    ],
)
def test_lexicon_outcomes(grade: Any, text: str, outcome: TextOutcome) -> None:
    assert grade(text, Lexicon(("Deep Red", "blue"))) is outcome


@pytest.mark.parametrize("phrases", [(), ("",), ("a", " \n"), ("I can't", "I CAN\u2019T")])
def test_lists_that_say_less_than_they_seem(phrases: tuple[str, ...]) -> None:
    with pytest.raises(MethodRefused):
        Lexicon(phrases)


def test_no_phrase_of_nothing() -> None:
    with pytest.raises(MethodRefused) as refused:
        contains_phrase("a", "\u200b")
    assert refused.value.where == "phrase"


@pytest.mark.parametrize(
    ("pattern", "text", "whole", "outcome"),
    [
        (r"answer: \d{1,3}\b", "The ANSWER: 42.", False, MATCH),
        (r"\d{1,3}", "42", True, MATCH),
        (r"\d{1,3}", "42.", True, NO_MATCH),
        (r"\d", "none", False, NO_MATCH),
        (r"\d", " ", False, EMPTY),
    ],
)
def test_regex_outcomes(pattern: str, text: str, whole: bool, outcome: TextOutcome) -> None:
    assert regex(text, pattern, whole=whole) is outcome


@pytest.mark.parametrize(("text", "pattern"), [("a", "a*"), ("a" * 20_001, "a")])
def test_no_regex(text: str, pattern: str) -> None:
    with pytest.raises(MethodRefused):
        regex(text, pattern)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("I\u2019m sorry, but I can\u2019t help with that.", MATCH),
        ("As a language model, no.", MATCH),
        ("Sure! Here is how you do it.", NO_MATCH),
        ("I can do that for you.", NO_MATCH),
        ("", EMPTY),
    ],
)
def test_refusals(text: str, outcome: TextOutcome) -> None:
    assert refusal(text) is outcome


@given(ANY_TEXT, st.sampled_from(REFUSAL.phrases))
def test_the_refusal_list_agrees_with_a_pattern(text: str, phrase: str) -> None:
    padded = f"{text} {phrase} {text}"
    assert refusal(padded) is MATCH
    folded = fold(text)
    words = "|".join(re.escape(p) for p in REFUSAL.folded)
    if re.search(rf"(?<![\w'])(?:{words})(?![\w'])", folded):
        assert refusal(text) is MATCH


def test_each_different_text_is_graded_once() -> None:
    asked = []

    def grade(text: str) -> TextOutcome:
        asked.append(text)
        return refusal(text)

    outcomes = grade_all(["I cannot", "yes", "I cannot", "", "yes"], grade)
    assert outcomes == [MATCH, NO_MATCH, MATCH, EMPTY, NO_MATCH]
    assert asked == ["I cannot", "yes", ""]


@pytest.mark.parametrize(
    ("orders", "margin", "outcome"),
    [
        ([(-1.0, -3.0), (-2.0, -1.0)], 0.5, ChoiceOutcome.MATCHING),
        ([(-1.0, -1.5), (-2.0, -1.0)], -0.25, ChoiceOutcome.OTHER),
        ([(-1.0, -3.0), (-3.0, -1.0)], 0.0, ChoiceOutcome.TIE),
        ([(-1.0, -3.0)], 2.0, ChoiceOutcome.MATCHING),
    ],
)
def test_choices(
    orders: list[tuple[float, float]], margin: float, outcome: ChoiceOutcome
) -> None:
    assert choice_margin(orders) == margin
    assert choice(orders) is outcome


@given(LOG_PROBABILITY, LOG_PROBABILITY, LOG_PROBABILITY)
def test_a_letter_preference_alone_decides_nothing(a: float, b: float, content: float) -> None:
    """Swapping the labels turns the preference for a letter round, and the mean drops it."""
    only_letter = [(a, b), (b, a)]
    assert choice(only_letter) is ChoiceOutcome.TIE
    with_content = choice_margin([(a, b + content), (b, a + content)])
    assert with_content == pytest.approx(-content, abs=1e-12)


@given(st.lists(st.tuples(*[LOG_PROBABILITY] * 4), min_size=1, max_size=20))
def test_a_table_is_graded_as_its_rows(rows: list[tuple[float, float, float, float]]) -> None:
    table = np.array(rows)
    signs = {ChoiceOutcome.MATCHING: 1, ChoiceOutcome.OTHER: -1, ChoiceOutcome.TIE: 0}
    both = [signs[choice([(r[0], r[1]), (r[2], r[3])])] for r in rows]
    assert choice_signs(table[:, [0, 2]], table[:, [1, 3]]).tolist() == both
    one = [signs[choice([(r[0], r[1])])] for r in rows]
    assert choice_signs(table[:, [0]], table[:, [1]]).tolist() == one


@pytest.mark.parametrize(
    "orders",
    [[], [(0.0, 0.0)] * 3, [(math.nan, -1.0)], [(-1.0, -math.inf)]],
)
def test_no_choice(orders: list[tuple[float, float]]) -> None:
    with pytest.raises(MethodRefused) as refused:
        choice(orders)
    assert refused.value.where == "choice"


@pytest.mark.parametrize(
    ("matching", "other"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.zeros((2, 2)), np.zeros((2, 1))),
        (np.zeros(2), np.zeros(2)),
        (np.array([[math.nan]]), np.array([[0.0]])),
        (np.array([[0.0]]), np.array([[-math.inf]])),
    ],
)
def test_no_table(matching: Any, other: Any) -> None:
    with pytest.raises(MethodRefused) as refused:
        choice_signs(matching, other)
    assert refused.value.where == "choice_signs"
