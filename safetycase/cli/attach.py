"""`safetycase attach`: what somebody else states about a case or its plan goes into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file
from safetycase.errors import UsageError

if TYPE_CHECKING:
    from safetycase.bundle.reader import Container


def attach(
    case: CasePath,
    statement: Annotated[
        Path,
        typer.Argument(
            metavar="STATEMENT",
            help="What `replay` or `plan receipt` wrote, a .tsr, or a .tlog-proof.",
        ),
    ],
) -> int:
    """Put into a case what somebody else states about it, or about its plan.

    A reviewer's statement of a re-execution, a witness's receipt of the plan, a time stamp over
    plan.json (RFC 3161), or a log's proof that holds its digest (C2SP). The case id stays the
    same: what others state lies beside what was signed. Whether it counts is for `verify` to
    say, under a policy that names them.
    """
    from safetycase.bundle.reader import open_case
    from safetycase.bundle.writer import add_members

    data = require_file(statement).read_bytes()
    container = open_case(require_file(case))
    name, about = _placed(data, statement, container)
    add_members(case, {name: data}, opened=container)
    console.say(about)
    console.say(f"statement  {name}")
    return ExitCode.VERIFIED


def _placed(data: bytes, statement: Path, container: Container) -> tuple[str, str]:
    """Its name in the case, and what it is about, in words; refused if that is another."""
    from safetycase.bundle import layout
    from safetycase.digest import sha256_hex
    from safetycase.envelope.dsse import read_envelope
    from safetycase.envelope.statement import (
        RECEIPT_PREDICATE,
        REPLAY_PREDICATE,
        case_id,
        open_statement_about,
    )
    from safetycase.methods.plan_order import plan_receipt
    from safetycase.methods.replay_review import read_replay

    plan = sha256_hex(container.read(layout.PLAN_NAME))
    if statement.suffix in {layout.TIME_STAMP_SUFFIX, layout.LOG_PROOF_SUFFIX}:
        name = f"statements/plan-{sha256_hex(data)[:16]}{statement.suffix}"
        return name, f"plan       {plan}"
    where = statement.name
    envelope = read_envelope(data, where=where)
    ending = f"{sha256_hex(envelope.payload)[:16]}.dsse.json"
    if RECEIPT_PREDICATE.encode() in envelope.payload:
        about, predicate = open_statement_about(envelope, RECEIPT_PREDICATE, where=where)
        plan_receipt(predicate, where)
        _require_about(statement, "plan", plan, about)
        return f"{layout.RECEIPT_PREFIX}{ending}", f"plan       {plan}"
    about, predicate = open_statement_about(envelope, REPLAY_PREDICATE, where=where)
    read_replay(predicate, where)
    signed = container.read(layout.CASE_STATEMENT_NAME)
    own = case_id(read_envelope(signed, where=layout.CASE_STATEMENT_NAME).payload)
    _require_about(statement, "case", own, about)
    return f"{layout.REPLAY_PREFIX}{ending}", f"case       {own}"


def _require_about(statement: Path, what: str, own: str, about: str) -> None:
    if about != own:
        raise UsageError(str(statement), f"a statement about the {what} {own}", found=about)
