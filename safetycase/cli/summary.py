"""`safetycase summary`: signed summaries of verifications, written and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import require_file
from safetycase.cli.verify import At, moment
from safetycase.errors import KeyRefused, NotVerified, UsageError

if TYPE_CHECKING:
    from safetycase.envelope.dsse import Envelope
    from safetycase.export.summary import Summary
    from safetycase.verify.outcome import Verdict
    from safetycase.verify.policy import Policy

_MAX_BYTES = 2**20


def written(verdict: Verdict, path: Path, key_folder: Path) -> None:
    """The summary of a verdict, signed by keys in the role `verifier`, stands at the path."""
    from safetycase.envelope.dsse import write_envelope
    from safetycase.export.summary import ROLE, summary_payload
    from safetycase.sign.keys import load
    from safetycase.sign.signer import sign_payload

    keys = load(key_folder)
    if ROLE not in keys.signer.roles:
        remedy = f"Make keys of your own: safetycase keygen NAME --role {ROLE} --out DIR."
        found = ", ".join(keys.signer.roles)
        raise KeyRefused(
            keys.signer.name, f"a signer in the role {ROLE}", found=found, remedy=remedy
        )
    data = write_envelope(sign_payload(summary_payload(verdict), keys))
    try:
        path.write_bytes(data + b"\n")
    except OSError as error:
        raise UsageError(str(path), "a file to write", found=error.strerror) from None


def verify(
    summary: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `verify --summary` wrote.")
    ],
    policy: Annotated[
        Path,
        typer.Option(metavar="POLICY", help="Names the verifier, as a signer in that role."),
    ],
    case: Annotated[
        Path | None, typer.Option(help="Ask as well that it is about this case.")
    ] = None,
    at: At = None,
) -> int:
    """Check who signed a summary, and say which case it is about and what was found.

    Exit code 0: a verifier whom the policy trusts says that the case was verified. The case
    itself is not verified again.
    """
    from safetycase.envelope.dsse import read_envelope
    from safetycase.export.summary import read_summary
    from safetycase.verify.policy import load_policy

    where = summary.name
    with require_file(summary).open("rb") as file:
        envelope = read_envelope(file.read(_MAX_BYTES), where=where)
    signers = _signers(envelope, load_policy(require_file(policy)), moment(at), where)
    told = read_summary(envelope, where=where)
    if told.verified_at > moment(at):
        raise NotVerified(where, f"a time before {moment(at)}", found=told.verified_at)
    if case is not None:
        _require_about(told, require_file(case), where)
    console.say("\n".join(_lines(told, signers)))
    return ExitCode.VERIFIED if told.passed else ExitCode.NOT_VERIFIED


def _signers(envelope: Envelope, policy: Policy, at: str, where: str) -> tuple[str, ...]:
    from safetycase.envelope.trust import read_instant, verify_envelope
    from safetycase.export.summary import ROLE

    trust = policy.trust()
    report = verify_envelope(envelope, trust, read_instant(at, where="--at"))
    signers = report.counted(trust, ROLE)
    if not signers:
        remedy = (
            f"Its policy entry needs the role {ROLE}, and both of its keys must have signed."
        )
        raise NotVerified(
            where, "a verifier whom the policy trusts", found="none", remedy=remedy
        )
    return signers


def _require_about(told: Summary, case: Path, where: str) -> None:
    from safetycase.bundle.layout import CASE_STATEMENT_NAME
    from safetycase.bundle.reader import open_case
    from safetycase.envelope.dsse import read_envelope
    from safetycase.envelope.statement import case_id

    statement = open_case(case).read(CASE_STATEMENT_NAME)
    found = case_id(read_envelope(statement, where=case.name).payload)
    if found != told.case_id:
        raise NotVerified(where, f"a summary of case {found}", found=told.case_id)


def _lines(told: Summary, signers: tuple[str, ...]) -> list[str]:
    return [
        "PASSED" if told.passed else "FAILED",
        f"case      {told.case_id}",
        f"says      {', '.join(signers)}, by safetycase {told.verifier}",
        f"judged    as of {told.verified_at}",
        f"policy    {told.policy_digest}",
        *(f"level     {level}" for level in told.levels),
    ]
