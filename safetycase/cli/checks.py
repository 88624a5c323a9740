"""`safetycase checks`: every question that the verifier asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from safetycase.verify.check import Check, Family


def checks(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole reference page.")
    ] = False,
) -> int:
    """List the questions that the verifier asks."""
    from safetycase.verify.checks import FAMILIES

    lines = _pages(FAMILIES) if markdown else _lines(FAMILIES)
    console.say("\n".join(lines))
    return ExitCode.VERIFIED


def _lines(families: tuple[Family, ...]) -> Iterator[str]:
    for family in families:
        yield f"{family.prefix}  {family.name}"
        for check in family.checks.values():
            yield f"  {check.id}  stage {check.stage:>2}  {check.tier:<10}  {check.title}"


def _pages(families: tuple[Family, ...]) -> Iterator[str]:
    yield "# Checks"
    yield ""
    yield "Made by `safetycase checks --markdown`; `safetycase explain ID` prints one of them."
    yield "Every check is a proposition about a case. PASS asserts it; *cannot prove* says what"
    yield "it leaves open. A claim reaches a tier only if every check of that tier, and of the"
    yield "tiers below, passes."
    for family in families:
        yield ""
        yield f"## {family.prefix}: {family.name}"
        yield ""
        yield family.rule
        for check in family.checks.values():
            yield from _page(check)


def _page(check: Check) -> Iterator[str]:
    from safetycase.verify.check import STAGES

    needs = ", ".join(check.needs) or "nothing but the bytes"
    yield ""
    yield f'<a id="{check.id.lower()}"></a>'
    yield f"### {check.id}"
    yield ""
    yield check.title
    yield ""
    yield f"- *Proves*: {check.proves}"
    yield f"- *Cannot prove*: {check.cannot_prove}"
    yield f"- *Stage*: {check.stage}, {STAGES[check.stage]}"
    yield f"- *Tier*: {check.tier}"
    yield f"- *Needs*: {needs}"
    yield f"- *Since*: {check.since}"
    yield f"- *See*: {'; '.join(check.references)}"
