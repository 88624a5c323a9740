"""`safetycase run`: from a plan to a case."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from safetycase.cli import clock, console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import PlanPath, require_file
from safetycase.cli.progress import watched
from safetycase.errors import UsageError

if TYPE_CHECKING:
    from safetycase.run.engines.options import EngineOptions

Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of torch, of each worker.  [default: by the model]"),
]
BatchRows: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="Rows of a batch; auto tries sizes here.  [default: by the model's size]",
    ),
]
Device: TypeAlias = Annotated[
    str, typer.Option(help="Where the model runs: auto, cpu, mps, cuda or cuda:N.")
]
DeviceMap: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="WAY|FILE",
        help="Spread the model: auto, balanced, sequential, or JSON of parts and devices.",
    ),
]


class EngineName(StrEnum):
    """Where units of work are done."""

    LOCAL = "local"
    RAY = "ray"


INSTALL_RUN = "Install the runner with `pip install 'safetycase[run]'`."


def run(
    plan: PlanPath,
    out: Annotated[Path, typer.Option(help="Folder for the case and for finished work.")],
    threads: Threads = None,
    batch_rows: BatchRows = None,
    device: Device = "cpu",
    device_map: DeviceMap = None,
    engine: Annotated[
        EngineName, typer.Option(help="Processes of this machine, or a Ray cluster.")
    ] = EngineName.LOCAL,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that measure; each loads the model.")
    ] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster.  [default: one that is started here]"),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(help="The receipt whose nonce the plan waits for, as its witness signed."),
    ] = None,
    beacon: Annotated[
        Path | None,
        typer.Option(help="The round that the plan waits for: JSON with round and signature."),
    ] = None,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again what an earlier run has finished.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a signed case of the same name.")
    ] = False,
) -> int:
    """Measure a model by a plan and write NAME.safetycase, unsigned.

    Finished work is kept in OUT/work: a run that was stopped goes on where it was when the
    same command is given again. The case is there only once it has been verified. A signed
    case of the same name is not written over (exit code 2) unless asked. The case is the same,
    to the byte but for the times, whatever the engine and the number of workers.
    """
    require_file(plan)
    require_runner("safetycase run")
    from safetycase.run.engines.options import EngineOptions, require_engine

    chosen = EngineOptions(engine.value, workers, cluster)
    require_engine(chosen)
    case = measured(
        plan,
        out,
        threads=threads,
        batch_rows=rows_asked(batch_rows),
        device=device,
        device_map=device_map,
        engine=chosen,
        receipt=receipt,
        beacon=beacon,
        fresh=fresh,
        replace=replace,
    )
    console.say(f"case  {case}")
    console.say("next  safetycase keygen NAME --out KEYS, safetycase sign CASE --key KEYS")
    return ExitCode.VERIFIED


def measured(
    plan: Path,
    out: Path,
    *,
    threads: int | None,
    batch_rows: int | Literal["auto"] | None,
    device: str,
    device_map: str | None = None,
    engine: EngineOptions | None = None,
    receipt: Path | None = None,
    beacon: Path | None = None,
    fresh: bool,
    replace: bool,
) -> Path:
    """The path of the case that a plan leads to, verified as written."""
    require_file(plan)
    require_runner("safetycase run")
    from safetycase.cli.as_written import require_verified
    from safetycase.run.awaited import ValueFiles
    from safetycase.run.bind import RunOptions
    from safetycase.run.pipeline import run as measure

    if out.exists() and not out.is_dir():
        raise UsageError(str(out), "a folder", found="a file", remedy="Choose another --out.")
    if fresh:
        _forget(out / "work")
    with watched() as progress:
        return measure(
            plan,
            out,
            clock=clock.now,
            progress=progress,
            verify=lambda case: require_verified(case, at=clock.spell(clock.now())),
            options=RunOptions(
                threads=threads, batch_rows=batch_rows, device=device, device_map=device_map
            ),
            engine=engine,
            value=ValueFiles(receipt, beacon),
            replace=replace,
        )


def rows_asked(text: str | None) -> int | Literal["auto"] | None:
    """What `--batch-rows` says: a number, `auto` or nothing; anything else is refused."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not int(text):
        raise UsageError("--batch-rows", "a number from 1, or auto", found=text)
    return int(text)


def require_runner(command: str) -> None:
    """Return only if what a model runs with is installed."""
    missing = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if missing:
        found = f"no {' and no '.join(missing)}"
        raise UsageError(command, "the runner", found=found, remedy=INSTALL_RUN)


def _forget(work: Path) -> None:
    """Drop finished measurements; converted models stay: they are no measurement."""
    for file in sorted(work.glob("*-*.json*")) + sorted(work.glob("units/*.jsonl")):
        file.unlink()
