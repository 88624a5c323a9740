"""Which rows are alike in columns of numbers, and which follow each other in a stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def alike(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Number rows from 0 so that rows alike in all columns, and no others, share a number."""
    number = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        _, number = np.unique(number * len(values) + code, return_inverse=True)
    return number


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
