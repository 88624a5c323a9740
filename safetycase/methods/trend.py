"""Whether a rate follows the dose: the trend test of a dose series.

The same items are answered at every dose, so that the test of Cochran and Armitage for
independent groups does not apply. Its form for matched answers: within every block (an item,
or a cluster of items) the answers are exchanged among the doses, and the sum of dose ranks over
the answers that count is compared with all exchanges. For answers that are ranks this is Page's
test for ordered alternatives (1963, J. Am. Stat. Assoc. 58:216); for yes and no, Mantel's
extension within matched sets (1963, J. Am. Stat. Assoc. 58:690).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from safetycase.methods.interval import normal_cdf
from safetycase.record.doses import Trend

MOST_EXACT = 2000
"""Items that answer differently at different doses, up to which all exchanges are counted."""


def trend_of(counts: NDArray[np.int64]) -> Trend:
    """The trend of counts [doses, blocks], doses ascending: answers that count in each block.

    Exact where every block is one answer a dose and at most 2,000 blocks tell; otherwise by the
    normal tail, with the exact mean and variance. Two-sided; p is 1 where nothing varies.
    """
    doses = len(counts)
    totals = counts.sum(axis=0)
    ranks = np.arange(doses)
    # Twice the statistic and its mean are whole numbers: no rounding decides what is as far.
    distance = int(2 * (ranks @ counts).sum() - (doses - 1) * totals.sum())
    direction = "rising" if distance > 0 else "falling" if distance < 0 else "flat"
    telling = counts[:, counts.min(axis=0) < counts.max(axis=0)]
    is_single = not telling.size or int(telling.max()) <= 1
    if is_single and telling.shape[1] <= MOST_EXACT:
        p, method = _exact(telling.sum(axis=0), doses, distance), "exact"
    else:
        p, method = _normal(telling, distance), "normal"
    return Trend.model_validate({"direction": direction, "p": p, "method": method})


def _exact(totals: NDArray[np.int64], doses: int, distance: int) -> float:
    """The share of all exchanges whose rank sum is at least as far from its mean."""
    chances = np.ones(1)
    least = mean = 0
    for size, blocks in zip(*np.unique(totals, return_counts=True), strict=True):
        single = _rank_sums(int(size), doses)
        chances = np.convolve(chances, _power(single, int(blocks)))
        least += int(blocks) * int(size) * (int(size) - 1)
        mean += int(blocks) * int(size) * (doses - 1)
    far = np.abs(least + 2 * np.arange(len(chances)) - mean) >= abs(distance)
    return min(1.0, float(chances[far].sum()))


def _rank_sums(size: int, doses: int) -> NDArray[np.float64]:
    """Chances of the rank sums of `size` doses drawn at random, from the least sum on."""
    ways = np.zeros((size + 1, doses * size + 1))
    ways[0, 0] = 1.0
    for rank in range(doses):
        for taken in range(min(size, rank + 1), 0, -1):
            ways[taken, rank:] += ways[taken - 1, : ways.shape[1] - rank]
    least = size * (size - 1) // 2
    most = size * (2 * doses - size - 1) // 2
    chances: NDArray[np.float64] = ways[size, least : most + 1] / math.comb(doses, size)
    return chances


def _power(chances: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Chances of the sum of so many independent draws."""
    result = np.ones(1)
    while times:
        if times & 1:
            result = np.convolve(result, chances)
        times >>= 1
        if times:
            chances = np.convolve(chances, chances)
    return result


def _normal(telling: NDArray[np.int64], distance: int) -> float:
    doses = len(telling)
    spread = (telling - telling.mean(axis=0)) ** 2
    of_ranks = doses * (doses**2 - 1) / 12
    variance = of_ranks * float(spread.sum()) / (doses - 1)
    return min(1.0, 2.0 * normal_cdf(-abs(distance) / 2 / math.sqrt(variance)))
