"""The page of a redacted case says what is withheld, and passes the checks of pages."""

from __future__ import annotations

from safetycase.report.html import render_html
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, honest_case, policy
from tests.kit.cases import PAGE
from tests.kit.redacted import ANN, BOB, for_auditors, opens_texts, texts_withheld


def test_the_page_lists_what_is_withheld() -> None:
    case = texts_withheld()
    data = case.to_bytes()
    verdict = verify(data, policy(), at=AT, renderings=False)
    opened = OpenedCase(data, policy(), AT)
    page = render_html(opened.record, opened.plan, verdict, opened.case_id)
    html = page.decode()
    assert "Withheld from this case" in html
    assert "It is not encrypted" in html
    assert html.count("The answers are recipes.") >= 7
    assert 'data-pointer="/redactions/0/reason"' in html
    with_page = case.with_members({PAGE: page})
    for escrow in (None, opens_texts(case)):
        judged = verify(with_page.to_bytes(), policy(), at=AT, escrow=escrow)
        outcomes = judged.outcomes()
        assert outcomes["REN-001"] is outcomes["REN-002"] is Outcome.PASS
        assert outcomes["REN-003"] is Outcome.NOT_APPLICABLE
        assert judged.exit_code == (3 if escrow is None else 0)


def test_the_page_names_who_can_open_it() -> None:
    case = for_auditors()
    data = case.to_bytes()
    verdict = verify(data, policy(), at=AT, renderings=False)
    opened = OpenedCase(data, policy(), AT)
    page = render_html(opened.record, opened.plan, verdict, opened.case_id)
    html = page.decode()
    assert "It is encrypted to the auditors with these keys" in html
    assert html.count(f">{ANN}<") == html.count(f">{BOB}<") == 1
    assert 'data-pointer="/redactions/0/auditors/1"' in html
    with_page = case.with_members({PAGE: page})
    judged = verify(with_page.to_bytes(), policy(), at=AT)
    assert judged.outcomes()["REN-001"] is judged.outcomes()["REN-002"] is Outcome.PASS


def test_the_page_of_a_full_case_says_nothing_of_it() -> None:
    data = honest_case().to_bytes()
    verdict = verify(data, policy(), at=AT, renderings=False)
    opened = OpenedCase(data, policy(), AT)
    page = render_html(opened.record, opened.plan, verdict, opened.case_id).decode()
    assert "Withheld" not in page
