"""Which rows are alike in columns of numbers, and which follow each other in a stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FITS = 2**62
"""How many different rows can be told apart by one whole number."""


def alike(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Number rows from 0 so that rows alike in all columns, and no others, share a number."""
    number, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        code, different = _codes(column)
        if size * different > _FITS:
            values, number = np.unique(number, return_inverse=True)
            size = len(values)
        number, size = number * different + code, size * different
    return np.unique(number, return_inverse=True)[1]


def _codes(column: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """A number below the second for each value: itself, if whole numbers lie close together."""
    if column.dtype.kind in "iu" and len(column):
        least, most = int(column.min()), int(column.max())
        if most - least < len(column) + 2**16:
            return column.astype(np.int64) - least, most - least + 1
    values, code = np.unique(column, return_inverse=True)
    return code.astype(np.int64), max(1, len(values))


def stretches(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Where stretches of rows alike in all columns begin; at the end, the number of rows."""
    rows = len(columns[0])
    changes = np.zeros(max(0, rows - 1), dtype=np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    inner = np.flatnonzero(changes) + 1
    return np.concatenate(([0] if rows else [], inner, [rows])).astype(np.intp)


def as_stretch(where: slice | NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Places that follow each other as a slice, which copies nothing."""
    if isinstance(where, slice) or not len(where):
        return where
    first, last = int(where[0]), int(where[-1])
    follows = last - first + 1 == len(where) and bool((where[1:] - where[:-1] == 1).all())
    return slice(first, last + 1) if follows else where
