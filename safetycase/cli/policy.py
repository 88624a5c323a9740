"""`safetycase policy lint`: what a policy asks for, and whether a case can give it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import require_file
from safetycase.cli.verify import At, moment


def lint(
    policy: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy: a YAML file.")],
    at: At = None,
) -> int:
    """Say in words what a policy asks for, and refuse one that no case can satisfy.

    Refused: unknown checks, tiers that no case of this version can reach, lists of checks that
    contradict the tier, thresholds that cannot be reached, signers whose time is over.
    """
    from safetycase.report.policy_faults import policy_faults
    from safetycase.report.policy_text import policy_lines
    from safetycase.verify.policy import load_policy

    read = load_policy(require_file(policy))
    faults = policy_faults(read, at=moment(at))
    if not faults:
        console.say("\n".join(policy_lines(read)))
        return ExitCode.VERIFIED
    for fault in faults:
        console.remark(f"error: {policy.name}#{fault}")
    return ExitCode.USAGE
