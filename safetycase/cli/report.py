"""`safetycase report`: a case and its verdict as pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file
from safetycase.cli.verify import At, PolicyPath, chosen_policy, moment
from safetycase.errors import SafetyCaseError, UsageError

if TYPE_CHECKING:
    from safetycase.bundle.parts import CaseParts
    from safetycase.methods.samples import Sample
    from safetycase.verify.policy import Policy

HTML_MEMBER, PDF_MEMBER = "report/case.html", "report/case.pdf"


@dataclass(frozen=True)
class Renderings:
    """The pages of a case; none where PDF was not asked for or cannot be made here."""

    html: bytes
    pdf: bytes | None


def report(
    case: CasePath,
    policy: PolicyPath = None,
    at: At = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files.  [default: beside the case]")
    ] = None,
    *,
    pdf: Annotated[bool, typer.Option(help="Write the PDF as well as the HTML.")] = True,
    attach: Annotated[
        bool, typer.Option("--attach", help="Put the pages into the case as well.")
    ] = False,
) -> int:
    """Render a case and its verdict as HTML and PDF.

    The pages quote the record, the verdict and the policy's digest. They are not signed; a
    case that carries pages is checked for pages that say something else.
    """
    require_file(case)
    pages = rendered(case, chosen_policy(policy), at=moment(at), pdf=pdf)
    for path in written(case, pages, out or case.parent, attach=attach):
        console.say(str(path))
    return ExitCode.VERIFIED


def rendered(case: Path, policy: Policy, *, at: str, pdf: bool) -> Renderings:
    """The pages of a case under a policy; a case that cannot be read is refused."""
    from safetycase.bundle.parts import CaseParts
    from safetycase.report.html import render_html
    from safetycase.verify.engine import verify

    data = case.read_bytes()
    opened = CaseParts(data)
    record, plan = opened.record, opened.plan
    verdict = verify(data, policy, at=at, renderings=False)
    if verdict.case_id is None:
        remedy = "Sign it first: a report cites the case id, which signing fixes."
        raise UsageError(str(case), "a signed case", found="no statement", remedy=remedy)
    html = render_html(record, plan, verdict, verdict.case_id, _drawn(opened))
    return Renderings(html, _pdf(html) if pdf else None)


def _drawn(opened: CaseParts) -> tuple[Sample, ...]:
    """The answers that the case's id draws; none where rows cannot be read."""
    try:
        return opened.samples
    except SafetyCaseError:
        return ()


def written(case: Path, pages: Renderings, out: Path, *, attach: bool) -> list[Path]:
    """The files that the pages were written to, inside the case first if asked."""
    members = {HTML_MEMBER: pages.html}
    if pages.pdf is not None:
        members[PDF_MEMBER] = pages.pdf
    if attach:
        from safetycase.bundle.writer import add_members

        add_members(case, members, replace=True)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, data in members.items():
        path = out / f"{case.stem}{Path(name).suffix}"
        path.write_bytes(data)
        paths.append(path)
    return paths


def _pdf(html: bytes) -> bytes | None:
    """The PDF, or none with a remark where it cannot be made: HTML is complete by itself."""
    from safetycase.report.pdf import render_pdf

    try:
        return render_pdf(html)
    except UsageError as error:
        console.remark(f"No PDF. {error}")
        return None
