"""The PDF comes from the page, or a refusal says how to get it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import UsageError
from safetycase.report.html import render_html
from safetycase.report.pdf import _weasyprint, render_pdf
from tests.kit.cases import PAGE, paged_case
from tests.unit.report.sample import case_of
from tests.unit.report.sample_plan import plan_data, plan_of
from tests.unit.report.sample_verdict import CASE_ID, verdict_of


@pytest.fixture
def weasyprint() -> Any:
    try:
        return _weasyprint()
    except UsageError as refusal:
        pytest.skip(str(refusal))


def _front_and_contents() -> str:
    plan = plan_of(plan_data())
    case = case_of(plan)
    html = render_html(case, plan, verdict_of(case), CASE_ID).decode()
    return html.partition('<section class="axis"')[0]


def test_two_claims_fit_on_page_one(weasyprint: Any) -> None:
    document = weasyprint.HTML(string=_front_and_contents()).render()
    pages = {entry[0]: entry[1][0] for entry in document.make_bookmark_tree()[0][2]}
    assert pages == {"Contents": 1}
    assert len(document.pages) == 2


def test_the_place_of_a_drawn_answer_is_not_broken(weasyprint: Any) -> None:
    """Neither within a file's name nor before its line's number, however long texts are."""
    page = paged_case().members[PAGE].decode()
    head, _, rest = page.partition("<body")
    start = rest.index('<section class="part" id="samples"')
    samples, _, _ = rest[start:].partition("</section>")
    samples = samples.replace(
        " .</span>", f" .{' and so on' * 40}</span>"
    )  # as texts really are
    document = weasyprint.HTML(string=f"{head}<body>{samples}</section></body></html>").render()
    lines = [
        box.text
        for laid in document.pages
        for box in laid._page_box.descendants()
        if isinstance(getattr(box, "text", None), str)
    ]
    stated = re.findall(r">(evidence/\w+\.jsonl line \d+)</span>", samples)
    assert {place.split()[0].partition("/")[2] for place in stated} == {
        "generations.jsonl",
        "choices.jsonl",
        "probes.jsonl",
    }
    assert [line for line in lines if line in set(stated)] == stated


@pytest.mark.usefixtures("weasyprint")
def test_a_page_becomes_pdf() -> None:
    pdf = render_pdf(_front_and_contents().encode())
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


@pytest.mark.usefixtures("weasyprint")
def test_nothing_is_fetched_for_the_pdf(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # fonts in a PDF carry the second of making
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    page = f'<html><body><img src="{secret.as_uri()}" alt="none"></body></html>'
    with_image = render_pdf(page.encode())
    secret.unlink()
    assert render_pdf(page.encode()) == with_image


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError) as refusal:
        render_pdf(b"<html></html>")
    assert "pip install 'safetycase[report]'" in str(refusal.value)
    assert "apt-get install libpango-1.0-0 libpangoft2-1.0-0" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_system_libraries_are_named_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = "raise OSError(\"cannot load library 'libpango-1.0-0'\\nAdditionally, ...\")\n"
    (tmp_path / "weasyprint.py").write_text(failing)
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError) as refusal:
        render_pdf(b"<html></html>")
    assert refusal.value.found == "cannot load library 'libpango-1.0-0'"
    assert "apt-get install libpango-1.0-0 libpangoft2-1.0-0" in str(refusal.value)


def test_missing_jinja_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "safetycase.report.page", raising=False)
    plan = plan_of(plan_data())
    case = case_of(plan)
    with pytest.raises(UsageError) as refusal:
        render_html(case, plan, verdict_of(case), CASE_ID)
    assert "pip install 'safetycase[report]'" in str(refusal.value)
