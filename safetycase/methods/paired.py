"""One item, two arms: what changed, how sure that is, and how many items it takes to know.

Outcomes are 0/1. The difference is always rate after minus rate before. Pairs are taken as
independent; clustered items and several samples of one item: see `clusters`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.interval import (
    Interval,
    Side,
    beta_tails,
    critical_value,
    normal_quantile,
)

Alternative = Literal["two-sided", "greater", "less"]
"""What is claimed of the rate after: that it differs, that it is higher, that it is lower."""

Worse = Literal["lower", "higher"]
"""Which way the outcome gets worse: "lower" for correct answers, "higher" for harmful ones."""

_SMALLEST_P = math.ulp(0.0)
_INTEGERS_UP_TO = 2048
_BISECTIONS = 1100


@dataclass(frozen=True, slots=True)
class Pairs:
    """The fourfold table of paired 0/1 outcomes; at least one pair, no count negative."""

    both: int
    only_before: int
    only_after: int
    neither: int

    def __post_init__(self) -> None:
        """Refuse counts that no set of pairs has."""
        counts = (self.both, self.only_before, self.only_after, self.neither)
        if min(counts) < 0 or not any(counts):
            raise MethodRefused(
                "Pairs", "counts of at least one pair, none negative", found=str(counts)
            )

    @classmethod
    def of(
        cls, before: Sequence[int] | NDArray[Any], after: Sequence[int] | NDArray[Any]
    ) -> Self:
        """Count pairs from two equally long 0/1 (or bool) sequences; entry i is one item.

        Refused: no entries, unequal lengths, anything but 0 and 1 (a missing outcome is not 0).
        """
        first, second = _outcomes("before", before), _outcomes("after", after)
        if first.size != second.size:
            raise MethodRefused(
                "Pairs.of",
                "as many outcomes after as before",
                found=f"{first.size} and {second.size}",
            )
        cells = np.bincount(2 * first + second, minlength=4)
        neither, only_after, only_before, both = (int(count) for count in cells)
        return cls(both, only_before, only_after, neither)

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.both + self.only_before + self.only_after + self.neither

    @property
    def discordant(self) -> int:
        """Number of pairs whose two outcomes differ."""
        return self.only_before + self.only_after

    @property
    def difference(self) -> float:
        """Rate after minus rate before."""
        return (self.only_after - self.only_before) / self.n


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether after is at most `margin` worse than before, and the bound that decides it."""

    bound: float
    """The one-sided Tango bound of the difference on the side that is worse."""
    margin: float
    """The largest worsening still called acceptable, fixed before measuring."""
    holds: bool
    """The bound lies strictly within the margin."""


def mcnemar_exact(pairs: Pairs, alternative: Alternative = "two-sided") -> float:
    """Give the chance of a split of the discordant pairs this uneven if no arm is favoured.

    Conditional on the discordant pairs; without any, 1. Two-sided is twice the smaller tail,
    at most 1. Integer arithmetic up to 2048 discordant pairs (the correctly rounded value),
    the incomplete beta function above (relative error about 1e-12). A value too small for a
    double becomes the smallest positive one, never 0.

    Source: McNemar 1947, Psychometrika 12:153; exact form: Fagerland, Lydersen & Laake 2013,
    BMC Medical Research Methodology 13:91; pairing: Miller, arXiv 2411.00640.
    """
    m = pairs.discordant
    if alternative == "greater":
        p = _chance_of_at_least(pairs.only_after, m)
    elif alternative == "less":
        p = _chance_of_at_least(pairs.only_before, m)
    elif alternative == "two-sided":
        larger = max(pairs.only_after, pairs.only_before)
        p = min(1.0, 2.0 * _chance_of_at_least(larger, m))
    else:
        raise MethodRefused(
            "mcnemar_exact", "two-sided, greater or less", found=repr(alternative)
        )
    return max(p, _SMALLEST_P)


