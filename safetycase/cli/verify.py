"""`safetycase verify`: whether a case holds, how far, and what that leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from safetycase.cli import clock, console
from safetycase.cli.escrow import EscrowKey, read_escrow_file
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import require_file
from safetycase.errors import UsageError, Withheld

if TYPE_CHECKING:
    from safetycase.bundle.limits import Limits
    from safetycase.verify.outcome import Verdict
    from safetycase.verify.policy import Policy

PolicyPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="POLICY",
        help="What must be so, and whom you trust.  [default: baseline, which names nobody]",
    ),
]

At: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="UTC", help="Judge as of this time, 2026-11-22T16:00:00Z.  [default: now]"
    ),
]


def verify(
    case: Annotated[
        Path,
        typer.Argument(metavar="CASE", help="A file NAME.safetycase, or a folder of them."),
    ],
    policy: PolicyPath = None,
    at: At = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print the verdict as JSON, for programs.")
    ] = False,
    sarif: Annotated[
        bool,
        typer.Option("--sarif", help="Print the faults as SARIF 2.1.0, for code scanning."),
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a signed verification summary (SLSA VSA)."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Folder of the verifier's own keys, for --summary.")
    ] = None,
    samples: Annotated[
        bool,
        typer.Option("--samples", help="Print the answers that the case's id draws, as well."),
    ] = False,
    escrow: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Open what a redacted case withholds."),
    ] = None,
    escrow_key: EscrowKey = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="Change what a case may cost: archive, members, member, total, whole, ratio, "
            "rows, row, arms or activations; may be repeated.",
        ),
    ] = None,
) -> int:
    """Derive a case's figures again and say how far it holds.

    Reads the case, the policy and nothing else: no weights, no network, no clock but --at. Of a
    folder, every case is verified, and the worst exit code is given: 1, then 4, then 3.
    """
    if json and sarif:
        raise UsageError("verify", "--json or --sarif", found="both")
    if samples and (json or sarif or case.is_dir()):
        raise UsageError("--samples", "one case, for people", found="a folder or a program")
    if (summary is None) != (key is None):
        raise UsageError("verify", "--summary and --key together", found="one of them")
    asked, limits = chosen_policy(policy), chosen_limits(limit or [])
    opened = _opened(escrow, escrow_key, case)
    verdicts = _judged(case, asked, moment(at), limits, opened)
    if summary is not None and key is not None:
        from safetycase.cli.summary import written

        written(_only(case, verdicts), summary, key)
    if json or sarif:
        console.say_bytes(_document(case, verdicts, sarif=sarif))
    else:
        console.say(_text(case, verdicts))
    if samples:
        console.say(_samples(case, limits, opened))
    return worst(verdict.exit_code for _, verdict in verdicts)


def _opened(escrow: Path | None, key: Path | None, case: Path) -> bytes | None:
    if escrow is None:
        return None
    if case.is_dir():
        raise UsageError("--escrow", "one case", found="a folder", remedy="Name the case.")
    return read_escrow_file(escrow, key)


def chosen_limits(given: Sequence[str]) -> Limits:
    """The limits, changed as `NAME=N` says."""
    from safetycase.bundle.limits import changed

    changes: dict[str, int] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise UsageError("--limit", "NAME=N, such as rows=50000000", found=text)
        changes[name] = int(number)
    return changed(changes)


def _judged(
    case: Path, policy: Policy, at: str, limits: Limits, escrow: bytes | None
) -> list[tuple[str, Verdict]]:
    from safetycase.verify.engine import verify as judge

    paths = cases_in(case) if case.is_dir() else [require_file(case)]
    return [
        (path.name, judge(path, policy, at=at, limits=limits, escrow=escrow)) for path in paths
    ]


def cases_in(folder: Path) -> list[Path]:
    """The cases of a folder, by name; a folder without any is refused."""
    paths = sorted(path for path in folder.glob("*.safetycase") if path.is_file())
    if not paths:
        raise UsageError(str(folder), "files named *.safetycase", found="none")
    return paths


def _only(case: Path, verdicts: list[tuple[str, Verdict]]) -> Verdict:
    if case.is_dir():
        raise UsageError("--summary", "one case", found="a folder", remedy="Name the case.")
    return verdicts[0][1]


def _document(case: Path, verdicts: list[tuple[str, Verdict]], *, sarif: bool) -> bytes:
    from safetycase.report.verdict_json import spell_verdict, spell_verdicts

    if sarif:
        from safetycase.export.sarif import spell_sarif

        return spell_sarif(verdicts)
    if case.is_dir():
        return spell_verdicts(verdicts)
    return spell_verdict(verdicts[0][1], file=verdicts[0][0])


def _text(case: Path, verdicts: list[tuple[str, Verdict]]) -> str:
    from safetycase.report.text import render_text, render_texts

    return render_texts(verdicts) if case.is_dir() else render_text(verdicts[0][1])


def _samples(case: Path, limits: Limits, escrow: bytes | None) -> str:
    from safetycase.bundle.parts import CaseParts
    from safetycase.report.samples_text import render_samples

    try:
        return render_samples(CaseParts(case, limits, escrow).samples)
    except Withheld as refusal:
        return f"No answers are drawn: {refusal}"


def worst(codes: Iterable[int]) -> int:
    """The exit code of several verdicts: what failed outweighs what broke, then the unknown."""
    severity = (ExitCode.NOT_VERIFIED, ExitCode.FAILED, ExitCode.UNDECIDED)
    given = set(codes)
    return next((code for code in severity if code in given), ExitCode.VERIFIED)


def chosen_policy(path: Path | None) -> Policy:
    """The policy that was named, or the shipped baseline."""
    from safetycase.resources import resource_path
    from safetycase.verify.policy import load_policy

    if path is None:
        return load_policy(resource_path("policies", "baseline.yaml"))
    return load_policy(require_file(path))


def moment(at: str | None) -> str:
    """The time to judge by: as given, in its one spelling, or now."""
    from safetycase.envelope.trust import read_instant

    return clock.spell(clock.now() if at is None else read_instant(at, where="--at"))
