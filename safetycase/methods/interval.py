"""Intervals of one proportion, and the two distributions they rest on.

The incomplete beta function is ours, since importing SciPy costs a verifier a second. SciPy is
the oracle of the tests: agreement to 1e-9 and better for n up to ten million.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

from safetycase.errors import MethodRefused

Side = Literal["two-sided", "upper", "lower"]
"""Where the interval may err: at both ends, or at its upper (lower) end alone."""

_STANDARD_NORMAL = NormalDist()
_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_SERIES_FROM = 16.0
_SMALL_DEVIATION = 0.1
_STOP = 1e-16
_TINY = 1e-300
_CONTINUED_FRACTION_LIMIT = 200_000
_NEWTON_LIMIT = 200
_QUANTILE_TOLERANCE = 1e-14


@dataclass(frozen=True, slots=True)
class Interval:
    """The values not excluded at the stated level, both ends included."""

    low: float
    high: float


@lru_cache(maxsize=10_000, typed=True)
def clopper_pearson(k: int, n: int, level: float = 0.95, side: Side = "two-sided") -> Interval:
    """Bound a proportion from k of n so that the chance of missing it is never over 1 - level.

    Exact under independent draws with one rate; wider than needed for most rates. Says nothing
    for clustered rows. "upper" gives [0, high] at one-sided `level`, "lower" gives [low, 1].

    Source: Clopper & Pearson 1934, Biometrika 26:404; ends as beta quantiles, Brown, Cai &
    DasGupta 2001, Statistical Science 16:101.
    """
    _require_counts("clopper_pearson", k, n)
    tail = tail_of("clopper_pearson", level, side)
    low = 0.0 if side == "upper" else _exact_lower(k, n, tail)
    high = 1.0 if side == "lower" else _exact_upper(k, n, tail)
    return Interval(low, high)


def wilson(k: int, n: int, level: float = 0.95, side: Side = "two-sided") -> Interval:
    """Give the rates that the score test does not reject: for display, not "at most" claims.

    Coverage is near `level` on average and falls under it for rates near 0 and 1 (0.91 at
    n = 100, rate 0.005, level 0.95). Sides as in `clopper_pearson`. No continuity correction.

    Source: Wilson 1927, JASA 22:209; Brown, Cai & DasGupta 2001.
    """
    _require_counts("wilson", k, n)
    z = critical_value(level, side)
    rate = k / n
    scale = 1.0 + z * z / n
    centre = (rate + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n))
    low = 0.0 if side == "upper" or k == 0 else max(0.0, centre - half)
    high = 1.0 if side == "lower" or k == n else min(1.0, centre + half)
    return Interval(low, high)


def rule_of_zero(n: int, level: float = 0.95) -> float:
    """Give the highest rate at which seeing none of n still has chance 1 - level.

    The exact form of "three over n"; the upper end of `clopper_pearson(0, n, level, "upper")`.

    Source: Hanley & Lippman-Hand 1983, JAMA 249:1743: 1 - (1 - level)^(1/n).
    """
    return clopper_pearson(0, n, level, "upper").high


def critical_value(level: float, side: Side = "two-sided") -> float:
    """Give the standard normal point that leaves 1 - level outside, in one tail or in two."""
    return -normal_quantile(tail_of("critical_value", level, side))


@lru_cache(maxsize=1_000)
def student_t_critical(level: float, degrees: int, side: Side = "two-sided") -> float:
    """Give the point of Student's t that leaves 1 - level outside, in one tail or in two.

    Bisected to the last bit. Refused: no degrees of freedom.

    Source: DLMF 8.17 and Abramowitz & Stegun 26.7.1: the mass outside ±t is the incomplete
    beta function I_x(d/2, 1/2) at x = d/(d + t²), d the degrees of freedom.
    """
    if degrees < 1:
        raise MethodRefused("student_t_critical", "degrees of freedom", found=str(degrees))
    outside = 2.0 * tail_of("student_t_critical", level, side)
    low, high = 0.0, 1.0
    while outside_t(high * high, degrees) > outside:
        low, high = high, 2.0 * high
    for _ in range(_NEWTON_LIMIT):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (
            (middle, high) if outside_t(middle * middle, degrees) > outside else (low, middle)
        )
    return low


def outside_t(square: float, degrees: float) -> float:
    """Give the mass of Student's t outside ±t, of a t of this square; source as above."""
    if square < degrees:
        return beta_tails(0.5, degrees / 2.0, square / (degrees + square))[1]
    return beta_tails(degrees / 2.0, 0.5, degrees / (degrees + square))[0]


def normal_cdf(z: float) -> float:
    """Give the chance of a standard normal value at or under z, precise in the far tails too.

    Source: Abramowitz & Stegun 26.2.29, by the complementary error function.
    """
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_quantile(probability: float) -> float:
    """Give the standard normal point under which `probability` lies; refused at 0 and 1.

    Source: Wichura 1988, algorithm AS 241 (Python's `statistics.NormalDist`).
    """
    if not 0.0 < probability < 1.0:
        raise MethodRefused(
            "normal_quantile", "a probability inside (0, 1)", found=repr(probability)
        )
    return _STANDARD_NORMAL.inv_cdf(probability)


