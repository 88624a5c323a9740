"""How far features move a model's log-odds as they fire, to first order, and whether by chance.

Attribution of feature f on a prompt: the sum over its tokens of z_f(x_t) · (d_f · ∂M/∂h_t),
with z the activations, d the decoder rows and h the activation that is read and written; what
the quantity M would lose if the feature were taken out, were the model linear. The runner
measures it. Here it is tested whether its mean over prompts can be zero.

Source: attribution patching with a patch of zero, as of sparse features by Marks et al. 2024,
arXiv 2403.19647, equation 2; a linear approximation, poor where activations saturate (Kramár et
al. 2024, arXiv 2403.00745).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.interval import outside_t
from safetycase.record.planned_axis import Axis

_SMALLEST_P = math.ulp(0.0)


def attribution_name(axis: Axis) -> str:
    """Name of the tensor with an attribution for every published pooled activation."""
    return f"{axis.id}.attribution"


def mean_columns(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of each column: [rows, columns] -> float64 [columns]; a running sum of the rows."""
    means: NDArray[np.float64] = np.add.accumulate(matrix.astype(np.float64), axis=0)[-1]
    return means / len(matrix)


def one_sample_p_columns(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Give the two-sided p of each column's mean being 0: [rows, columns] -> float64 [columns].

    At least 2/2^k, k the rows that are not 0: the least p of a test that flips signs, and all
    that so many rows can say. Rests on means that are near normal: a feature that fires on few
    prompts has few rows that are not 0. Refused: fewer than two rows; a constant column.

    Source: Student 1908, Biometrika 6:1; tail: Abramowitz & Stegun 26.7.1.
    """
    n = len(matrix)
    if n < 2:  # no variance
        raise MethodRefused("one_sample", "two rows", found=str(n))
    rows = matrix.astype(np.float64)
    if (rows == rows[0]).all(axis=0).any():
        raise MethodRefused("one_sample", "columns that vary", found="a constant column")
    means = mean_columns(rows)
    variances = np.add.accumulate(np.square(rows - means), axis=0)[-1] / (n - 1)
    squares = n * np.square(means) / variances
    floors = np.exp2(1.0 - (rows != 0.0).sum(axis=0))
    found = [outside_t(square, n - 1) for square in squares.tolist()]
    least: NDArray[np.float64] = np.maximum(floors, _SMALLEST_P)
    p: NDArray[np.float64] = np.maximum(found, least)
    return p
