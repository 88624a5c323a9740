"""Clause 15.1a: rates and changes where items come in clusters; the tests that need scipy."""

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import fmean, variance

from scipy.stats import beta, t

from tests.spec.second.figures import score_interval
from tests.spec.second.json_types import Json


class Groups:
    """The clusters of the items of a split."""

    def __init__(self, names: Sequence[str], samples: int = 1) -> None:
        """Number them; `samples` answers of an item are counted apart."""
        self.samples = samples
        self.places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            self.places.setdefault(name, []).append(place)
        self.n, self.clusters = len(names), len(self.places)
        self.if_alike = self.n**2 / sum(len(p) ** 2 for p in self.places.values())

    @property
    def alone(self) -> bool:
        """Whether every item stands alone."""
        return self.clusters == self.n

    def sums(self, x: Sequence[float]) -> list[float]:
        """The sum of each cluster."""
        return [sum(x[i] for i in places) for places in self.places.values()]

    def design_effect(self, x: Sequence[int]) -> float:
        """The variance with clusters as the unit, over that of independent items."""
        n, c, mean = self.n, self.clusters, sum(x) / self.n
        if len(set(x)) == 1 or c == 1:
            return n / self.if_alike
        by_cluster = sum(s**2 for s in self.sums([v - mean for v in x])) / n**2 * c / (c - 1)
        alone = sum((v - mean) ** 2 for v in x) / n / (n - 1)
        return max(by_cluster / alone, 1.0)

    def point(self, level: float, items: int) -> float:
        """The two-sided point of Student's t for so many units."""
        return float(t.isf((1 - level) / 2, items - 1))

    def described(self, method: str, effect: float, effective: float) -> Json:
        """The field `clustered`."""
        return {
            "method": method,
            "clusters": self.clusters,
            "design_effect": effect,
            "effective": effective,
            "if_alike": self.if_alike,
            **({"samples": self.samples} if self.samples > 1 else {}),
        }

    def rate(self, least: Sequence[bool], most: Sequence[bool], level: float) -> Json:
        """A rate's interval by Korn and Graubard: what is missing does not count, or does."""
        effect = max(self.design_effect([int(v) for v in x]) for x in (least, most))
        effective = 0.0
        if self.clusters > 1:
            ratio = self.point(level, self.n) / self.point(level, self.clusters)
            effective = min(self.n, self.n / effect * ratio**2)
        tail = (1 - level) / 2
        low, _ = korn_graubard(sum(least) / self.n, effective, tail)
        _, high = korn_graubard(sum(most) / self.n, effective, tail)
        described = self.described("korn_graubard", effect, effective)
        return {"low": low, "high": high, "clustered": described}

    def change(self, before: Sequence[bool], after: Sequence[bool], level: float) -> Json:
        """A change's interval and p."""
        x = [int(a) - int(b) for b, a in zip(before, after, strict=True)]
        effect = self.design_effect(x)
        low, high = -1.0, 1.0
        if self.clusters > 1:
            counts = (x.count(1) / effect, x.count(-1) / effect, self.n / effect)
            low, high = score_interval(*counts, self.point(level, self.clusters))
        described = self.described("tango_design_effect", effect, self.n / effect)
        return {"low": low, "high": high, "p": self.flipped(x), "clustered": described}

    def flipped(self, x: Sequence[int]) -> float:
        """The share of the clusters' signs that give a total as far from 0."""
        totals = {0: 1}
        sums = [int(s) for s in self.sums(x)]
        for s in sums:
            grown: dict[int, int] = {}
            for total, ways in totals.items():
                for signed in (s, -s):
                    grown[total + signed] = grown.get(total + signed, 0) + ways
            totals = grown
        far = abs(sum(sums))
        extreme = sum(ways for total, ways in totals.items() if abs(total) >= far)
        return float(Fraction(extreme, 2**self.clusters))

    def bound_without_change(self, level: float) -> float:
        """Condition 9: the bound if nothing changed."""
        if self.clusters == 1:
            return 1.0
        point = self.point(level, self.clusters)
        return score_interval(0, 0, self.if_alike, point)[1]


def korn_graubard(share: float, effective: float, tail: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of a number that need not be whole."""
    k = share * effective
    if effective == 0:
        return 0.0, 1.0
    low = 0.0 if share == 0 else float(beta.ppf(tail, k, effective - k + 1))
    high = 1.0 if share == 1 else float(beta.isf(tail, k + 1, effective - k))
    return low, high


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Welch's two-sided p, at least the least of a permutation test."""
    u, v = variance(one) / len(one), variance(other) / len(other)
    floor = 2 / math.comb(len(one) + len(other), len(one))
    if u + v == 0:
        return floor
    degrees = (u + v) ** 2 / (u * u / (len(one) - 1) + v * v / (len(other) - 1))
    far = abs(fmean(one) - fmean(other)) / math.sqrt(u + v)
    return max(2 * float(t.sf(far, degrees)), floor)


def one_sample(x: Sequence[float]) -> float:
    """Clause 12.1c: the two-sided one-sample t, at least the least of a sign-flip test."""
    floor = 2 / 2 ** sum(v != 0 for v in x)
    spread = variance(x)
    far = abs(fmean(x)) / math.sqrt(spread / len(x)) if spread else math.inf
    return max(2 * float(t.sf(far, len(x) - 1)), min(1.0, floor))
