"""Work cut into units named by their content: what is done is never done twice, nor mixed up.

The key of a unit is the digest of everything that its numbers depend on. A result stands in
its file whole, with its own digest in the last line, or is not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.run.journal import Journal

VERSION = 1
"""Part of every key; raised when the same specification would give other numbers."""


@dataclass(frozen=True)
class Unit:
    """A piece of work: its specification, its size in rows, and how it is done.

    `portable` gives the task as another process is told of it; a unit without it is done in
    the process that made it.
    """

    specification: Mapping[str, JsonValue]
    rows: int
    work: Callable[[], bytes]
    portable: Callable[[], bytes] | None = None

    @property
    def key(self) -> str:
        """Digest of the specification."""
        return sha256_hex(canonical.write({"version": VERSION, **self.specification}))


class Store:
    """Results of units by key, in a folder."""

    def __init__(self, folder: Path, journal: Journal | None = None) -> None:
        """Open the folder; it is made if it is not there. The journal is told what is done."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._journal = journal

    def read(self, key: str) -> bytes | None:
        """The result of a unit; none if it is not there, cut off or changed."""
        try:
            data = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        result, digest = data[:-65], data[-65:]
        return result if digest == f"{sha256_hex(result)}\n".encode() else None

    def write(self, key: str, result: bytes, *, seconds: float = 0.0) -> None:
        """The result is there, whole, also after a power cut; it took so long."""
        descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(result + f"{sha256_hex(result)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(self._path(key))
        if self._journal is not None:
            self._journal.done(key, seconds)

    def keep_failed(self, unit: Unit, problems: Sequence[str]) -> Path:
        """The file that says what a unit was to do, and what happened each time."""
        place = self._folder / "failed" / f"{unit.key}.json"
        place.parent.mkdir(exist_ok=True)
        told = {"specification": dict(unit.specification), "problems": list(problems)}
        place.write_bytes(canonical.write(told))
        return place

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.jsonl"
