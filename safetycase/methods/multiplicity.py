"""p-values corrected for the family in which they were asked.

The family is the argument: every p-value of it, whether or not anybody reports it. Order is
kept, so that entry i of the answer belongs to entry i of the question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust a family so that rejecting all at most alpha errs anywhere with chance <= alpha.

    float64 [m] -> float64 [m], under any dependence. Refused: an empty family; NaN; values
    outside [0, 1].

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65; adjusted values: Wright 1992,
    Biometrics 48:1005.
    """
    ordered, order = _sorted_family("holm", p_values)
    factors = np.arange(ordered.size, 0, -1, dtype=np.float64)
    return _unsorted(np.maximum.accumulate(ordered * factors), order)


def benjamini_hochberg(
    p_values: Sequence[float] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """Adjust a family so that rejecting all at most q keeps the false discovery rate <= q.

    float64 [m] -> float64 [m], under independence or positive regression dependence. For
    exploring (which features to look at), not for claims. Refusals as in `holm`.

    Source: Benjamini & Hochberg 1995, JRSS B 57:289; adjusted values: Yekutieli & Benjamini
    1999, Journal of Statistical Planning and Inference 82:171.
    """
    ordered, order = _sorted_family("benjamini_hochberg", p_values)
    ranks = np.arange(1, ordered.size + 1, dtype=np.float64)
    raised = ordered / (ranks / ordered.size)
    return _unsorted(np.minimum.accumulate(raised[::-1])[::-1], order)


def _sorted_family(
    where: str, p_values: Sequence[float] | NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    family = np.asarray(p_values, dtype=np.float64)
    if family.ndim != 1 or family.size == 0:
        raise MethodRefused(where, "a family of p-values", found=f"shape {family.shape}")
    outside = ~((family >= 0.0) & (family <= 1.0))
    if outside.any():
        first = int(np.argmax(outside))
        raise MethodRefused(
            where, "p-values in [0, 1]", found=f"{float(family[first])} at {first}"
        )
    order = np.argsort(family, kind="stable")
    return family[order], order


def _unsorted(adjusted: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.float64]:
    result = np.empty_like(adjusted)
    result[order] = np.minimum(adjusted, 1.0)
    return result
