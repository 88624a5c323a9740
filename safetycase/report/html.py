"""A case and its verdict as one self-contained HTML page; the same bytes every time."""

from __future__ import annotations

from safetycase.methods.samples import Sample
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.report import missing
from safetycase.verify.outcome import Verdict


def render_html(
    case: Case,
    plan: Plan,
    verdict: Verdict,
    case_id: str,
    samples: tuple[Sample, ...] = (),
) -> bytes:
    """The report as UTF-8 HTML that loads nothing and runs nothing.

    Every figure carries its JSON pointer and is listed once more in the page's figures
    script; `samples` are the answers that the case's id draws. Deterministic in its
    arguments. Refused: a verdict on another case; results that do not follow the plan's axes;
    Jinja not installed.
    """
    try:
        from safetycase.report.page import page_of  # noqa: PLC0415  # Jinja is an extra
    except ImportError as error:
        raise missing.refusal("report", "Jinja2", error, missing.FOR_HTML) from None
    return page_of(case, plan, verdict, case_id, samples)
