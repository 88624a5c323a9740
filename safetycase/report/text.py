"""A verdict for the terminal: what failed and why, then the claims, then what stays open."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safetycase.methods.figures_on_page import visible
from safetycase.report.words import HOLDS, OUTCOME_WORDS, STATES, WORST_FIRST, tier_meaning
from safetycase.verify.outcome import (
    TIERS,
    CheckResult,
    ClaimVerdict,
    Finding,
    Outcome,
    Verdict,
)

MOST_FINDINGS = 5
"""Findings printed of one check; `--json` has all of them."""

MOST_DOUBTS = 8
"""Open defeaters printed of one claim, those of the lowest tier first."""

_WIDEST = 110
_SHORT_ID = 12
_UNCUT = 200
"""Width of a table that nobody looks at on a terminal."""
_HEADINGS = ("file", "case", "verdict", "claims", "first fault")
_HOLDS_IN_SHORT = {True: "holds", False: "fails", None: "not derived"}
_STYLES = {
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.UNKNOWN: "bold yellow",
}


def render_text(verdict: Verdict, *, width: int | None = None) -> str:
    """The verdict as plain text without colour, for a width in characters (the terminal's)."""
    return _plain(lambda console: print_verdict(verdict, console), width)


def render_texts(verdicts: Sequence[tuple[str, Verdict]], *, width: int | None = None) -> str:
    """The verdicts on several files as a table, one line each; `--json` has all of them."""
    rows = [_HEADINGS, *(tuple(map(visible, _row(*one))) for one in verdicts)]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(size) for text, size in zip(row, sizes, strict=True)).rstrip()
        for row in rows
    ]
    counts = Counter(_state(verdict) for _, verdict in verdicts)
    tally = ", ".join(f"{count} {state}" for state, count in counts.items())
    columns = width or shutil.get_terminal_size((_UNCUT, 24)).columns
    cut = [line if len(line) <= columns else f"{line[: columns - 1]}…" for line in lines]
    return "\n".join([*cut, "", f"{len(verdicts)} cases: {tally}."])


def _row(file: str, verdict: Verdict) -> tuple[str, ...]:
    claims = [f"{claim.tier} {_HOLDS_IN_SHORT[claim.holds]}" for claim in verdict.claims]
    return (
        file.removesuffix(".safetycase"),
        (verdict.case_id or "unsigned")[:_SHORT_ID],
        _state(verdict),
        ", ".join(claims) or "none",
        " ".join(_first_fault(verdict).split()),
    )


def _state(verdict: Verdict) -> str:
    return STATES.get(verdict.exit_code, STATES[4])[0].lower()


def _first_fault(verdict: Verdict) -> str:
    for result in verdict.in_the_way():
        wrong = [one for one in result.findings if one.outcome is not Outcome.PASS]
        return f"{result.check}: {(wrong or result.findings)[0].sentence}"
    return "" if verdict.verified else verdict.reason


