"""Patterns match as Python's `re` does, and cannot run away."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.pattern import Pattern, pattern

LEAVES = st.sampled_from(
    ["a", "b", "1", " ", ".", r"\d", r"\w", r"\s", "[ab]", "[^a]", "[0-9a]", r"\.", "^", "$"]
)
SIGNS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,}", "{0,2}"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, SIGNS).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


PATTERNS = st.recursive(LEAVES, _grown, max_leaves=8)
TEXTS = st.text("ab1. _", max_size=12)


@given(PATTERNS, TEXTS)
@settings(deadline=None, max_examples=500)
def test_it_matches_where_python_matches(text: str, subject: str) -> None:
    oracle = re.compile(text.replace("$", r"\Z"), re.ASCII | re.DOTALL)
    assert pattern(text).found_in(subject) == bool(oracle.search(subject))


@pytest.mark.parametrize(
    ("text", "subject", "found"),
    [
        (r"answer:? *\(?b\)?", "the answer: (b)", True),
        (r"^(yes|no)$", "yes", True),
        (r"^(yes|no)$", "yes.", False),
        (r"^$", "", True),
        (r"^$", "a", False),
        (r"[^ ]+@[^ ]+", "mail me@home", True),
        (r"[]a]+", "]", True),
        (r"a{3}", "aa", False),
        (r"[a-c-]x", "-x", True),
        (r"\{\}", "{}", True),
        ("\u00e9t\u00e9", "un \u00e9t\u00e9", True),
        ("", "anything", True),
    ],
)
def test_examples(text: str, subject: str, found: bool) -> None:
    assert pattern(text).found_in(subject) is found


@pytest.mark.parametrize(
    "text",
    [
        "(a", "a)", "[a", "*a", "a**", "a{2}{2}", "a{101}", "a{3,2}", "a{", "a{,3}", "a{x}",
        "Sorry", "[A-Z]", "[z-a]", r"[\d-z]", r"\1", r"\b", "(?=a)", "a\\", "}", "]",
        "((a{50}){50}){50}", "a" * 501, "(" * 30 + ")" * 30, r"\A",
    ],
)  # fmt: skip
def test_outside_the_syntax_is_refused(text: str) -> None:
    with pytest.raises(MethodRefused):
        pattern(text)


@pytest.mark.parametrize("text", ["(a*)*b", "(a|a)*b", "a*a*a*a*a*a*b", "(a?){90}a{90}b"])
def test_patterns_that_hang_others_are_answered(text: str) -> None:
    fresh = Pattern(pattern(text).steps)
    started = time.process_time()
    assert not fresh.found_in("a" * 8000)
    assert time.process_time() - started < 5.0


def test_the_memory_of_seen_states_is_bounded() -> None:
    fresh = Pattern(pattern("a(a|b){13}c").steps)
    subject = "".join(random.Random(5).choices("ab", k=20_000))  # noqa: S311 — no secret
    assert not fresh.found_in(subject)
    assert len(fresh._next) <= 4096
