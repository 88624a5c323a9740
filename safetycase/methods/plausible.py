"""What numbers of a measurement look like, and how far from it numbers can be by chance.

Neither test proves anything: each says how seldom honest numbers would look like these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from safetycase.methods import grid
from safetycase.methods.account import SCORES
from safetycase.methods.gap import Gap
from safetycase.methods.interval import beta_tails
from safetycase.methods.outcomes import counts_in
from safetycase.record.control_tests import ControlFamily
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.columns import Answers, Flags, Numbers
from safetycase.tables.evidence import Evidence

TOO_SELDOM = 1e-9
"""What chance gives less often than this is a trace; all tests of a large case are 1e4."""
SHORT_SHARE = 0.02
"""Most of a column's different figures that may end before the fifth digit; 1 in 100 does."""
MOST_FIGURES = 1000
"""Rows of an arm that are looked at, spread evenly; so any table takes the same time."""
DRAWN_ALIKE: tuple[ControlFamily, ...] = (
    "random_live",
    "random_direction",
    "shuffled_label",
    "gaussian",
)
"""Families whose arms are drawn one like the other; unrelated contrasts are chosen."""
MOST_ITEMS = 2000
"""Held-out items that pairs of arms are compared on, the first ones in item order."""

_FEWEST = 6
"""Fewer short figures than this are no trace whatever they are of: 0.02 ** 5 is above 1e-9."""
_DIGITS = 4
_MOST_SHIFT = 300
_POWERS = np.array([float(f"1e{n}") for n in range(-_MOST_SHIFT, _MOST_SHIFT + 1)])
"""Powers of ten; looking one up takes a third of the time that raising takes."""
_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Rounded:
    """A column of an arm whose figures were rounded by hand."""

    column: str
    short: int
    figures: int
    chance: float


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly the arms of an axis's control families count, and how often chance does so."""

    pairs: int
    differing: int
    """Items that count in one arm of a pair and not in the other, over all pairs."""
    squared: int
    """Sum over pairs of the squared difference of their counts; by chance about `differing`."""
    chance: float


