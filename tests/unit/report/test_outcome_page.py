"""The page says what makes the classes, where the model's own answers do."""

from __future__ import annotations

from safetycase.report.html import render_html
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from tests.kit.builder import AT
from tests.kit.cases import lenient
from tests.kit.outcome_cases import attributed_case, one_outcome_case, outcome_case


def _page(data: bytes) -> str:
    opened = OpenedCase(data, lenient(), AT)
    verdict = verify(data, lenient(), at=AT, renderings=False)
    page = render_html(opened.record, opened.plan, verdict, opened.case_id, opened.samples)
    return page.decode()


def test_classes_by_outcome_are_named_and_the_unanswered_counted() -> None:
    page = _page(outcome_case().to_bytes())
    assert "Positive are prompts with outcome refusal of ask, by most answers" in page
    assert "Positive are prompts with outcome above of awareness" in page
    assert page.count("more have no answer, hence no class") == 1


def test_one_outcome_is_told_as_such() -> None:
    page = _page(one_outcome_case().to_bytes())
    assert "0 discovery items are prompts with outcome refusal of ask, and 43 are not" in page


def test_attributions_stand_beside_the_features_that_were_ranked_by_them() -> None:
    page = _page(attributed_case().to_bytes())
    assert page.count("Ranked by how far they raise the log-odds of would as they fire") == 2
    assert page.count("<th>attribution, nats</th>") == 2
    assert page.count("corrected by Benjamini-Hochberg") == 1
