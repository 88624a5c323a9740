"""`safetycase gate`: whether a release may go out on this case; an exit code and one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.inputs import CasePath, require_file
from safetycase.cli.verify import At, moment


def gate(
    case: CasePath,
    policy: Annotated[
        Path, typer.Option(metavar="POLICY", help="What must be so, and whom you trust.")
    ],
    at: At = None,
) -> int:
    """Stop a release whose case does not hold: exit code 0 only if it is verified.

    For scripts. `verify` says what is wrong and why.
    """
    from safetycase.report.words import STATES
    from safetycase.verify.engine import verify
    from safetycase.verify.policy import load_policy

    asked = load_policy(require_file(policy))
    verdict = verify(require_file(case), asked, at=moment(at))
    state, _ = STATES[verdict.exit_code]
    console.say(f"{state}  {case.name}  {verdict.case_id or 'unsigned'}  {verdict.reason}")
    return verdict.exit_code
