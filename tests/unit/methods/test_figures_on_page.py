"""What a page says in figures is read back, and held against the record letter by letter."""

from __future__ import annotations

import pytest

from safetycase.canonical import JsonValue, write
from safetycase.errors import MalformedInput, MethodRefused, NotCanonical
from safetycase.methods.figures_on_page import (
    Figure,
    figures_in,
    page_differences,
    read_page,
    spelled,
    value_at,
    visible,
)
from safetycase.methods.format import text_of
from safetycase.methods.gap import Gap

DOCUMENTS: dict[str, JsonValue] = {
    "case.json": {
        "title": "a\u202eb",
        "a/b~c": 3,
        "rates": [{"counted": 41, "items": 220, "low": 0.137}],
        "empty": None,
    },
    "plan.json": {"claim": {"margin": 0.1}},
}
RATE = '<b data-pointer="/rates/0">41 of 220 (18.6 %)</b>'


def _page(body: str, figures: list[dict[str, str]], *, lists: int = 1) -> bytes:
    data = write({"case_id": "c", "policy_digest": "p", "figures": figures}).decode()
    script = f'<script type="application/json" id="safetycase-figures">{data}</script>'
    return f"<!DOCTYPE html><body>{body}{script * lists}</body>".encode()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain é 日", "plain é 日"),
        ("two\nlines\tand tab", "two\nlines\tand tab"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("line\u2028end\r", "line\\u2028end\\u000d"),
    ],
)
def test_invisible_characters_become_visible(text: str, seen: str) -> None:
    assert visible(text) == seen
    assert visible(seen) == seen


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        ("/title", "a\\u202eb"),
        ("/a~1b~0c", "3"),
        ("/rates/0", "41 of 220 (18.6 %)"),
        ("/rates/0/low", "13.7 %"),
        ("plan.json#/claim/margin", "+10.0 points"),
    ],
)
def test_a_pointer_has_one_text(pointer: str, text: str) -> None:
    assert spelled(DOCUMENTS, pointer) == text


@pytest.mark.parametrize(
    "pointer",
    ["/nothing", "/rates/1", "/rates/00", "/rates/-1", "/rates/²", "/title/0", "plan.txt#/a"],
)
def test_a_pointer_that_leads_nowhere_is_refused(pointer: str) -> None:
    with pytest.raises(MethodRefused) as refusal:
        value_at(DOCUMENTS, pointer)
    assert refusal.value.found == "nothing"


@pytest.mark.parametrize("pointer", ["/rates", "/empty", ""])
def test_what_has_no_text_is_refused(pointer: str) -> None:
    with pytest.raises(MethodRefused):
        spelled(DOCUMENTS, pointer)


def test_a_page_is_read_back() -> None:
    page = read_page(_page(RATE, [{"pointer": "/rates/0", "text": "41 of 220 (18.6 %)"}]))
    figure = Figure("/rates/0", "41 of 220 (18.6 %)")
    assert (page.case_id, page.policy_digest) == ("c", "p")
    assert page.listed == page.shown == (figure,)
    assert list(page_differences(page, DOCUMENTS)) == []


def test_entities_and_escapes_are_undone() -> None:
    shown = figures_in('<i data-pointer="/x">a &lt;b&gt; &amp; c</i>')
    assert shown == (Figure("/x", "a <b> & c"),)


def test_a_changed_figure_is_found_in_both_places() -> None:
    body = RATE.replace("41 of", "14 of")
    page = read_page(_page(body, [{"pointer": "/rates/0", "text": "41 of 220 (18.6 %)"}]))
    assert list(page_differences(page, DOCUMENTS)) == [
        Gap("/rates/0", "41 of 220 (18.6 %)", "14 of 220 (18.6 %)"),
        Gap("/rates/0", "listed and shown", "only listed"),
        Gap("/rates/0", "listed and shown", "only shown"),
    ]


def test_a_figure_without_a_place_in_the_record_is_a_difference() -> None:
    page = read_page(_page('<i data-pointer="/made/up">9</i>', []))
    first, *_ = page_differences(page, DOCUMENTS)
    assert first.where == "/made/up"
    assert first.expected.startswith("no figure")


@pytest.mark.parametrize("lists", [0, 2])
def test_a_page_needs_one_list(lists: int) -> None:
    with pytest.raises(MalformedInput) as refusal:
        read_page(_page(RATE, [], lists=lists))
    assert refusal.value.found == f"{lists} lists"


def test_a_figure_holds_only_text() -> None:
    with pytest.raises(MalformedInput) as refusal:
        read_page(_page('<b data-pointer="/rates/0">41<i hidden>9</i></b>', []))
    assert refusal.value.found == "<i>"


def test_a_list_that_is_no_json_is_refused() -> None:
    page = b'<script id="safetycase-figures">{"case_id":1,"case_id":2}</script>'
    with pytest.raises(NotCanonical):
        read_page(page)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(MalformedInput) as refusal:
        read_page(b"\xff")
    assert refusal.value.expected == "UTF-8"


@pytest.mark.parametrize(
    ("pointer", "value", "text"),
    [
        ("plan.json#/axes/0/claim/margin", 0.1, "+10.0 points"),
        ("plan.json#/axes/0/side_effects/1/margin", 0.08, "+8.0 points"),
        ("plan.json#/axes/0/mediators/0/at_least", 0.2, "+20.0 points"),
        ("plan.json#/axes/0/dose_rule/incoherent_at_most", 0.05, "+5.0 points"),
        ("plan.json#/decision/rules/0/rate_at_most", 0.05, "5.0 %"),
        ("plan.json#/statistics/level", 0.95, "95.0 %"),
        ("plan.json#/statistics/alpha", 0.05, "0.05"),
        ("/self_tests/0/at_least", 30.0, "30"),
        ("/results/axes/0/rates/0/low", 0.137, "13.7 %"),
        ("/results/axes/0/comparisons/0/low", -0.137, "-13.7 points"),
        ("/results/axes/0/controls/0/p", 0.025, "p = 0.025"),
        ("/results/axes/0/arms/0/realised", 16.508, "16.51"),
    ],
)
def test_the_form_follows_from_the_place(pointer: str, value: float, text: str) -> None:
    assert text_of(pointer, value) == text


@pytest.mark.parametrize("end", ["<![/ p>", "<![if", "<!["])
def test_a_declaration_that_python_cannot_parse_is_refused(end: str) -> None:
    """Found by fuzzing: html.parser raises AssertionError here."""
    with pytest.raises(MalformedInput):
        read_page(f"<p>x</p>{end}".encode())
