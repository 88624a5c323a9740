"""Everything that the templates may see: plain data from case, plan and verdict."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase import __version__
from safetycase.errors import UsageError
from safetycase.methods.samples import Sample
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.report.appendix import Appendix, appendix
from safetycase.report.axis_view import AxisView, axis_view
from safetycase.report.front import Front, front_page
from safetycase.report.glossary import Chapter, glossary
from safetycase.report.governance_view import GovernanceView, governance_view
from safetycase.report.graders_view import GraderView, graders_view
from safetycase.report.source import Shown, Source
from safetycase.verify.outcome import Verdict


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report; templates hold no logic but loops over it."""

    version: str
    front: Front
    axes: tuple[AxisView, ...]
    level: Shown
    """Level of every interval."""
    alpha: Shown
    graders: tuple[GraderView, ...]
    """Graders against people; nothing if nobody labelled answers."""
    governance: GovernanceView
    appendix: Appendix
    glossary: tuple[Chapter, ...]
    archive_sha256: str | None


def build_view(
    case: Case,
    plan: Plan,
    verdict: Verdict,
    case_id: str,
    samples: tuple[Sample, ...] = (),
) -> ReportView:
    """The view of a case under a verdict on that case, with drawn answers if given.

    Refused if the verdict is on another case, or if axes of plan and results are not the same
    in the same order: then no page can put a plan's margin beside a result.
    """
    if verdict.case_id is not None and verdict.case_id != case_id:
        raise UsageError("report", f"a verdict on case {case_id}", found=verdict.case_id)
    planned = [axis.id for axis in plan.axes]
    stated = [result.axis for result in case.results.axes]
    if planned != stated:
        found = ", ".join(stated) or "no axis"
        raise UsageError(
            "report", f"results for the plan's axes {', '.join(planned)}", found=found
        )
    source = Source(case, plan, samples)
    return ReportView(
        version=__version__,
        front=front_page(source, verdict, case_id),
        axes=tuple(axis_view(source, number) for number in range(len(planned))),
        level=source.planned("/statistics/level"),
        alpha=source.planned("/statistics/alpha"),
        graders=graders_view(source),
        governance=governance_view(source),
        appendix=appendix(source, verdict),
        glossary=glossary(),
        archive_sha256=verdict.archive_sha256,
    )
