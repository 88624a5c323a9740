"""Control interventions: how they are drawn, when they count, and what beating them shows.

A target is compared with controls drawn by a seeded stream from a published pool, so that
anyone can draw them again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.stream import Stream

REPORTED_ONLY = frozenset({"gaussian"})
"""Families that no claim relies on: such directions lie mostly where no activation lies, so
that doing more than they do says little."""


def rank_test(target_effect: float, control_effects: Sequence[float]) -> float:
    """Give the chance that a target exchangeable with its controls would rank this high.

    One-sided: effects are signed by the caller so that larger means more of what is claimed.
    Controls equal to the target count against it. (1 + #{control >= target}) / (k + 1), never
    under `least_attainable(k)`. Valid if target and controls are exchangeable when the target
    does nothing special; says nothing of a target that was chosen on these same rows. Refused:
    no controls, NaN, infinity.

    Source: Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9,
    article 39.
    """
    if not control_effects:
        raise MethodRefused("rank_test", "at least one control", found="none")
    if not all(math.isfinite(effect) for effect in (target_effect, *control_effects)):
        raise MethodRefused("rank_test", "finite effects", found="NaN or infinity")
    as_high = sum(effect >= target_effect for effect in control_effects)
    return (1 + as_high) / (len(control_effects) + 1)


def least_attainable(k: int) -> float:
    """Give the smallest p that a rank test against k controls can reach: 1 / (k + 1)."""
    if k < 1:
        raise MethodRefused("least_attainable", "at least one control", found=str(k))
    return 1 / (k + 1)


def controls_needed(alpha: float, family_size: int) -> int:
    """Give the fewest controls whose least p can pass alpha as the first of a Holm family.

    The least k with 1/(k+1) <= alpha / family_size, alpha taken as the decimal it is written
    as, so that 0.05 and 14 give 279 and not a number that rounding shifts by one. Families that
    must all pass are no larger for having several kinds of control (intersection-union).
    Refused: alpha outside (0, 1), an empty family.
    """
    if not 0.0 < alpha < 1.0 or family_size < 1:
        raise MethodRefused(
            "controls_needed",
            "alpha inside (0, 1) and a family",
            found=f"{alpha}, {family_size}",
        )
    return max(1, math.ceil(family_size / Fraction(repr(alpha))) - 1)


def acts(realised_norm: float, target_norm: float, tolerance: float = 0.1) -> bool:
    """Say whether a control's realised mean ‖Δh‖ is within `tolerance` of the target's.

    Both norms over the same rows, in the same unit; the tolerance is a share of the target's
    norm. A control that does not act is no control: same dose on paper, no edit in fact. Equal
    norm is not equal damage. Refused: a target norm of 0, negative or infinite norms.
    """
    if not (0.0 <= realised_norm < math.inf and 0.0 < target_norm < math.inf):
        raise MethodRefused(
            "acts",
            "finite norms, the target's above 0",
            found=f"{realised_norm}, {target_norm}",
        )
    if not 0.0 < tolerance < 1.0:
        raise MethodRefused("acts", "a tolerance inside (0, 1)", found=repr(tolerance))
    return abs(realised_norm - target_norm) <= tolerance * target_norm


def draw_feature_sets(
    stream: Stream,
    parts: Sequence[tuple[Collection[int], int]],
    count: int,
    excluded: Collection[int],
) -> list[tuple[int, ...]]:
    """Draw `count` different sets of live features, none of them excluded.

    `parts` are live features, and how many of them every set has: one part or, where features
    are of several dictionaries, one for each, so that a control edits as many in each block as
    its target. The pool of a part is its live features without the excluded ones, ascending; a
    set is `stream.sample(len(pool), size)` as pool positions, part after part, its features
    ascending; a set drawn before is drawn again. Two sets may share features. Refused where the
    pools have too few sets.
    """
    pools = [(sorted(set(live) - set(excluded)), size) for live, size in parts if size]
    least = min((size for _, size in pools), default=0)
    if least < 1 or count < 1 or _sets(pools) < count:
        sizes = " and ".join(str(size) for _, size in pools) or "0"
        found = " and ".join(str(len(pool)) for pool, _ in pools) or "no"
        raise MethodRefused(
            "draw_feature_sets",
            f"{count} different sets of {sizes} features",
            found=f"{found} live features outside the selection",
            remedy="Lower the minimum density, or draw fewer.",
        )
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < count:
        chosen = [
            pool[position]
            for pool, size in pools
            for position in stream.sample(len(pool), size)
        ]
        drawn.setdefault(tuple(sorted(chosen)))
    return list(drawn)


def _sets(pools: Sequence[tuple[Sequence[int], int]]) -> int:
    """How many sets there are of so many features of each pool."""
    return math.prod(math.comb(len(pool), size) for pool, size in pools)


ALONG_TARGET = 0.5
"""Cosine, up to its sign, from which a direction is the target's by another name."""
_PATIENCE = 1000


def draw_pairs(
    stream: Stream,
    pool_size: int,
    count: int,
    *,
    is_control: Callable[[int, int], bool] = lambda _first, _second: True,
) -> list[tuple[int, int]]:
    """Draw `count` ordered pairs (i, j), i != j, no two of the same two indices.

    Each pair is `stream.sample(pool_size, 2)`; (j, i) after (i, j) is drawn again, since its
    difference is the same direction reversed, and so is a pair that is no control. Refused
    where the pool has too few pairs, or none is found for a thousand draws a pair.
    """
    if count < 1 or pool_size < 0 or math.comb(pool_size, 2) < count:
        raise MethodRefused(
            "draw_pairs", f"{count} different pairs", found=f"a pool of {pool_size}"
        )
    drawn: dict[frozenset[int], tuple[int, int]] = {}
    for _ in range(_PATIENCE * count):
        first, second = stream.sample(pool_size, 2)
        key = frozenset((first, second))
        if key not in drawn and is_control(first, second):
            drawn[key] = first, second
        if len(drawn) == count:
            return list(drawn.values())
    raise MethodRefused("draw_pairs", f"{count} pairs that are controls", found=str(len(drawn)))


def is_along(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two unit directions [d] lie along each other: |cosine| of ALONG_TARGET and more.

    The difference of two activations of unlike prompts can be the very direction whose effect
    is in question; that it does the same says nothing against the features.
    """
    products = one.astype(np.float64) * other.astype(np.float64)
    return abs(math.fsum(products.tolist())) >= ALONG_TARGET


def not_along(pool: NDArray[Any], aim: NDArray[np.float32]) -> Callable[[int, int], bool]:
    """Whether the difference of two activations of a pool [n, d] lies elsewhere than `aim`."""

    def elsewhere(first: int, second: int) -> bool:
        return not is_along(difference_direction(pool, first, second), aim)

    return elsewhere


def direction(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Give the unit vector along the sum of the rows' unit vectors: [k, d] -> float32 [d].

    Computed in float64 in an order that no library or processor changes (squares summed with
    correct rounding, rows added first to last), then rounded once. Refused: no rows, a row of
    zeros, rows that cancel, NaN or infinity.
    """
    data = np.asarray(rows, dtype=np.float64)
    if data.ndim != 2 or data.size == 0:
        raise MethodRefused("direction", "rows [k, d]", found=f"shape {data.shape}")
    total = np.zeros(data.shape[1])
    for row in data:
        total += _unit(row)
    return _unit(total).astype(np.float32)


def difference_direction(pool: NDArray[Any], i: int, j: int) -> NDArray[np.float32]:
    """Give the unit vector from activation j to activation i: [p, d] -> float32 [d].

    Such directions stay where activations lie; isotropic Gaussian ones mostly do not, and
    destroy text. Refused: i = j, an index outside the pool, two equal activations.

    Source: random contrast controls, UK AISI; see `direction` for the arithmetic.
    """
    data = np.asarray(pool)
    if data.ndim != 2 or not (0 <= i < len(data) and 0 <= j < len(data)) or i == j:
        raise MethodRefused(
            "difference_direction", "two rows of the pool", found=f"{i}, {j} of {data.shape}"
        )
    difference = data[i].astype(np.float64) - data[j].astype(np.float64)
    return _unit(difference).astype(np.float32)


def unit_direction(vector: NDArray[Any]) -> NDArray[np.float32]:
    """Give a vector scaled to length 1, float32; refusals and arithmetic as in `direction`."""
    return _unit(np.asarray(vector, dtype=np.float64)).astype(np.float32)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(vector).all():
        raise MethodRefused("direction", "finite components", found="NaN or infinity")
    length = math.sqrt(math.fsum(np.square(vector).tolist()))
    if not 0.0 < length < math.inf:
        raise MethodRefused("direction", "a vector with a direction", found=f"length {length}")
    return vector / length
