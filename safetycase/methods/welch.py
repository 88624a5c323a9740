"""Whether two classes of rows differ in their means, column by column."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.interval import outside_t

_SMALLEST_P = math.ulp(0.0)


def welch_p_columns(
    matrix: NDArray[np.float32] | NDArray[np.float64], positive: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give Welch's two-sided p of each column: [rows, columns] -> float64 [columns].

    At least 2/C(n, n₁), the least p of a two-sided permutation test of so many rows: where
    neither class varies, t has no bound, and no data of this size say more than that. Rests on
    means that are near normal, which for a rarely active feature takes many rows; AUROC with
    its rank p does not. Refused: a class of fewer than two rows; a constant column.

    Source: Welch 1947, Biometrika 34:28; degrees of freedom: Satterthwaite 1946, Biometrics
    Bulletin 2:110; tail: Abramowitz & Stegun 26.7.1.
    """
    n1 = int(positive.sum())
    n0 = len(positive) - n1
    if min(n1, n0) < 2:
        raise MethodRefused("welch", "two rows of either class", found=f"{n1} and {n0}")
    rows = matrix.astype(np.float64)
    if (rows == rows[0]).all(axis=0).any():
        raise MethodRefused("welch", "columns that vary", found="a constant column")
    floor = max(2 / math.comb(n1 + n0, n1), _SMALLEST_P)
    one, two = _moments(rows[positive]), _moments(rows[~positive])
    values = zip(one[0] - two[0], one[1] / n1, two[1] / n0, strict=True)
    return np.array([max(_p(d, u, v, n1, n0), floor) for d, u, v in values])


def _moments(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and unbiased variance of each column; running sums, whose order is the rows'."""
    means = np.add.accumulate(rows, axis=0)[-1] / len(rows)
    squares = np.add.accumulate(np.square(rows - means), axis=0)[-1]
    # equal rows have no spread, though their mean may be rounded
    squares[(rows == rows[0]).all(axis=0)] = 0.0
    return means, squares / (len(rows) - 1)


def _p(difference: float, u: float, v: float, n1: int, n0: int) -> float:
    """Two-sided p of a difference of means whose squared standard errors are u and v."""
    if u + v == 0.0:
        return 0.0
    degrees = (u + v) ** 2 / (u * u / (n1 - 1) + v * v / (n0 - 1))
    square = difference * difference / (u + v)
    return outside_t(square, degrees)