def beta_tails(a: float, b: float, x: float) -> tuple[float, float]:
    """Split a beta(a, b) distribution at x: the mass under it and the mass over it.

    The smaller of the two keeps its relative precision; the larger is one minus it. The first
    is the regularised incomplete beta function I_x(a, b). a, b > 0, x in [0, 1].

    Source: continued fraction DLMF 8.17.22, by Lentz's method (Press et al., Numerical Recipes,
    section 6.4); its leading factor by Loader 2000, so that large a and b lose no digits.
    """
    if not (a > 0.0 and b > 0.0 and 0.0 <= x <= 1.0):
        raise MethodRefused("beta_tails", "a, b > 0 and x in [0, 1]", found=f"{a}, {b}, {x}")
    if x in (0.0, 1.0):
        return x, 1.0 - x
    front = _beta_density(a, b, x) * x * (1.0 - x)
    if x < (a + 1.0) / (a + b + 2.0):
        under = front * _continued_fraction(a, b, x) / a
        return under, 1.0 - under
    over = front * _continued_fraction(b, a, 1.0 - x) / b
    return 1.0 - over, over


def beta_quantile(tail: float, a: float, b: float, *, upper: bool = False) -> float:
    """Give the x under which (over which, if `upper`) a beta(a, b) has the mass `tail`.

    a, b >= 1. Newton's method on the logarithm of the tail, which is concave, kept inside a
    shrinking bracket; relative error about 1e-13, next to 1 an absolute one of 2e-14. Refused:
    a tail outside (0, 1).

    Source: Press et al., Numerical Recipes, section 9.4 (rtsafe); log-concavity: Bagnoli &
    Bergstrom 2005, Economic Theory 26:445.
    """
    if not (0.0 < tail < 1.0 and a >= 1.0 and b >= 1.0):
        raise MethodRefused(
            "beta_quantile", "a tail inside (0, 1) and a, b >= 1", found=f"{tail}, {a}, {b}"
        )
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(_NEWTON_LIMIT):
        mass = beta_tails(a, b, x)[1 if upper else 0]
        too_far = (mass > tail) is not upper
        low, high = (low, x) if too_far else (x, high)
        after = _newton_step(x, mass, tail, _beta_density(a, b, x), upper=upper)
        after = after if low < after < high else 0.5 * (low + high)
        if abs(after - x) <= _QUANTILE_TOLERANCE * after:
            return after
        x = after
    raise MethodRefused(
        "beta_quantile", "a quantile within 200 steps", found=f"{tail}, {a}, {b}"
    )


def _newton_step(x: float, mass: float, tail: float, density: float, *, upper: bool) -> float:
    """Step along log(mass); NaN, which no bracket holds, where it has no slope to follow."""
    if mass <= 0.0 or density <= 0.0:
        return math.nan
    step = math.log(mass / tail) * mass / density
    return x + step if upper else x - step


def _exact_lower(k: int, n: int, tail: float) -> float:
    if k == 0:
        return 0.0
    if k == n:
        return math.exp(math.log(tail) / n)
    return beta_quantile(tail, k, n - k + 1)


def _exact_upper(k: int, n: int, tail: float) -> float:
    if k == n:
        return 1.0
    if k == 0:
        return -math.expm1(math.log(tail) / n)
    return beta_quantile(tail, k + 1, n - k, upper=True)


def _beta_density(a: float, b: float, x: float) -> float:
    """Density of beta(a, b) at x inside (0, 1), by Loader's binomial form with real counts.

    Source: Loader 2000, Fast and Accurate Computation of Binomial Probabilities.
    """
    n, y = a + b, 1.0 - x
    exponent = (
        _stirling_error(n)
        - _stirling_error(a)
        - _stirling_error(b)
        - _deviance(a, n * x)
        - _deviance(b, n * y)
    )
    binomial = math.exp(exponent) * math.sqrt(n / (2.0 * math.pi * a * b))
    return binomial * a * b / (n * x * y)


def _stirling_error(n: float) -> float:
    """What Stirling's formula leaves out of log(n!): Loader 2000; DLMF 5.11.1."""
    if n < _SERIES_FROM:
        return math.lgamma(n + 1.0) - (n + 0.5) * math.log(n) + n - _HALF_LOG_TWO_PI
    s = 1.0 / (n * n)
    series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188))))
    return series / n


def _deviance(x: float, mean: float) -> float:
    """x·log(x/mean) + mean - x without cancellation near the mean: Loader 2000."""
    if abs(x - mean) >= _SMALL_DEVIATION * (x + mean):
        return x * math.log(x / mean) + mean - x
    v = (x - mean) / (x + mean)
    total, term, j = (x - mean) * v, 2.0 * x * v, 1
    while True:
        term *= v * v
        longer = total + term / (2 * j + 1)
        if longer == total:
            return longer
        total, j = longer, j + 1


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Evaluate DLMF 8.17.22 from the front; converges fast for x under (a+1)/(a+b+2)."""
    c, d = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _CONTINUED_FRACTION_LIMIT):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / _not_zero(1.0 + even * d)
        c = _not_zero(1.0 + even / c)
        value *= d * c
        d = 1.0 / _not_zero(1.0 + odd * d)
        c = _not_zero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) <= _STOP:
            return value
    raise MethodRefused("beta_tails", "a convergent continued fraction", found=f"{a}, {b}, {x}")


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def tail_of(where: str, level: float, side: Side) -> float:
    """Give the chance of an error at each end that a level leaves on these sides."""
    if not 0.0 < level < 1.0:
        raise MethodRefused(where, "a level inside (0, 1)", found=repr(level))
    if side not in ("two-sided", "upper", "lower"):
        raise MethodRefused(where, "two-sided, upper or lower", found=repr(side))
    return (1.0 - level) / 2.0 if side == "two-sided" else 1.0 - level


def _require_counts(where: str, k: int, n: int) -> None:
    if n < 1:
        raise MethodRefused(where, "at least one row", found=f"n = {n}")
    if not 0 <= k <= n:
        raise MethodRefused(where, "a count from 0 to n", found=f"k = {k}, n = {n}")
