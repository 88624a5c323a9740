"""`safetycase checks`: every question that the verifier asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase import canonical
from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import require_file

if TYPE_CHECKING:
    from safetycase.verify.check import Family


def checks(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole reference page.")
    ] = False,
    attacks: Annotated[
        Path | None,
        typer.Option(help="JSON that names the attacks each check refuses, for the page."),
    ] = None,
) -> int:
    """List the questions that the verifier asks."""
    from safetycase.report.checks_page import checks_markdown
    from safetycase.verify.checks import FAMILIES

    named = {} if attacks is None else _read_attacks(attacks)
    console.say(checks_markdown(named) if markdown else "\n".join(_lines(FAMILIES)))
    return ExitCode.VERIFIED


def _read_attacks(path: Path) -> dict[str, list[str]]:
    where = path.name
    value = canonical.read(require_file(path).read_bytes(), where=where)
    checks_of = canonical.as_object(value, where=where, required=(), optional=None)
    return {
        check: [
            canonical.as_text(name, where=f"{where}#/{check}")
            for name in canonical.as_array(names, where=f"{where}#/{check}", max_items=10_000)
        ]
        for check, names in checks_of.items()
    }


def _lines(families: tuple[Family, ...]) -> Iterator[str]:
    for family in families:
        yield f"{family.prefix}  {family.name}"
        for check in family.checks.values():
            yield f"  {check.id}  stage {check.stage:>2}  {check.tier:<10}  {check.title}"