def rounded(answers: Answers) -> Iterator[Rounded]:
    """Columns of model numbers that too often end before the fifth significant digit.

    A measured figure is published with six; the last two of them are 00 for one in 100. Equal
    figures count once. Not looked at: zero, and the size of the edit, which a plan can choose.
    """
    step = max(1, len(answers) // MOST_FIGURES)
    names = (*SCORES[answers.kind], "residual")
    held = np.abs(np.array([answers.numbers(name)[::step] for name in names], dtype=np.float64))
    is_short = _are_short(held)
    counted = is_short.sum(axis=1)
    for column in np.flatnonzero(counted >= _FEWEST):
        figures = int(np.count_nonzero(np.unique(held[column])))
        expected = math.floor(SHORT_SHARE * figures)
        if counted[column] <= expected:
            continue
        short = len(np.unique(held[column][is_short[column]]))
        if short <= expected:
            continue  # At most the median: chance gives at least that many every other time.
        chance = at_least(short, figures, SHORT_SHARE)
        if chance < TOO_SELDOM:
            yield Rounded(names[column], short, figures, chance)


def short_figures(answers: Answers) -> Iterator[Gap]:
    """Columns of an arm whose figures were rounded by hand, by their names (`rounded`)."""
    for found in rounded(answers):
        told = f"{found.short} of {found.figures} different figures have at most four"
        chance = f"(chance {found.chance:.1e})"
        yield Gap(found.column, "figures of six digits", f"{told} {chance}")


def _are_short(figures: Numbers) -> Flags:
    """Whether each figure is above zero and has at most four significant digits."""
    nonzero = np.where(figures > 0.0, figures, math.pi)
    shift = _DIGITS - 1 - np.floor(np.log10(nonzero)).astype(np.intp)
    first = shift.clip(
        -_MOST_SHIFT, _MOST_SHIFT
    )  # 1e327, which the smallest want, is no double
    scaled = nonzero * _POWERS[first + _MOST_SHIFT] * _POWERS[shift - first + _MOST_SHIFT]
    nearest: Flags = np.abs(scaled - np.round(scaled)) < _SLACK
    return nearest


@lru_cache(maxsize=10_000)
def at_least(counted: int, trials: int, share: float) -> float:
    """P(X >= counted) of a binomial X, by the incomplete beta function (DLMF 8.17.5)."""
    if counted <= 0:
        return 1.0
    if counted > trials:
        return 0.0
    return beta_tails(counted, trials - counted + 1, share)[0]


def spread(plan: Plan, axis: Axis, evidence: Evidence) -> Spread:
    """How evenly the control arms of an axis count on its claim's held-out items.

    Arms of one family are drawn alike, so that in two of them every item that counts in only
    one is as likely to be of the one as of the other: given how many those are, the difference
    of the two counts is a sum of fair signs (McNemar 1947). Where items move together, counts
    differ by more than that; they differ by less where somebody has evened them out, or where
    an edit that helps one half of the items hurts the other half as often.
    """
    pairs = [
        _differing(
            *(counts_in(plan, evidence, axis.claim.measure, a, "held_out").least for a in two)
        )
        for family in (grid.control_arms(plan, axis, name) for name in DRAWN_ALIKE)
        for two in zip(family[::2], family[1::2], strict=False)
    ]
    return Spread(
        pairs=len(pairs),
        differing=sum(one + other for one, other in pairs),
        squared=sum((one - other) ** 2 for one, other in pairs),
        chance=as_even(pairs),
    )


def even_counts(axis: Axis, found: Spread) -> Iterator[Gap]:
    """Control arms that count more evenly than chance would have them: left open."""
    if found.chance < TOO_SELDOM:
        told = f"{found.squared} over {found.pairs} pairs of controls"
        text = (
            f"The controls of {axis.id} differ in {found.differing} answers and count alike: "
            f"squared differences sum to {told}, chance {found.chance:.1e}. Re-run some."
        )
        expected = f"a sum of about {found.differing}"
        yield Gap(f"{axis.id}: counts of controls", expected, told, text, silent=True)


def _differing(one: Numbers, other: Numbers) -> tuple[int, int]:
    one, other = one[:MOST_ITEMS], other[:MOST_ITEMS]
    return int(np.count_nonzero(one & ~other)), int(np.count_nonzero(other & ~one))


def as_even(pairs: Sequence[tuple[int, int]]) -> float:
    """Chance that fair signs give differences whose squares sum to no more than these do.

    `pairs`: of each pair of arms, the items that count in the one only, and in the other only.
    Exact, by convolution; 1.0 without computation where the sum is above half of its mean.
    """
    limit = sum((one - other) ** 2 for one, other in pairs)
    if 2 * limit >= sum(one + other for one, other in pairs):
        return 1.0
    mass = np.zeros(limit + 1)
    mass[0] = 1.0
    for one, other in pairs:
        grown = np.zeros_like(mass)
        for difference, chance in _fair_differences(one + other, math.isqrt(limit)):
            square = difference**2
            grown[square:] += chance * mass[: limit + 1 - square]
        mass = grown
    return float(min(1.0, mass.sum()))


def _fair_differences(count: int, most: int) -> Iterator[tuple[int, float]]:
    """Absolute sums of so many fair signs, up to the largest asked for, and their chances."""
    first = count % 2
    half = (count + first) // 2
    log_chance = math.lgamma(count + 1) - math.lgamma(half + 1) - math.lgamma(count - half + 1)
    chance = math.exp(log_chance - count * math.log(2.0))
    for difference in range(first, min(count, most) + 1, 2):
        yield difference, chance if difference == 0 else 2.0 * chance
        chance *= (count - difference) / (count + difference + 2)
