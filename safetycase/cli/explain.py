"""`safetycase explain`: what a check asks, what its PASS proves and what it cannot prove."""

from __future__ import annotations

import difflib
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.errors import UsageError

if TYPE_CHECKING:
    from safetycase.verify.check import Check

_WIDTH = 88


def explain(
    check: Annotated[
        str, typer.Argument(help="Id of a check, such as INT-001.")
    ],
) -> int:
    """Say what a check proves and what it cannot prove."""
    console.say(page(_find(check)))
    return ExitCode.VERIFIED


def _find(name: str) -> Check:
    from safetycase.verify.checks import FAMILIES

    known = {check_id: check for family in FAMILIES for check_id, check in family.checks.items()}
    wanted = name.upper()
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=3) or ["safetycase checks"]
        remedy = f"Try {', '.join(near)}."
        raise UsageError("CHECK", "the id of a check", found=name, remedy=remedy)
    return known[wanted]


def page(check: Check) -> str:
    """The whole text of a check, wrapped for a terminal."""
    from safetycase.verify.check import STAGES

    parts = [
        ("Proves", check.proves),
        ("Cannot prove", check.cannot_prove),
        ("Stage", f"{check.stage}, {STAGES[check.stage]}"),
        ("Tier", f"no claim is *{check.tier}* unless this passes"),
        ("Needs", ", ".join(check.needs) or "nothing but the bytes"),
        ("Since", check.since),
        ("See", "\n".join(check.references)),
    ]
    lines = [f"{check.id}  {check.title}"]
    for name, text in parts:
        lines += ["", name]
        for paragraph in text.splitlines():
            wrapped = textwrap.wrap(paragraph, _WIDTH, break_long_words=False)
            lines += [f"  {line}" for line in wrapped]
    return "\n".join(lines)
