"""How well scores tell two classes of rows apart, for one score or thousands of features.

`labels` marks the positive rows. AUROC and Mann-Whitney use midranks, so ties are exact. Where
all rows of a column are equal, the AUROC is 1/2 by its definition; the p-value and the
standardised difference have no value, and such a column is refused, or left out by name
(`compare_columns`). No NaN and no stand-in comes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused

Labels = Sequence[bool] | NDArray[np.bool_]

# Sums of cubes of tie sizes stay exact in float64 up to here.
_MOST_ROWS = 200_000
_FLOAT32_SIGN = np.uint32(0x80000000)
_COLUMNS_AT_ONCE = 4096
_SMALLEST_P = math.ulp(0.0)


@dataclass(frozen=True, slots=True)
class ColumnComparison:
    """Statistics of the columns that vary; entry j of each array is column `columns[j]`."""

    columns: NDArray[np.int64]
    """Indices of the columns that are not constant, ascending."""
    auroc: NDArray[np.float64]
    """Chance that a positive row scores over a negative one, ties counted half."""
    p_value: NDArray[np.float64]
    """Two-sided Mann-Whitney p, uncorrected for the number of columns."""
    standardised_difference: NDArray[np.float64]
    """Difference of class means in standard deviations of all rows."""


@dataclass(frozen=True, slots=True)
class _RankSums:
    positives: int
    negatives: int
    twice_rank_sum: NDArray[np.float64]
    tie_cubes: NDArray[np.float64]

    @property
    def varying(self) -> NDArray[np.bool_]:
        n = self.positives + self.negatives
        varying: NDArray[np.bool_] = self.tie_cubes != n**3 - n
        return varying


def auroc(scores: Sequence[float] | NDArray[Any], labels: Labels) -> float:
    """Give the chance that a positive row scores over a negative one, ties counted half.

    Refusals as in `auroc_columns`.

    Source: Hanley & McNeil 1982, Radiology 143:29; as a rank sum, Bamber 1975.
    """
    return float(auroc_columns(_one_column(scores), labels)[0])


def mann_whitney_p(scores: Sequence[float] | NDArray[Any], labels: Labels) -> float:
    """Give the two-sided p of the scores being ordered as in one population.

    Refusals and source as in `mann_whitney_p_columns`.
    """
    return float(mann_whitney_p_columns(_one_column(scores), labels)[0])


def standardised_mean_difference(
    scores: Sequence[float] | NDArray[Any], labels: Labels
) -> float:
    """Give the class means' difference in standard deviations of all rows.

    Refusals and source as in `standardised_difference_columns`.
    """
    return float(standardised_difference_columns(_one_column(scores), labels)[0])


def auroc_columns(matrix: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Give the AUROC of each column: [rows, columns], bool [rows] -> float64 [columns].

    The ratio of two whole numbers, correctly rounded; 1/2 where all rows are equal, every pair
    being a tie. Work grows with the entries that are not 0. Refused: a class without rows; NaN
    or infinity; over 200 000 rows.

    Source: Hanley & McNeil 1982: (R - n₁(n₁+1)/2) / (n₁n₀), R the positives' midrank sum.
    """
    return _auroc(_rank_sums(matrix, labels))


