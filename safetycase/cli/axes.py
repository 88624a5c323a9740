"""`safetycase axes`: ready axes, their cards, and their items for a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.errors import UsageError

AxisName = Annotated[
    str, typer.Argument(metavar="AXIS", help="A name that `axes list` prints.")
]


def listed() -> int:
    """Print every ready axis: its name, how it is measured, and what is feared."""
    from safetycase.run.axes import names, ready_axis

    for name in names():
        axis = ready_axis(name)
        console.say(f"{name:<22} {axis.measure.kind:<9} {axis.hazard}")
    return ExitCode.VERIFIED


def show(axis: AxisName) -> int:
    """Print the card of an axis: what it measures, what not, and where its items are."""
    from safetycase.run.axes import card, ready_axis, remedy

    chosen = ready_axis(axis)
    console.say(card(axis).rstrip())
    way = "more" if chosen.harm.direction == "up" else "less"
    console.say(f"\nHarm: {way} of {', '.join(chosen.harm.outcomes)}.")
    for source in [*chosen.items, *([chosen.lexicon] if chosen.lexicon else [])]:
        console.say(f"\n{source.file}\n  sha256 {source.sha256}\n  {source.licence}")
        console.say(f"  {remedy(source)}")
    return ExitCode.VERIFIED


def fetch(
    axis: AxisName,
    source: Annotated[
        Path, typer.Option("--from", help="Folder with the wheels or files that `show` names.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for items and plan fragment.")],
) -> int:
    """Write the items of an axis and the part of a plan that measures them.

    Nothing is downloaded, and no package is imported: bytes are taken from the folder and
    compared with the digest that the axis names.
    """
    from safetycase.run.axes import FRAGMENT, ITEMS, fragment, item_lines, ready_axis

    if not source.is_dir():
        raise UsageError(str(source), "a folder", found="none", remedy="Give it with --from.")
    chosen = ready_axis(axis)
    items = b"".join(item_lines(chosen, source))
    plan = fragment(chosen, source, items)
    out.mkdir(parents=True, exist_ok=True)
    for name, data in ((ITEMS, items), (FRAGMENT, plan.encode())):
        draft = out / f".{name}.draft"
        draft.write_bytes(data)
        draft.replace(out / name)
        console.say(f"wrote  {out / name}")
    lines = items.count(b"\n")
    console.say(f"{lines} items; see {out / FRAGMENT} for what a plan takes over")
    return ExitCode.VERIFIED