@lru_cache(maxsize=10_000)
def tango_interval(pairs: Pairs, level: float = 0.95, side: Side = "two-sided") -> Interval:
    """Give the differences (after - before) that the paired score test does not reject.

    Never of width 0: without discordant pairs it is ±z²/(n + z²). "upper" gives [-1, high] and
    "lower" gives [low, 1], each at one-sided `level`. Coverage is approximate: 0.936 to 0.969
    at nominal 0.95 for n of 50 to 100 with few discordant pairs.

    Source: Tango 1998, Statistics in Medicine 17:891: the score statistic with the nuisance
    rate at its maximum likelihood under the difference; ends by bisection to the last bit.
    """
    z = critical_value(level, side)
    return score_interval(pairs.only_after, pairs.only_before, pairs.n, z, side)


def score_interval(
    up: float, down: float, n: float, z: float, side: Side = "two-sided"
) -> Interval:
    """Give the differences (up - down)/n that the paired score test does not reject at z.

    Counts need not be whole: pairs may be worth less than they number. See `tango_interval`.
    """
    high = 1.0 if side == "lower" else _highest_difference(up, down, n, z)
    low = -1.0 if side == "upper" else -_highest_difference(down, up, n, z)
    return Interval(low, high)


def non_inferiority(
    pairs: Pairs, margin: float, alpha: float, worse: Worse = "lower"
) -> NonInferiority:
    """Decide whether after is less than `margin` worse than before, erring with chance alpha.

    By inclusion of the one-sided Tango bound at level 1 - alpha; alpha = 0.025 is the end of a
    two-sided 95 % interval. A case that does not hold is undecided, not shown to be worse.
    Refused: a margin outside (0, 1), an alpha outside (0, 0.5].

    Source: Tango 1998; non-inferiority by inclusion of a bound: ICH E9, section 3.3.2.
    """
    _require_share("non_inferiority", "margin", margin)
    _require_alpha("non_inferiority", alpha)
    if worse == "lower":
        bound = tango_interval(pairs, 1.0 - alpha, "lower").low
        return NonInferiority(bound, margin, bound > -margin)
    if worse == "higher":
        bound = tango_interval(pairs, 1.0 - alpha, "upper").high
        return NonInferiority(bound, margin, bound < margin)
    raise MethodRefused("non_inferiority", "worse: lower or higher", found=repr(worse))


@lru_cache(maxsize=1_000, typed=True)
def minimum_detectable_difference(
    n: int, discordance: float, alpha: float, power: float
) -> float:
    """Give the least true difference that n pairs find with chance `power`, two-sided alpha.

    `discordance` is the expected share of pairs whose outcomes differ. Large-sample: optimistic
    under a few hundred pairs. Refused where that difference would be larger than the
    discordance, since no true difference can be.

    Source: Miller, arXiv 2411.00640, equation 10, one sample per item, with the variance of a
    paired 0/1 difference, ω² = discordance - δ²; solved for δ.
    """
    where = "minimum_detectable_difference"
    if n < 1:
        raise MethodRefused(where, "at least one pair", found=f"n = {n}")
    z = _test_points(where, alpha, power)
    _require_share(where, "discordance", discordance)
    difference = z * math.sqrt(discordance / (n + z * z))
    if difference > discordance:
        raise MethodRefused(
            where,
            f"a difference that discordance {discordance} allows",
            found=f"{difference:.4f} with n = {n}",
            remedy="Take more items.",
        )
    return difference


def sample_for_difference(
    difference: float, discordance: float, alpha: float, power: float
) -> int:
    """Give the pairs needed to find a true difference with chance `power`, two-sided alpha.

    The inverse of `minimum_detectable_difference`, rounded up. Refused: a difference larger
    than the discordance, since none is.

    Source: Miller, arXiv 2411.00640, equation 9, with ω² = discordance - δ².
    """
    where = "sample_for_difference"
    z = _test_points(where, alpha, power)
    _require_share(where, "difference", difference)
    _require_share(where, "discordance", discordance)
    if difference > discordance:
        raise MethodRefused(
            where,
            f"a difference of at most {discordance}, the discordance",
            found=f"{difference}",
        )
    variance = discordance - difference * difference
    return math.ceil(z * z * variance / (difference * difference))


