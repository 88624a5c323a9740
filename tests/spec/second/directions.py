"""Clauses 12.1 and 13: the search for features, control draws, directions."""

import math
import struct
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from statistics import fmean, pstdev

from tests.spec.second.clusters import one_sample, welch
from tests.spec.second.draws import Stream
from tests.spec.second.figures import benjamini_hochberg, holm, mann_whitney
from tests.spec.second.json_types import Json, Row


def single(row: Sequence[float]) -> Row:
    """Numbers rounded to float32."""
    return struct.unpack(f"<{len(row)}f", struct.pack(f"<{len(row)}f", *row))


def unit(row: Sequence[float]) -> Row:
    """A row scaled to length 1, its squares summed with correct rounding."""
    length = math.sqrt(math.fsum(x * x for x in row))
    return tuple(x / length for x in row)


def of_features(features: Sequence[int], decoder: Mapping[int, Row]) -> Row:
    """Clause 13.3: the direction of a set of features."""
    total = [0.0] * len(next(iter(decoder.values())))
    for feature in features:
        total = [a + b for a, b in zip(total, unit(decoder[feature]), strict=True)]
    return single(unit(total))


def of_pair(pair: Sequence[int], pool: Sequence[Row]) -> Row:
    """Clause 13.3: the direction of two rows of the pool."""
    i, j = pair
    return single(unit([a - b for a, b in zip(pool[i], pool[j], strict=True)]))


def of_means(
    means: Sequence[Row], positive: Sequence[bool], within: Sequence[bool] | None = None
) -> Row:
    """Clause 13.3a: the difference of class means, rows added first to last."""
    return single(unit(_between_means(means, positive, within)))


def distance_of_means(means: Sequence[Row], positive: Sequence[bool]) -> float:
    """The length of that difference before it is normalised."""
    return math.sqrt(math.fsum(x * x for x in _between_means(means, positive)))


def _between_means(
    means: Sequence[Row], positive: Sequence[bool], within: Sequence[bool] | None = None
) -> list[float]:
    inside = within or [True] * len(means)
    total = [0.0] * len(means[0])
    for stratum in sorted(set(inside), reverse=True):
        sides = []
        for side in (True, False):
            places = [i for i, p in enumerate(positive) if p is side and inside[i] is stratum]
            columns = zip(*(means[i] for i in places), strict=True)
            sides.append([reduce(add, column) / len(places) for column in columns])
        total = [t + (a - b) for t, a, b in zip(total, *sides, strict=True)]
    return total


def shuffled(seed: str, labels: list[bool]) -> list[bool]:
    """Clause 13.3a: labels permuted so that either true class has both."""
    stream, n = Stream(seed, "labels"), len(labels)
    while True:
        new = [labels[i] for i in stream.sample(n, n)]
        classes = [{new[i] for i in range(n) if labels[i] is side} for side in (True, False)]
        if all(len(c) > 1 for c in classes):
            return new


def gaussian(seed: str, width: int) -> Row:
    """Clause 13.3a: an isotropic direction."""
    stream = Stream(seed, "gaussian")
    values: list[float] = []
    while len(values) < width:
        radius = math.sqrt(-2 * math.log1p(-stream.uniform()))
        angle = 2 * math.pi * stream.uniform()
        values += [radius * math.cos(angle), radius * math.sin(angle)]
    return single(unit(values[:width]))


def drawn_words(prompts: list[set[str]], own: list[bool] | None, rule: Json) -> list[str]:
    """Clause 13.3a: the words that may be drawn, one for each division of the prompts."""
    found: dict[frozenset[bytes], str] = {}
    for word in sorted(set().union(*prompts)):
        holds = [word in p for p in prompts]
        parts = (
            [holds]
            if own is None
            else [
                [h for h, o in zip(holds, own, strict=True) if o is side]
                for side in (True, False)
            ]
        )
        if all(min(sum(p), len(p) - sum(p)) >= rule["minimum_items"] for p in parts):
            found.setdefault(frozenset((bytes(holds), bytes(not h for h in holds))), word)
    return list(found.values())


class Pooled:
    """Clause 7.2: the largest activations of an axis, as columns by feature."""

    def __init__(self, tensors: Mapping[str, Sequence[float]], axis: str) -> None:
        """Turn the sparse rows round."""
        values, columns = tensors[f"{axis}.values"], tensors[f"{axis}.columns"]
        starts, self.widths = tensors[f"{axis}.indptr"], tensors[f"{axis}.width"]
        self.items = len(starts) - 1
        self.columns: dict[int, dict[int, float]] = {}
        moved = tensors.get(f"{axis}.attribution", ())
        self.moved: dict[int, dict[int, float]] = {}
        for row in range(self.items):
            for k in range(int(starts[row]), int(starts[row + 1])):
                self.columns.setdefault(int(columns[k]), {})[row] = values[k]
                if moved:
                    self.moved.setdefault(int(columns[k]), {})[row] = moved[k]

    def column(self, feature: int) -> list[float]:
        """One feature on every prompt."""
        found = self.columns.get(feature, {})
        return [found.get(row, 0.0) for row in range(self.items)]

    def attribution(self, feature: int) -> list[float]:
        """Clause 12.1c: how far one feature moves the log-odds, on every prompt."""
        found = self.moved.get(feature, {})
        return [found.get(row, 0.0) for row in range(self.items)]

    def density(self, feature: int) -> float:
        """Clause 12.1: the share of prompts on which a feature has an activation."""
        return len(self.columns.get(feature, {})) / self.items

    def largest(self, feature: int) -> float:
        """The largest activation of a feature."""
        return max(self.columns.get(feature, {}).values(), default=0.0)

    def dense(self, density: float) -> list[int]:
        """Features with at least this density, ascending."""
        return sorted(f for f, c in self.columns.items() if len(c) / self.items >= density)


