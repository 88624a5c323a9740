"""`safetycase attach`: somebody's statement about a case goes into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file
from safetycase.errors import UsageError


def attach(
    case: CasePath,
    statement: Annotated[
        Path, typer.Argument(metavar="STATEMENT", help="The file that `replay` wrote.")
    ],
) -> int:
    """Put a reviewer's statement into the case that it is about.

    The case id stays the same: statements of others lie beside what was signed. Whether the
    statement counts is for `verify` to say, under a policy that names the reviewer.
    """
    from safetycase.bundle import layout
    from safetycase.bundle.reader import open_case
    from safetycase.bundle.writer import add_members
    from safetycase.digest import sha256_hex
    from safetycase.envelope.dsse import read_envelope
    from safetycase.envelope.statement import REPLAY_PREDICATE, case_id, open_statement_about
    from safetycase.methods.replay_review import read_replay

    data = require_file(statement).read_bytes()
    container = open_case(require_file(case))
    envelope = read_envelope(data, where=statement.name)
    about, predicate = open_statement_about(envelope, REPLAY_PREDICATE, where=statement.name)
    read_replay(predicate, statement.name)
    signed = container.read(layout.CASE_STATEMENT_NAME)
    own = case_id(read_envelope(signed, where=layout.CASE_STATEMENT_NAME).payload)
    if about != own:
        raise UsageError(str(statement), f"a statement about the case {own}", found=about)
    name = f"{layout.REPLAY_PREFIX}{sha256_hex(envelope.payload)[:16]}.dsse.json"
    add_members(case, {name: data}, opened=container)
    console.say(f"case       {own}")
    console.say(f"statement  {name}")
    return ExitCode.VERIFIED