def _plain(draw: Callable[[Console], None], width: int | None) -> str:
    columns = width or min(_WIDEST, shutil.get_terminal_size((100, 24)).columns)
    sink = StringIO()
    draw(Console(file=sink, width=columns, no_color=True, color_system=None))
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines())


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print a verdict: state, what is wrong, what is not known, claims, what cannot be known.

    Every text of the artifact is printed as text: no markup, no terminal sequences.
    """
    state, _ = STATES.get(verdict.exit_code, STATES[4])
    console.print(_text(state, "bold green" if verdict.verified else "bold red"))
    console.print(_text(verdict.reason))
    console.print()
    wrong = [r for r in verdict.results if r.outcome in (Outcome.FAIL, Outcome.ERROR)]
    unknown = [r for r in verdict.results if r.outcome is Outcome.UNKNOWN and r.asked]
    _print_checks("What is wrong", wrong, console)
    _print_checks("What is not known", unknown, console)
    skipped = sum(not result.asked for result in verdict.results)
    if skipped:
        console.print(
            _text(f"{skipped} further checks were not asked: an earlier stage failed.")
        )
        console.print()
    _print_claims(verdict, console)
    console.print(_text("What no reading of this file can show", "bold"))
    for line in verdict.what_cannot_be_known:
        console.print(Padding(_text(line), (0, 0, 0, 2)))
    if verdict.taken_on_trust:
        console.print(_text("Declared, not verified", "bold"))
    for line in verdict.taken_on_trust:
        console.print(Padding(_text(line), (0, 0, 0, 2)))
    console.print()
    _print_facts(verdict, console)


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


def _print_facts(verdict: Verdict, console: Console) -> None:
    signers = ", ".join(verdict.signers) or "nobody whom the policy names"
    facts = (
        ("case", " ".join(filter(None, (verdict.name, verdict.case_id))) or "no statement"),
        ("signed by", signers),
        ("policy", f"{verdict.policy_name} {verdict.policy_digest}"),
        ("bytes read", f"sha256 {verdict.archive_sha256 or 'of nothing'}"),
        ("judged at", verdict.at),
        ("checks", ", ".join(_tally(verdict))),
    )
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(_text(name, "dim"), _text(value))
    console.print(table)


def _print_checks(title: str, results: list[CheckResult], console: Console) -> None:
    if not results:
        return
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("asked, and found")
    for result in sorted(results, key=lambda one: (not one.required, one.stage, one.check)):
        outcome = OUTCOME_WORDS[result.outcome] + ("" if result.required else ", not required")
        table.add_row(
            _text(result.check), _text(outcome, _STYLES.get(result.outcome, "")), _found(result)
        )
    console.print(table)


def _found(result: CheckResult) -> Text:
    """The check's title, then its findings that are not a pass, each on its own line."""
    lines = [_text(result.title, "bold")]
    wrong = [found for found in result.findings if found.outcome is not Outcome.PASS]
    lines += [_text(line) for found in wrong[:MOST_FINDINGS] for line in _lines(found)]
    if len(wrong) > MOST_FINDINGS:
        lines.append(_text(f"and {len(wrong) - MOST_FINDINGS} more findings (--json has all)"))
    return Text("\n").join(lines)


def _lines(found: Finding) -> Iterator[str]:
    """What was found in words; then, unless the words say it, the place with both sides."""
    plain = f"{found.where}: expected {found.expected}, found {found.found}."
    if found.sentence and found.sentence != plain:
        yield found.sentence
    told = found.expected in found.sentence and found.found in found.sentence
    if (found.expected or found.found) and not told:
        yield plain
    elif found.sentence == plain or not found.sentence:
        yield found.sentence or found.where


def _print_claims(verdict: Verdict, console: Console) -> None:
    table = Table(box=SIMPLE_HEAD, title="Claims", title_justify="left", title_style="bold")
    table.add_column("axis")
    table.add_column("claim", no_wrap=True)
    table.add_column("known", no_wrap=True)
    table.add_column("what can be said")
    for claim in verdict.claims:
        style = "bold green" if claim.holds and verdict.verified else "bold"
        table.add_row(
            _text(claim.axis),
            _text(HOLDS[claim.holds].lower(), style),
            _text(claim.tier),
            Text("\n").join(_text(line) for line in _claim_lines(claim)),
        )
    if verdict.claims:
        console.print(table)
    tier = verdict.decision_tier or "could not be derived"
    console.print(_text(f"Release tier by recomputation: {tier}", "bold"))
    if verdict.override is not None:
        console.print(_text(f"Overridden: {verdict.override}", "bold"))
    if verdict.order is not None:
        console.print(_text(f"Order: {verdict.order}"))
    console.print()


def _claim_lines(claim: ClaimVerdict) -> Iterator[str]:
    yield claim.sentence or claim.wording
    yield from claim.re_executed
    yield f"{claim.tier}: {tier_meaning(claim.tier)}"
    rank = TIERS.index(claim.tier) if claim.tier in TIERS else 0
    if claim.lowered_by and rank + 1 < len(TIERS):
        yield f"not {TIERS[rank + 1]}: {', '.join(claim.lowered_by)}"
    for doubt in claim.open_defeaters[:MOST_DOUBTS]:
        yield f"open: {doubt.check} {OUTCOME_WORDS[doubt.outcome]}: {doubt.sentence}"
    if len(claim.open_defeaters) > MOST_DOUBTS:
        yield f"and {len(claim.open_defeaters) - MOST_DOUBTS} more open (--json has all)"


def _tally(verdict: Verdict) -> Iterator[str]:
    for outcome in WORST_FIRST:
        count = sum(result.outcome is outcome for result in verdict.results)
        if count:
            yield f"{count} {OUTCOME_WORDS[outcome]}"