def sample_for_margin(margin: float, discordance: float, alpha: float, power: float) -> int:
    """Give the pairs with which `non_inferiority` holds with chance `power` if nothing changed.

    One-sided alpha, true difference 0, expected share of discordant pairs `discordance`. Larger
    than equation 9 of Miller (arXiv 2411.00640) asks, because the score test takes its variance
    under the margin; with hardly a discordant pair that is z²(1 - margin)/margin and more.
    The true chance is 1 to 4 points over a `power` of 0.8 from 140 pairs on (enumerated), and
    jumps by more for fewer, where one more discordant pair decides.

    Source: Nam 1997, Biometrics 53:1422: (z of 1 - alpha · s0 + z of power · s1)² / margin²,
    with s0² the limit of Tango's null variance at -margin and s1² = discordance.
    """
    where = "sample_for_margin"
    _require_share(where, "margin", margin)
    _require_share(where, "discordance", discordance)
    _require_alpha(where, alpha)
    _test_points(where, 2.0 * alpha, power)
    under_margin = _null_variance(-margin, discordance / 2.0, discordance / 2.0, 1.0)
    deviation = critical_value(1.0 - alpha, "upper") * math.sqrt(under_margin)
    deviation += normal_quantile(power) * math.sqrt(discordance)
    return math.ceil((deviation / margin) ** 2)


def _outcomes(name: str, values: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise MethodRefused("Pairs.of", f"outcomes {name}", found=f"shape {array.shape}")
    if array.dtype.kind not in "bui" or array.min() < 0 or array.max() > 1:
        raise MethodRefused("Pairs.of", f"0 or 1 in {name}", found=f"{array.dtype} values")
    return array.astype(np.int64)


def _chance_of_at_least(count: int, m: int) -> float:
    """P(X >= count) for X ~ binomial(m, 1/2)."""
    if count == 0:
        return 1.0
    if m > _INTEGERS_UP_TO:
        return beta_tails(count, m - count + 1, 0.5)[0]
    upper_is_short = 2 * count > m
    terms = m - count + 1 if upper_is_short else count
    ways, total = 1, 0
    for i in range(terms):
        total += ways
        ways = ways * (m - i) // (i + 1)
    all_ways = 1 << m
    return (total if upper_is_short else all_ways - total) / all_ways


def _highest_difference(up: float, down: float, n: float, z: float) -> float:
    """The largest difference in [estimate, 1] not rejected at z; bisected until it stands."""
    estimate = (up - down) / n
    kept, rejected = estimate, 1.0
    if estimate == 1.0:
        return 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (kept + rejected)
        if not kept < middle < rejected:
            return kept
        distance = middle - estimate
        if n * distance * distance > z * z * _null_variance(middle, up, down, n):
            rejected = middle
        else:
            kept = middle
    return kept


def _null_variance(difference: float, up: float, down: float, n: float) -> float:
    """Variance of the estimate times n, the nuisance at its maximum under `difference`.

    The quadratic of Tango 1998 for the rate of pairs that go down.
    """
    product = difference * (1.0 - difference)
    b = (2 * n - up + down) * difference - (up + down)
    c = -down * product
    root = math.sqrt(max(0.0, b * b - 8.0 * n * c))
    # Of the two spellings of one root, the one that subtracts no nearly equal numbers.
    down_rate = -2.0 * c / (root + b) if b > 0.0 else (root - b) / (4.0 * n)
    return max(0.0, 2.0 * down_rate + product)


def _test_points(where: str, alpha: float, power: float) -> float:
    """Sum of the normal points of 1 - alpha/2 and of the power."""
    _require_share(where, "alpha", alpha)
    if not 0.5 <= power < 1.0:
        raise MethodRefused(where, "a power in [0.5, 1)", found=repr(power))
    return critical_value(1.0 - alpha) + normal_quantile(power)


def _require_share(where: str, name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise MethodRefused(where, f"a {name} inside (0, 1)", found=repr(value))


def _require_alpha(where: str, alpha: float) -> None:
    if not 0.0 < alpha < 0.5:
        raise MethodRefused(where, "a one-sided alpha inside (0, 0.5)", found=repr(alpha))
