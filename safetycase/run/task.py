"""What a unit is done with, as bytes: enough for any process that has the same bench.

The bench itself is never sent: whoever does the work loads model and dictionaries by the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from safetycase.methods.probe import LinearProbe
from safetycase.run.edit import ArmEdit
from safetycase.tables.rows import ItemRow


@dataclass(frozen=True)
class Task:
    """Items of an evaluation under arms; the evaluation is named, the rest is all there."""

    evaluation: str
    items: Sequence[ItemRow]
    arms: Sequence[ArmEdit]
    probe: LinearProbe | None
    samples: Sequence[int] = ()
    """Which sample is asked of each item; none: 0."""


class _Array(msgspec.Struct, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def write_task(task: Task) -> bytes:
    """The task as bytes; arrays keep every bit."""
    return msgspec.msgpack.encode(task, enc_hook=_written)


def read_task(data: bytes) -> Task:
    """The task that the bytes hold."""
    return msgspec.msgpack.decode(data, type=Task, dec_hook=_read)


def _written(value: object) -> _Array:
    if not isinstance(value, np.ndarray):
        # msgspec asks its hooks to refuse in this way
        raise NotImplementedError(f"a task cannot hold {type(value)}")
    return _Array(value.dtype.str, value.shape, value.tobytes())


def _read(_kind: type, value: Any) -> np.ndarray:  # noqa: ANN401  # msgspec's hook
    array = msgspec.convert(value, _Array)
    return np.frombuffer(array.data, dtype=np.dtype(array.dtype)).reshape(array.shape).copy()
