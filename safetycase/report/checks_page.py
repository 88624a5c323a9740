"""The page of all checks, from the same texts that `explain` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from safetycase.verify.check import STAGES, Check
from safetycase.verify.checks import FAMILIES, all_checks

Attacks = Mapping[str, Sequence[str]]
"""Names of attacks of the kit, by the id of a check that refuses them."""

_INTRODUCTION = (
    "{checks} checks in {families} families. A claim reaches a tier only if every check of "
    "that tier and of those below passes. This page is made from the checks themselves; what "
    "they refuse is told in [attacks](attacks.md)."
)


def checks_markdown(attacks: Attacks) -> str:
    """docs/checks.md: every check with what it proves and what it cannot prove."""
    lines = [
        "# Checks",
        "",
        _INTRODUCTION.format(checks=len(all_checks()), families=len(FAMILIES)),
        "",
    ]
    for family in FAMILIES:
        lines += [f"## {family.prefix}: {family.name}", "", family.rule, ""]
        for check in family.checks.values():
            lines += [*check_lines(check, attacks.get(check.id, ())), ""]
    return "\n".join(lines)


def check_lines(check: Check, attacks: Sequence[str]) -> Iterator[str]:
    """One check as Markdown: what `explain` prints, and its entry on the page."""
    yield f"### {check.id}: {check.title}"
    yield ""
    yield f"* **Stage**: {check.stage}, {STAGES[check.stage]}. **Tier**: {check.tier}."
    yield f"* **Proves**: {check.proves}"
    yield f"* **Cannot prove**: {check.cannot_prove}"
    yield f"* **Needs**: {', '.join(check.needs) or 'nothing'}."
    yield f"* **Answers for**: {'; '.join(f'`{place}`' for place in check.owns) or 'nothing'}."
    if check.absence_is_harmless:
        yield "* **Not applicable** counts as a pass."
    if check.asks_policy:
        yield "* **Asked by the policy**: unless it fails, it lowers no claim."
    yield f"* **Since**: {check.since}."
    yield f"* **See**: {'; '.join(check.references)}."
    if attacks:
        yield f"* **Refuses**: {', '.join(f'`{name}`' for name in attacks)}."
