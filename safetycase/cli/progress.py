"""How a run is watched: bars with the time left on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from safetycase.cli.console import printable, remark

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from safetycase.run.progress import Progress

_LINES_A_STEP = 10


class Lines:
    """A line when a step begins, and one for every tenth of it that is done."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing has begun."""
        self._monotonic = monotonic
        self._step = ""
        self._total = 0
        self._done = 0
        self._tenths = 0
        self._begun = 0.0

    def begin(self, step: str, total: int) -> None:
        """A line names the step and its length."""
        self._step, self._total = step, total
        self._done = self._tenths = 0
        self._begun = self._monotonic()
        remark(f"{step}: {total} parts" if total else step)

    def advance(self, parts: int) -> None:
        """A line tells what is done and left, if another tenth is done."""
        self._done += parts
        tenths = self._done * _LINES_A_STEP // self._total if self._total else 0
        if tenths > self._tenths:
            self._tenths = tenths
            taken = self._monotonic() - self._begun
            left = taken / self._done * max(0, self._total - self._done)
            share = f"{self._done} of {self._total}"
            remark(f"{self._step}: {share}, {clock(taken)} taken, {clock(left)} left")

    def note(self, text: str) -> None:
        """The line."""
        remark(text)


class Bars:
    """One bar a step, with parts done, time taken and time left."""

    def __init__(self, bars: RichProgress) -> None:
        """Nothing has begun."""
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, step: str, total: int) -> None:
        """The earlier step's bar is full, and another one is drawn."""
        self.finish()
        self._task = self._bars.add_task(printable(step), total=total or None)

    def advance(self, parts: int) -> None:
        """The bar grows."""
        if self._task is not None:
            self._bars.advance(self._task, parts)

    def note(self, text: str) -> None:
        """The line stands above the bars."""
        self._bars.console.print(printable(text), markup=False, highlight=False)

    def finish(self) -> None:
        """A step without a length is done when the next begins."""
        if self._task is not None:
            task = self._bars.tasks[self._bars.task_ids.index(self._task)]
            self._bars.update(
                self._task, total=task.completed or 1, completed=task.completed or 1
            )
            self._bars.stop_task(self._task)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def watched(stream: TextIO | None = None) -> Iterator[Progress]:
    """A listener that draws on standard error: bars if that is a terminal, else lines."""
    where = stream or sys.stderr
    if not where.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(),
        console=Console(file=where),
    ) as drawn:
        bars = Bars(drawn)
        yield bars
        bars.finish()