RANKED_BY = {
    "auroc": ("auroc", 0.5),
    "standardised_mean_difference": ("standardised_difference", 0.0),
    "attribution": ("attribution", 0.0),
}
"""What features are ranked by, and what they must be above."""


def search(
    pooled: Pooled, classes: Sequence[bool | None], compared: Sequence[bool], rule: Json
) -> Json:
    """Clauses 12.1 to 12.1c: candidates and the features kept."""
    name, least = RANKED_BY[rule["statistic"]]
    way = -1 if rule.get("attribution", {}).get("direction") == "down" else 1
    sides = [c for c, there in zip(classes, compared, strict=True) if there]
    too_few = (
        rule["contrast"]["label"] == "outcome" and min(map(sides.count, (True, False))) < 2
    )
    dense = [] if too_few else pooled.dense(rule["minimum_density"])
    found = [one for f in dense if (one := _candidate(pooled, f, classes, compared, rule))]
    by_fdr = rule.get("correction") == "benjamini_hochberg"
    corrected = (benjamini_hochberg if by_fdr else holm)([one["p"] for one in found])
    for one, p in zip(found, corrected, strict=True):
        one["p_adjusted"] = p
    above = [one for one in found if way * one[name] > least]
    kept = [one for one in above if one["p_adjusted"] <= rule["alpha"]]
    kept.sort(key=lambda one: (-way * one[name], one["feature"]))
    out = {
        "candidates": len(found),
        "significant": len(kept),
        "features": kept[: rule["keep"]],
    }
    if above and not kept:
        out["least_p_adjusted"] = min(one["p_adjusted"] for one in above)
    return out


def _candidate(
    pooled: Pooled,
    feature: int,
    classes: Sequence[bool | None],
    compared: Sequence[bool],
    rule: Json,
) -> Json:
    """A feature with its statistics; none if it is constant where prompts are compared."""
    column = pooled.column(feature)
    there = [i for i, c in enumerate(compared) if c]
    moved = [pooled.attribution(feature)[i] for i in there]
    by_moves = rule["statistic"] == "attribution"
    if len({column[i] for i in there}) < 2 or (by_moves and len(set(moved)) < 2):
        return None
    above, below = ([column[i] for i in there if classes[i] is side] for side in (True, False))
    density = sum(v > 0 for v in column) / len(column)
    area, p = mann_whitney(above, below)
    one: Json = {"feature": feature, "auroc": area, "p": p, "density": density}
    if len(pooled.widths) > 1:
        [part] = parts([feature], pooled.widths)
        one["of_part"] = {"part": part, "feature": feature - sum(pooled.widths[:part])}
    if by_moves:
        one |= {"attribution": fmean(moved), "p": one_sample(moved)}
    if rule["statistic"] == "standardised_mean_difference":
        spread = pstdev([*above, *below])
        one["standardised_difference"] = (fmean(above) - fmean(below)) / spread
        one["p"] = welch(above, below)
    return one


def parts(features: Sequence[int], widths: Sequence[int]) -> list[int]:
    """Clause 5.6: which dictionary of a stack each feature is of."""
    return [sum(f >= sum(widths[: n + 1]) for n in range(len(widths))) for f in features]


def feature_sets(
    pools: Sequence[tuple[Sequence[int], int]], count: int, seed: str, purpose: str
) -> list[list[int]]:
    """Clause 13.2: `count` different sets, with so many features of each pool."""
    stream = Stream(seed, purpose)
    drawn: list[list[int]] = []
    while len(drawn) < count:
        chosen = sorted(
            pool[i] for pool, size in pools if size for i in stream.sample(len(pool), size)
        )
        if chosen not in drawn:
            drawn.append(chosen)
    return drawn


def pairs(
    pool: Sequence[Row], target: Row, count: int, seed: str, purpose: str
) -> list[list[int]]:
    """Clause 13.2: `count` different pairs of rows that lie across the target."""
    stream = Stream(seed, purpose)
    drawn: list[list[int]] = []
    while len(drawn) < count:
        pair = stream.sample(len(pool), 2)
        if any(set(pair) == set(old) for old in drawn):
            continue
        direction = of_pair(pair, pool)
        if abs(math.fsum(a * b for a, b in zip(direction, target, strict=True))) < 0.5:
            drawn.append(pair)
    return drawn
