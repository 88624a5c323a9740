"""`safetycase verify`: whether a case holds, how far, and what that leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from safetycase.cli import clock, console
from safetycase.cli.inputs import CasePath, require_file

if TYPE_CHECKING:
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
    case: CasePath,
    policy: PolicyPath = None,
    at: At = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print the verdict as JSON, for programs.")
    ] = False,
) -> int:
    """Derive a case's figures again and say how far it holds.

    Reads the case, the policy and nothing else: no weights, no network, no clock but --at.
    """
    from safetycase.verify.engine import verify as judge

    require_file(case)
    asked = chosen_policy(policy)
    verdict = judge(case, asked, at=moment(at))
    if json:
        from safetycase.cli.verdict_json import spell

        console.say_bytes(spell(verdict))
    else:
        from safetycase.report.text import render_text

        console.say(render_text(verdict))
    return verdict.exit_code


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
