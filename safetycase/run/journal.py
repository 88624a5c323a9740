"""What a run has begun and done, a line each, for whoever asks while it goes on or afterwards.

Nothing is read back by the run itself: what is finished is what the store holds. A line that
was cut off in a power cut is passed over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.errors import MalformedInput, UsageError

if sys.platform != "win32":
    import fcntl

_PREFIX = "journal-"


class Journal:
    """The journal of one run of one plan, being written."""

    def __init__(self, file: BinaryIO) -> None:
        """Lines go to the end of the file."""
        self._file = file

    def step(self, name: str, units: Sequence[tuple[str, int]]) -> None:
        """A step begins that consists of these units, by key and rows."""
        listed: list[JsonValue] = [[key, rows] for key, rows in units]
        self._write({"step": name, "units": listed})

    def done(self, key: str, seconds: float) -> None:
        """A unit was done, and took so long."""
        self._write({"done": key, "milliseconds": round(seconds * 1000)})

    def finished(self) -> None:
        """The case is there."""
        self._write({"finished": True})

    def _write(self, line: dict[str, JsonValue]) -> None:
        self._file.write(canonical.write(line) + b"\n")
        self._file.flush()


@contextmanager
def journal(
    work: Path, plan_id: str, digest: str, *, workers: int, planned: dict[str, int]
) -> Iterator[Journal]:
    """The journal of a run; refused while another run of the plan is at work in the folder.

    `planned` holds the answers that the plan asks for, by step.
    """
    with (work / f"{_PREFIX}{digest[:16]}.jsonl").open("ab") as file:
        if not _locked(file.fileno()):
            raise UsageError(
                str(work),
                "no other run of this plan",
                found="one at work",
                remedy="Wait for it.",
            )
        opened = Journal(file)
        steps: list[JsonValue] = [[name, rows] for name, rows in planned.items()]
        opened._write(  # noqa: SLF001  # the first line is the writer's own
            {"plan": digest, "id": plan_id, "workers": workers, "planned": steps}
        )
        yield opened


def _locked(descriptor: int) -> bool:
    """Whether this process holds the file now; the system lets go when the process ends.

    Where files cannot be held, every run that is not finished counts as stopped.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@dataclass
class Step:
    """A step of a run, as far as it is known."""

    name: str
    planned_rows: int
    """Answers that the plan asks for; a unit brings the baseline along, and has more rows."""
    units: dict[str, int] | None = None
    """Rows by key; none before the step begins."""
    done: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows of the step: by its units, or else by the plan."""
        return self.planned_rows if self.units is None else sum(self.units.values())

    @property
    def rows_done(self) -> int:
        """Rows of the units that are in the store."""
        return sum(rows for key, rows in (self.units or {}).items() if key in self.done)


@dataclass
class Status:
    """How far a run is."""

    plan_id: str
    digest: str
    state: str
    """`running`, `stopped` or `finished`."""
    workers: int
    steps: list[Step]
    seconds: dict[str, float]
    """What units took, by key, as far as it was noted."""

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(step.rows for step in self.steps)

    @property
    def rows_done(self) -> int:
        """Rows that are in the store."""
        return sum(step.rows_done for step in self.steps)

    @property
    def rows_a_second(self) -> float | None:
        """How many rows all workers together do; none before the first unit."""
        rows = {k: n for step in self.steps for k, n in (step.units or {}).items()}
        known = [key for key in self.seconds if key in rows]
        taken = sum(self.seconds[key] for key in known)
        return sum(rows[key] for key in known) * self.workers / taken if taken else None

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far; what is not measured in units takes its own time."""
        rate = self.rows_a_second
        if self.state == "finished" or not rate:
            return None
        return (self.rows - self.rows_done) / rate


def read_status(out: Path) -> list[Status]:
    """How far the runs of a folder are, by plan; refused if none was begun there."""
    files = sorted((out / "work").glob(f"{_PREFIX}*.jsonl"))
    if not files:
        raise UsageError(
            str(out), "a folder that a run was begun in", found="no journal of a run",
            remedy="Give the --out of `safetycase run`.",
        )  # fmt: skip
    return [_read(file, out / "work" / "units") for file in files]


def _read(file: Path, units: Path) -> Status:
    status = Status("", "", _state(file), 1, [], {})
    for value in _lines(file):
        match value:
            case {
                "plan": str(digest),
                "id": str(name),
                "workers": int(workers),
                "planned": list(planned),
            }:
                steps = [
                    Step(str(p[0]), int(str(p[1]))) for p in planned if isinstance(p, list)
                ]
                status = Status(name, digest, _state(file), workers, steps, status.seconds)
            case {"step": str(name), "units": list(listed)}:
                _begin(status, name, listed, units)
            case {"done": str(key), "milliseconds": int(taken)}:
                status.seconds[key] = taken / 1000
            case {"finished": True}:
                status.state = "finished"
            case _:
                continue
    return status


def _begin(status: Status, name: str, listed: list[JsonValue], units: Path) -> None:
    keys = {str(u[0]): int(str(u[1])) for u in listed if isinstance(u, list)}
    step = next((step for step in status.steps if step.name == name), None)
    if step is None:
        step = Step(name, sum(keys.values()))
        status.steps.append(step)
    step.units = keys
    step.done = {key for key in keys if (units / f"{key}.jsonl").is_file()}


def _lines(file: Path) -> Iterator[JsonValue]:
    for line in file.read_bytes().splitlines():
        try:
            yield canonical.read(line, where=file.name)
        except MalformedInput:
            continue


def _state(file: Path) -> str:
    """`running` while a process holds the journal."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return "stopped" if _locked(descriptor) else "running"
    finally:
        os.close(descriptor)
