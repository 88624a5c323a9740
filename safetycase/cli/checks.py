"""`safetycase checks`: every question that the verifier asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from safetycase.verify.check import Family


def checks(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole reference page.")
    ] = False,
) -> int:
    """List the questions that the verifier asks."""
    from safetycase.verify.checks import FAMILIES
    from safetycase.verify.pages import checks_markdown

    console.say(checks_markdown({}) if markdown else "\n".join(_lines(FAMILIES)))
    return ExitCode.VERIFIED


def _lines(families: tuple[Family, ...]) -> Iterator[str]:
    for family in families:
        yield f"{family.prefix}  {family.name}"
        for check in family.checks.values():
            yield f"  {check.id}  stage {check.stage:>2}  {check.tier:<10}  {check.title}"
