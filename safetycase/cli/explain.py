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
        str, typer.Argument(metavar="CHECK", help="Id of a check, such as INT-001.")
    ],
) -> int:
    """Say what a check proves and what it cannot prove."""
    console.say(page(_find(check)))
    return ExitCode.VERIFIED


def _find(name: str) -> Check:
    from safetycase.verify.checks import all_checks

    known = all_checks()
    wanted = name.upper()
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=3) or ["safetycase checks"]
        remedy = f"Try {', '.join(near)}."
        raise UsageError("CHECK", "the id of a check", found=name, remedy=remedy)
    return known[wanted]


def page(check: Check) -> str:
    """The check's entry of docs/checks.md, wrapped for a terminal."""
    from safetycase.report.checks_page import check_lines

    lines = (line.replace("**", "").lstrip("#* ") for line in check_lines(check, ()))
    return "\n".join(
        textwrap.fill(
            line, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        for line in lines
    )
