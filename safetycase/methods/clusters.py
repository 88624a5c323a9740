"""Answers that belong together: rates, differences and tests whose unit is the cluster.

Wordings of one question, or samples of one item, tend to go the same way, so that n of them say
less than n independent answers. How much less is estimated (the design effect, never under 1)
and the exact and score methods of single answers are applied to the effective number, with
Student's t in place of the normal point: a Wald interval would be empty where nothing varies.
Where nothing varies, all answers of a cluster are taken to be alike: the worst there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.interval import (
    Interval,
    Side,
    beta_quantile,
    beta_tails,
    normal_cdf,
    student_t_critical,
    tail_of,
)
from safetycase.methods.paired import score_interval

_STEPS = 200
_MOST_WORK = 2 * 10**9
"""Clusters times answers up to which all signs are counted out; beyond, the normal tail."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Which cluster each answer belongs to."""

    codes: NDArray[np.intp]
    """The number of each answer's cluster, from 0."""
    sizes: NDArray[np.int64]
    """How many answers each cluster has."""

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Group answers by the name of their cluster; refused without answers."""
        if not names:
            raise MethodRefused("Grouping.of", "at least one answer", found="none")
        numbers: dict[str, int] = {}
        codes = np.fromiter(
            (numbers.setdefault(name, len(numbers)) for name in names), np.intp, len(names)
        )
        return cls(codes, np.bincount(codes))

    def repeated(self, times: int) -> Grouping:
        """The same with so many answers in the place of each, side by side."""
        return Grouping(self.codes.repeat(times), self.sizes * times)

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(self.sizes)

    @property
    def answers(self) -> int:
        """Number of answers."""
        return len(self.codes)

    @property
    def is_trivial(self) -> bool:
        """Whether every answer stands alone."""
        return self.clusters == self.answers

    @property
    def if_alike(self) -> float:
        """How many independent answers these are worth if those of one cluster are all alike.

        Source: Kish 1965, Survey Sampling, section 8.2: n² / Σ n_c².
        """
        return self.answers**2 / int(np.square(self.sizes).sum())


def clustered_standard_error(values: NDArray[Any], groups: Grouping) -> float:
    """Give the standard error of the mean of values, clusters being the unit.

    The sandwich estimate with the correction C/(C - 1) for C clusters. Refused: one cluster.

    Source: Miller, arXiv 2411.00640, equation 4; Liang & Zeger 1986, Biometrika 73:13.
    """
    c = groups.clusters
    if c < 2:
        raise MethodRefused("clustered_standard_error", "two clusters or more", found=str(c))
    centred = np.asarray(values, dtype=np.float64) - float(np.mean(values))
    sums = np.bincount(groups.codes, weights=centred)
    return math.sqrt(c / (c - 1) * float(np.square(sums).sum())) / groups.answers


def design_effect(values: NDArray[Any], groups: Grouping) -> float:
    """Give the variance of a mean with clusters as the unit over that of independent answers.

    At least 1. Where all values are equal, or there is but one cluster, nothing can be
    estimated: then as if all answers of a cluster were alike.

    Source: Kish 1965; Miller, arXiv 2411.00640, equation 4.
    """
    n = groups.answers
    spread = float(np.var(values)) / (n - 1) if n > 1 else 0.0
    if spread == 0.0 or groups.clusters == 1:
        return n / groups.if_alike
    return max(1.0, clustered_standard_error(values, groups) ** 2 / spread)


def effective_for_rate(effect: float, groups: Grouping, level: float) -> float:
    """Give how many independent answers a rate rests on, at most as many as there are.

    The number of answers over their design effect, times the squared ratio of Student's t for
    answers and for clusters: few clusters estimate a design effect badly. One cluster: 0.

    Source: Korn & Graubard 1998, Survey Methodology 24:193.
    """
    n, c = groups.answers, groups.clusters
    if c == 1:
        return 0.0
    ratio = student_t_critical(level, n - 1) / student_t_critical(level, c - 1)
    return min(float(n), n / effect * ratio * ratio)


def korn_graubard(
    share: float, effective: float, level: float, side: Side = "two-sided"
) -> Interval:
    """Bound a proportion seen in answers that are worth `effective` independent ones.

    Clopper-Pearson with counts that need not be whole; with whole ones it is Clopper-Pearson.
    Nothing is excluded by no answers. Sides as in `clopper_pearson`.

    Source: Korn & Graubard 1998, Survey Methodology 24:193.
    """
    if not (0.0 <= share <= 1.0 and effective >= 0.0):
        raise MethodRefused("korn_graubard", "a share", found=f"{share} of {effective}")
    tail = tail_of("korn_graubard", level, side)
    k, rest = share * effective, (1.0 - share) * effective
    low = 0.0 if side == "upper" or k == 0.0 else _quantile(tail, k, rest + 1.0)
    high = 1.0 if side == "lower" or rest == 0.0 else 1.0 - _quantile(tail, rest, k + 1.0)
    return Interval(low, high)


@lru_cache(maxsize=10_000)
def _quantile(tail: float, a: float, b: float) -> float:
    """The point under which a beta(a, b) has the mass `tail`; b >= 1, a may be under 1."""
    if a >= 1.0:
        return beta_quantile(tail, a, b)
    if b == 1.0:
        return math.exp(math.log(tail) / a)
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if beta_tails(a, b, middle)[0] < tail else (low, middle)
    return low


def clustered_difference(
    up: int, down: int, groups: Grouping, effect: float, level: float
) -> Interval:
    """Bound the difference of two paired rates: `up` answers gained and `down` lost.

    The score interval of Tango at the effective number of pairs, with Student's t for C - 1
    degrees of freedom. One cluster excludes nothing.

    Source: Tango 1998, Statistics in Medicine 17:891; design effects in score tests: Rao &
    Scott 1992, Biometrics 48:577.
    """
    if groups.clusters == 1:
        return Interval(-1.0, 1.0)
    t = student_t_critical(level, groups.clusters - 1)
    return score_interval(up / effect, down / effect, groups.answers / effect, t)


def bound_without_change(effective: float, clusters: int, level: float) -> float:
    """Give the upper bound of a difference where no pair differs: what a sample can exclude."""
    if clusters == 1:
        return 1.0
    return score_interval(0.0, 0.0, effective, student_t_critical(level, clusters - 1)).high


def sign_flip(differences: NDArray[Any], groups: Grouping) -> float:
    """Give the chance of a total this far from 0 if in each cluster either arm could be either.

    Two-sided and exact: the differences (-1, 0, 1) of a cluster change sign together, and all
    2^C ways are counted, by convolution and not by drawing. With clusters of one it is the
    exact McNemar test. Above 2·10⁹ steps the normal tail with the same variance is given.

    Source: paired permutation by cluster, Fisher 1935, The Design of Experiments, section 21;
    Miller, arXiv 2411.00640, section 4 (pairs and clusters).
    """
    whole = np.asarray(differences)
    if whole.dtype.kind not in "iu" and whole.dtype != np.bool_:
        raise MethodRefused("sign_flip", "whole differences", found=str(whole.dtype))
    sums = np.rint(np.bincount(groups.codes, weights=whole)).astype(np.int64)
    sizes = np.sort(np.abs(sums[sums != 0]))
    seen, most = abs(int(sums.sum())), int(sizes.sum())
    if seen == 0:
        return 1.0
    if len(sizes) * most > _MOST_WORK:
        deviation = math.sqrt(float(np.square(sizes.astype(np.float64)).sum()))
        return max(math.ulp(0.0), 2.0 * normal_cdf(-seen / deviation))
    # The chance of each total of those clusters that keep their sign: total = 2 kept - most.
    chance = np.zeros(most + 1)
    chance[0] = 1.0
    reach = 0
    for size in sizes.tolist():
        moved = chance[: reach + 1].copy()
        chance[: reach + 1] *= 0.5
        chance[size : reach + size + 1] += 0.5 * moved
        reach += size
    least = (most + seen + 1) // 2
    return min(1.0, max(math.ulp(0.0), 2.0 * math.fsum(chance[least:].tolist())))
