"""`safetycase status`: how far a run is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from safetycase.canonical import JsonValue
    from safetycase.run.journal import Status, Step

VERSION = "https://safetycase.dev/status/v1alpha"


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out of a run.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="For another program.")] = False,
) -> int:
    """Show what of a run is done and what is left, while it goes on or afterwards.

    Steps that have not begun are counted by the plan's answers; the time left is that of
    measuring, by the units that were done so far.
    """
    from safetycase.canonical import write
    from safetycase.run.journal import read_status

    runs = read_status(folder)
    if json:
        console.say_bytes(
            write({"schema": VERSION, "runs": [_json(run) for run in runs]}) + b"\n"
        )
    else:
        for run in runs:
            console.say("\n".join(_text(run)))
    return ExitCode.VERIFIED


def _text(run: Status) -> list[str]:
    from safetycase.cli.progress import clock

    lines = [f"{run.plan_id}  {run.state}  plan {run.digest[:16]}"]
    lines += [f"  {step.name:<26} {_of(step)}" for step in run.steps]
    share = run.rows_done / run.rows if run.rows else 0.0
    lines.append(f"  {'all':<26} {run.rows_done} of {run.rows} rows, {share:.0%}")
    if run.rows_a_second is not None:
        rate = f"{run.rows_a_second:.3g} rows a second"
        left = run.seconds_left
        lines.append(f"  {rate}" if left is None else f"  {rate}, about {clock(left)} left")
    if run.state == "stopped":
        lines.append("  The same `safetycase run` goes on from here.")
    return lines


def _of(step: Step) -> str:
    if step.units is None:
        return f"not begun, {step.rows} answers planned"
    share = step.rows_done / step.rows if step.rows else 1.0
    units = f"{len(step.done)} of {len(step.units)} units"
    return f"{units}, {step.rows_done} of {step.rows} rows, {share:.0%}"


def _json(run: Status) -> JsonValue:
    steps: list[JsonValue] = [
        {
            "step": step.name,
            "units": None if step.units is None else len(step.units),
            "units_done": len(step.done),
            "rows": step.rows,
            "rows_done": step.rows_done,
        }
        for step in run.steps
    ]
    return {
        "id": run.plan_id,
        "plan": run.digest,
        "state": run.state,
        "workers": run.workers,
        "steps": steps,
        "rows": run.rows,
        "rows_done": run.rows_done,
        "rows_a_second": run.rows_a_second,
        "seconds_left": run.seconds_left,
    }
