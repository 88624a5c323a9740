from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.pattern import LONGEST_PATTERN, compile_bounded


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"score: {0,3}(\d{1,3})", "my score:  42!", "score:  42"),
        (r"^yes\b", "yes, but", "yes"),
        (r"(?:cats?|dogs?) and", "i like dogs and", "dogs and"),
        (r"[^a-c\d]{2}$", "abc12xy", "xy"),
        (r"[]x]{2}", "a]x", "]x"),
        (r"a\.b\{2\}", "a.b{2}", "a.b{2}"),
        (r"no .{0,40}thanks", "no i mean no thanks", "no i mean no thanks"),
        (r"(?:ab){2,3}", "ababab", "ababab"),
        (r"a||b", "b", ""),
    ],
)
def test_patterns_find_what_they_say(pattern: str, text: str, found: str) -> None:
    match = compile_bounded(pattern).search(text)
    assert match is not None
    assert match[0] == found


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a" * (LONGEST_PATTERN + 1),
        "a*",
        "a+",
        ".*",
        "a{2,}",
        "a{,3}",
        "a{3,2}",
        "a??",
        "a{1,3}+",
        "(a*)*",
        "(a{1,9}){1,9}",
        "(?:a|a){1,12}b",
        "a?" * 20 + "a" * 20,
        "(?:a|a)" * 20,
        ".{0,99}.{0,99}",
        r"(a)\1",
        r"\1",
        r"\n",
        "\\",
        "(?=a)",
        "(?<!a)b",
        "(?i)a",
        "(?P<x>a)",
        "(a",
        "a)",
        "[a",
        "[[a]",
        "[a--b]",
        "[b-a]",
        "{2}",
        "?",
        "(" * 11 + "a" + ")" * 11,
        "(" * 90 + "a" + ")" * 90,
    ],
)
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(MethodRefused) as refused:
        compile_bounded(pattern)
    assert refused.value.where == "pattern"


def test_a_refusal_names_the_place() -> None:
    with pytest.raises(MethodRefused) as refused:
        compile_bounded("ab+c")
    assert refused.value.found == "'+c' at 2"
    assert refused.value.expected == "a bounded quantifier after a part, such as {0,40}"


@given(st.text("ab|()[]?{}1,3\\d.^-*+", max_size=12))
@settings(deadline=None, max_examples=400)
def test_any_text_is_compiled_or_refused(pattern: str) -> None:
    try:
        compiled = compile_bounded(pattern)
    except MethodRefused:
        return
    assert compiled.pattern == pattern
    assert compiled.search("ab1 ba") == re.search(pattern, "ab1 ba") or compiled.search(
        "ab1 ba"
    )