def mann_whitney_p_columns(matrix: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Give the two-sided p of each column: [rows, columns], bool [rows] -> float64 [columns].

    Normal approximation with tie and continuity correction: rough for a handful of rows. A
    value too small for a double becomes the smallest positive one. Refused: what
    `auroc_columns` refuses; a constant column, whose rank sum has no variance.

    Source: Mann & Whitney 1947, Annals of Mathematical Statistics 18:50; variance under ties:
    Lehmann 1975, Nonparametrics, chapter 1.
    """
    return _mann_whitney(_without_constants("mann_whitney", _rank_sums(matrix, labels)))


def standardised_difference_columns(
    matrix: NDArray[Any], labels: Labels
) -> NDArray[np.float64]:
    """Give (mean of positives - mean of negatives) / sd of all rows, for each column.

    The sd has divisor n and includes the difference itself, so that it is above 0 whenever the
    column varies, also for a feature that fires on all positives alike. Times √(n₁n₀)/n it is
    the point-biserial correlation. Sums run in float64 over rows in their order. Refusals as in
    `mann_whitney_p_columns`.

    Source: point-biserial form, Tate 1954, Annals of Mathematical Statistics 25:603.
    """
    data, positive = _checked(matrix, labels)
    _without_constants("standardised_difference", _rank_sums(data, positive))
    return _standardised(data, positive)


def compare_columns(matrix: NDArray[Any], labels: Labels) -> ColumnComparison:
    """Give all three statistics of each column that varies, and say which columns those are.

    Constant columns are left out, not given a value. Other refusals as in `auroc_columns`; also
    refused: no column that varies.
    """
    data, positive = _checked(matrix, labels)
    sums = _rank_sums(data, positive)
    columns = np.flatnonzero(sums.varying).astype(np.int64)
    if columns.size == 0:
        raise MethodRefused("compare_columns", "a column that varies", found="none")
    kept = _RankSums(
        sums.positives, sums.negatives, sums.twice_rank_sum[columns], sums.tie_cubes[columns]
    )
    difference = _standardised(data[:, columns], positive)
    return ColumnComparison(columns, _auroc(kept), _mann_whitney(kept), difference)


def _auroc(sums: _RankSums) -> NDArray[np.float64]:
    n1, n0 = sums.positives, sums.negatives
    areas: NDArray[np.float64] = (sums.twice_rank_sum - n1 * (n1 + 1)) / (2 * n1 * n0)
    return areas


def _mann_whitney(sums: _RankSums) -> NDArray[np.float64]:
    n1, n0 = sums.positives, sums.negatives
    n = n1 + n0
    u = sums.twice_rank_sum / 2 - n1 * (n1 + 1) / 2
    deviation = np.abs(u - n1 * n0 / 2) - 0.5
    variance = n1 * n0 / 12 * ((n + 1) - sums.tie_cubes / (n * (n - 1)))
    z = np.maximum(deviation, 0.0) / np.sqrt(variance)
    p = np.fromiter((math.erfc(value) for value in z / math.sqrt(2.0)), np.float64, z.size)
    return np.maximum(p, _SMALLEST_P)


def _standardised(data: NDArray[Any], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    blocks = [
        _standardised_block(data[:, start : start + _COLUMNS_AT_ONCE], positive)
        for start in range(0, data.shape[1], _COLUMNS_AT_ONCE)
    ]
    return np.concatenate(blocks)


def _standardised_block(
    block: NDArray[Any], positive: NDArray[np.bool_]
) -> NDArray[np.float64]:
    rows = block.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = _column_means(rows[positive]) - _column_means(rows[~positive])
        spread = np.sqrt(_column_means(np.square(rows - _column_means(rows))))
    if not np.all(np.isfinite(difference) & np.isfinite(spread) & (spread > 0.0)):
        raise MethodRefused(
            "standardised_difference",
            "scores whose spread float64 can hold",
            found="a spread of 0 or infinity",
        )
    standardised: NDArray[np.float64] = difference / spread
    return standardised


def _column_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each column; a running sum, since `sum` picks its order by the shape."""
    means: NDArray[np.float64] = np.add.accumulate(rows, axis=0)[-1] / len(rows)
    return means


def _rank_sums(matrix: NDArray[Any], labels: Labels) -> _RankSums:
    """Sum the positives' midranks in every column by one sort of the entries that are not 0.

    Each such entry becomes one 64-bit word: column, score as a whole number of the same order,
    label. After the sort, equal (column, score) stand together; the zeros of a column are one
    tie group between its negative and its positive scores.
    """
    data, positive = _checked(matrix, labels)
    n, width = data.shape
    n1 = int(np.count_nonzero(positive))
    where = np.flatnonzero(data)
    rows, columns = np.divmod(where, width)
    keys, zero = _order_keys(data.ravel()[where])
    words = (columns.astype(np.uint64) << 33) | (keys.astype(np.uint64) << 1)
    words |= positive[rows].astype(np.uint64)
    words.sort()

    scores = words >> 1
    starts = np.flatnonzero(np.diff(scores, prepend=np.uint64(2**64 - 1)))
    sizes = np.diff(starts, append=words.size)
    hits = np.diff(np.cumsum(words & 1)[starts + sizes - 1].astype(np.int64), prepend=0)
    column = (scores[starts] >> 32).astype(np.int64)
    above = (scores[starts] & 0xFFFFFFFF) > zero

    filled = np.bincount(columns, minlength=width)
    zeros = n - filled
    first = np.cumsum(filled) - filled
    under = np.bincount(column[~above], weights=sizes[~above], minlength=width)
    before = starts - first[column] + np.where(above, zeros[column], 0)
    zero_hits = n1 - np.bincount(column, hits, minlength=width)
    twice_ranks = np.bincount(column, hits * (2.0 * before + sizes + 1), minlength=width)
    twice_ranks = twice_ranks + zero_hits * (2.0 * under + zeros + 1)
    cubes = np.bincount(column, sizes**3 - sizes, minlength=width) + (zeros**3 - zeros)
    return _RankSums(n1, n - n1, twice_ranks.astype(np.float64), cubes.astype(np.float64))


def _order_keys(values: NDArray[Any]) -> tuple[NDArray[np.uint32], np.uint32]:
    """Map scores to 32-bit whole numbers of the same order; also what 0 is mapped to."""
    if values.dtype == np.float32:
        bits = values.view(np.uint32)
        return np.where(bits & _FLOAT32_SIGN, ~bits, bits | _FLOAT32_SIGN), _FLOAT32_SIGN
    _, codes = np.unique(np.append(values, values.dtype.type(0)), return_inverse=True)
    return codes[:-1].astype(np.uint32), np.uint32(codes[-1])


def _checked(matrix: NDArray[Any], labels: Labels) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    data, positive = np.ascontiguousarray(matrix), np.asarray(labels)
    if data.ndim != 2 or data.dtype.kind not in "fiu" or data.shape[1] == 0:
        raise MethodRefused(
            "rank", "numbers [rows, columns]", found=f"{data.dtype} {data.shape}"
        )
    if positive.dtype != np.bool_ or positive.shape != data.shape[:1]:
        raise MethodRefused(
            "rank", f"bool labels [{data.shape[0]}]", found=f"{positive.dtype} {positive.shape}"
        )
    if positive.all() or not positive.any() or positive.size > _MOST_ROWS:
        raise MethodRefused(
            "rank",
            f"rows of both classes, at most {_MOST_ROWS}",
            found=f"{int(positive.sum())} positive of {positive.size}",
        )
    if not np.isfinite(data).all():
        raise MethodRefused("rank", "finite scores", found="NaN or infinity")
    return data, positive


def _without_constants(where: str, sums: _RankSums) -> _RankSums:
    constant = ~sums.varying
    if constant.any():
        raise MethodRefused(
            where,
            "columns that vary",
            found=f"{int(constant.sum())} constant, first at {int(np.argmax(constant))}",
            remedy="compare_columns leaves them out.",
        )
    return sums


def _one_column(scores: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
    column = np.asarray(scores)
    if column.ndim != 1 or column.size == 0:
        raise MethodRefused("rank", "scores [rows]", found=f"shape {column.shape}")
    return column[:, np.newaxis]
