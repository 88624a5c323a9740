"""In the terminal: what failed first, then the claims, then what cannot be known."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from safetycase.report.text import MOST_FINDINGS, print_verdict, render_text
from safetycase.verify.outcome import (
    WHAT_CANNOT_BE_KNOWN,
    CheckResult,
    Finding,
    Outcome,
    Verdict,
)
from tests.unit.report.sample import case_of
from tests.unit.report.sample_plan import plan_data, plan_of
from tests.unit.report.sample_verdict import CASE_ID, verdict_of

HOSTILE = "[bold]x[/bold] [link=http://e]y[/link] \x1b]8;;http://e\x07 \u202eabc"


def _verdict(exit_code: int = 0, **changes: object) -> Verdict:
    return verdict_of(case_of(plan_of(plan_data())), exit_code=exit_code, **changes)


def test_what_failed_stands_before_claims_before_what_cannot_be_known() -> None:
    text = render_text(_verdict(1), width=100)
    order = [
        "NOT VERIFIED",
        "What is wrong",
        "FAIL",
        "What is not known",
        "PRO-003",
        "Claims",
        "Release tier by recomputation: staged-access",
        "What no reading of this file can show",
        WHAT_CANNOT_BE_KNOWN[0],
        CASE_ID,
        "1 FAIL, 1 unknown, 1 not applicable, 1 pass",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "expected 140 of 220, found 141 of 220" in " ".join(text.split())


def test_a_verified_case_has_nothing_wrong_and_its_claims_with_tiers() -> None:
    text = " ".join(render_text(_verdict(), width=100).split())
    assert text.startswith("VERIFIED")
    assert "What is wrong" not in text
    assert CASE_ID in text
    assert "signed by Example Lab, safety team" in text
    assert "awareness holds recomputed" in text
    assert "residual-harm does not hold recomputed" in text
    assert "not sound: PRO-003" in text


def test_a_re_execution_stands_with_the_claim_at_any_tier() -> None:
    told = "Re-executed by ann: none of 59 rows differs."
    verdict = _verdict()
    claims = tuple(replace(claim, re_executed=(told,)) for claim in verdict.claims)
    text = " ".join(render_text(replace(verdict, claims=claims), width=300).split())
    assert text.count(told) == len(claims) > 0
    assert told not in render_text(verdict, width=300)


def test_a_case_nobody_signed_says_so() -> None:
    assert "nobody whom the policy names" in render_text(_verdict(3), width=100)


@pytest.mark.parametrize("width", [60, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, render_text(_verdict(1), width=width).splitlines())) <= width


def test_hostile_text_is_neither_markup_nor_a_terminal_sequence() -> None:
    text = render_text(_verdict(1, reason=HOSTILE, signers=(HOSTILE,)), width=200)
    assert "[bold]x[/bold]" in text
    assert "\\u001b]8;;" in text
    assert not set(text) & {"\x1b", "\u202e", "\x07"}


def test_a_console_may_have_colour() -> None:
    sink = StringIO()
    print_verdict(_verdict(1), Console(file=sink, force_terminal=True, color_system="standard"))
    assert "\x1b[" in sink.getvalue()


def test_many_findings_are_cut_and_counted() -> None:
    finding = Finding("STA-001", Outcome.FAIL, "case.json#/x", "1", "2", "")
    many = CheckResult(
        check="STA-001",
        title="Rates",
        stage=7,
        tier="recomputed",
        outcome=Outcome.FAIL,
        required=True,
        findings=(finding,) * (MOST_FINDINGS + 4),
    )
    text = render_text(_verdict(1, results=(many,)), width=100)
    assert text.count("case.json#/x") == MOST_FINDINGS
    assert "and 4 more findings" in text
