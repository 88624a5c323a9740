"""Workers as processes of this machine, one a GPU where there are several.

They end with the run: their standard input closes, whatever ended it. Nothing is pickled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

import safetycase
from safetycase.run.engines.bench_worker import Order, Recipe
from safetycase.run.engines.frames import read_frame, write_frame
from safetycase.run.engines.pool import Reply

_PROGRAM = "safetycase.run.engines.bench_worker"
_ROOT = Path(safetycase.__file__).resolve().parents[1]


class Process:
    """A worker behind two pipes."""

    def __init__(self, recipe: Recipe) -> None:
        """Start it and tell it what to load.

        A session of its own: what interrupts the run at a terminal does not strike workers in
        the middle of a write.
        """
        path = os.pathsep.join(
            part for part in (str(_ROOT), os.environ.get("PYTHONPATH")) if part
        )
        self._process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            [sys.executable, "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        self._to = cast("BinaryIO", self._process.stdin)
        self._from = cast("BinaryIO", self._process.stdout)
        self._recipe = recipe

    def begin(self) -> Reply:
        """Wait until it has loaded its bench."""
        return self._asked(msgspec.msgpack.encode(self._recipe))

    def do(self, key: str, task: bytes) -> Reply:
        """Wait until it has done a task."""
        return self._asked(msgspec.msgpack.encode(Order(key, task)))

    def close(self) -> None:
        """Kill it; it holds nothing that is not done again."""
        self._process.kill()
        self._process.wait()
        self._from.close()
        with suppress(OSError):  # what it no longer read
            self._to.close()

    def _asked(self, message: bytes) -> Reply:
        try:
            write_frame(self._to, message)
            reply = read_frame(self._from)
        except (OSError, ValueError):  # its end of the pipe is gone, or ours is closed
            reply = None
        if reply is not None:
            return msgspec.msgpack.decode(reply, type=Reply)
        status = self._process.wait()
        return Reply(problem=f"its worker ended, status {status}", lost=True)
