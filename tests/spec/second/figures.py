"""Clauses 12.1, 14.2, 15.1 and 15.3: intervals and tests, each the shortest way.

Binomial tails and p values are exact fractions, and the ends of intervals are found by
bisection, where the first verifier has closed forms and continued fractions.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import combinations
from statistics import NormalDist


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is not above 0 at `low` and not below it at `high` changes sign."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if f(middle) <= 0 else (low, middle)
    return (low + high) / 2


def upper_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of a binomial, the shorter side summed."""
    log = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(n + 1)
    ]

    def term(i: int) -> float:
        return math.exp(log[i] + i * math.log(p) + (n - i) * math.log1p(-p))

    if k > n / 2:
        return math.fsum(term(i) for i in range(k, n + 1))
    return 1 - math.fsum(term(i) for i in range(k))


@cache
def clopper_pearson(k: int, n: int, level: float, sides: int = 2) -> tuple[float, float]:
    """Ends at which the tail of a binomial is what the level leaves to a side."""
    tail = (1 - level) / sides
    low = 0.0 if k == 0 else root(lambda p: upper_tail(k, n, p) - tail, 1e-300, 1 - 1e-16)
    high = (
        1.0
        if k == n
        else root(lambda p: tail - (1 - upper_tail(k + 1, n, p)), 1e-16, 1 - 1e-16)
    )
    return low, high


def tango(gained: int, lost: int, n: int, level: float) -> tuple[float, float]:
    """Tango (1998): differences that the score test does not reject."""
    return score_interval(gained, lost, n, NormalDist().inv_cdf(1 - (1 - level) / 2))


@cache
def score_interval(gained: float, lost: float, n: float, z: float) -> tuple[float, float]:
    """The same at any point z, of counts that need not be whole."""

    def score(delta: float) -> float:
        a = 2 * n
        b = -gained - lost + (2 * n - gained + lost) * delta
        c = -lost * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 4 * a * c, 0)) - b) / (2 * a)
        variance = n * (2 * q + delta * (1 - delta))
        shift = gained - lost - n * delta
        if variance <= 0:
            return 0.0 if abs(shift) < 1e-12 else math.copysign(math.inf, shift)
        return shift / math.sqrt(variance)

    estimate = (gained - lost) / n
    low = -1.0 if lost == n else root(lambda d: z - score(d), -1.0, estimate)
    high = 1.0 if gained == n else root(lambda d: -z - score(d), estimate, 1.0)
    return low, high


@cache
def mcnemar(gained: int, lost: int) -> float:
    """Twice the smaller tail of a fair coin, at most 1."""
    n = gained + lost
    tail = sum(math.comb(n, i) for i in range(min(gained, lost) + 1))
    return float(min(Fraction(2 * tail, 2**n), Fraction(1)))


def holm(values: list[float]) -> list[float]:
    """Holm's correction."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    corrected, worst = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = worst
    return corrected


def benjamini_hochberg(values: list[float]) -> list[float]:
    """Benjamini and Hochberg's correction."""
    m, least = len(values), 1.0
    corrected = [1.0] * m
    order = sorted(range(m), key=lambda i: values[i])
    for rank in range(m, 0, -1):
        i = order[rank - 1]
        least = min(least, m * values[i] / rank)
        corrected[i] = least
    return corrected


def mann_whitney(positive: list[float], negative: list[float]) -> tuple[float, float]:
    """The area under the curve, and the two-sided p of the normal approximation."""
    m, n = len(positive), len(negative)
    below, ties, rank_sum = 0, 0, 0.0
    every = sorted([(v, 1) for v in positive] + [(v, 0) for v in negative])
    while below < m + n:
        end = below
        while end < m + n and every[end][0] == every[below][0]:
            end += 1
        size = end - below
        rank_sum += sum(c for _, c in every[below:end]) * (below + (size + 1) / 2)
        ties += size**3 - size
        below = end
    u = rank_sum - m * (m + 1) / 2
    spread = math.sqrt(m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1))))
    z = max(abs(u - m * n / 2) - 0.5, 0) / spread if spread else 0.0
    return u / (m * n), min(1.0, math.erfc(z / math.sqrt(2)))


def _rank_sums(doses: int, count: int) -> dict[int, int]:
    """In how many ways `count` of the ranks have each sum."""
    sums: dict[int, int] = {}
    for ranks in combinations(range(doses), count):
        sums[sum(ranks)] = sums.get(sum(ranks), 0) + 1
    return sums


def _convolved(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    both: dict[int, int] = {}
    for a, ways in one.items():
        for b, more in other.items():
            both[a + b] = both.get(a + b, 0) + ways * more
    return both


def trend_of_clusters(table: list[list[int]]) -> tuple[float, float]:
    """Clause 14.2, normal: `table` has one row a cluster, its count at each dose."""
    doses = len(table[0])
    shift = sum(c * (rank - (doses - 1) / 2) for row in table for rank, c in enumerate(row))
    means = [sum(row) / doses for row in table]
    spread = sum((c - m) ** 2 for row, m in zip(table, means, strict=True) for c in row)
    variance = doses * (doses**2 - 1) / 12 * spread / (doses - 1)
    return shift, math.erfc(abs(shift) / math.sqrt(2 * variance)) if variance else 1.0


def trend(table: list[list[int]]) -> tuple[int, Fraction]:
    """Clause 14.2, exact: which way it goes, and the share of exchanges as far from the mean.

    `table` has one row a cluster, 0 or 1 for each dose in ascending order.
    """
    if not table:
        return 0, Fraction(1)
    doses = len(table[0])
    spread = [_rank_sums(doses, count) for count in range(doses + 1)]
    observed, twice_mean, every = 0, 0, {0: 1}
    for row in table:
        observed += sum(rank for rank, counts in enumerate(row) if counts)
        twice_mean += sum(row) * (doses - 1)
        every = _convolved(every, spread[sum(row)])
    far = abs(2 * observed - twice_mean)
    extreme = sum(count for total, count in every.items() if abs(2 * total - twice_mean) >= far)
    return 2 * observed - twice_mean, Fraction(extreme, sum(every.values()))
