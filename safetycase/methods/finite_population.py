"""How many of a finite population are bad, from how many of a drawn sample are.

Rows of a case are a finite population and are drawn without replacement, so the count in the
sample is hypergeometric: no model of the rows is assumed. All arithmetic is in integers, so
that every machine and every language finds the same bound.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from safetycase.errors import MethodRefused

MOST_DRAWN = 3_000
"""Rows in a sample at most: if all are good, under 0.1 % are bad at 95 %."""


def most_bad(seen: int, drawn: int, population: int, level: float) -> int:
    """The largest number of bad ones that the sample does not speak against.

    The largest B for which drawing at most `seen` bad ones has a chance above 1 - level. Over
    all samples, the truth is above this bound with a chance of at most 1 - level, exactly.
    Clopper & Pearson's bound is this one's limit for a large population, and never below it
    where nothing is seen: 0 of 59 gives under 4.951 % at 95 %, 0 of 299 under 0.997 %.
    Refused: counts that no sample can have, more than 3,000 drawn.

    Source: Buonaccorsi 1987, The American Statistician 41:215; Wright 1991, Exact Confidence
    Bounds when Sampling from Small Finite Universes, chapter 2.
    """
    _require_counts(seen, drawn, population, level)
    chance = 1 - Fraction(str(level))
    low, high = seen, population - (drawn - seen)
    while low < high:
        middle = (low + high + 1) // 2
        if _is_likelier(seen, drawn, middle, population, chance):
            low = middle
        else:
            high = middle - 1
    return low


def least_bad(seen: int, drawn: int, population: int, level: float) -> int:
    """The smallest number of bad ones that the sample does not speak against.

    The smallest B for which drawing at least `seen` bad ones has a chance above 1 - level: what
    is left when as many as possible are good.
    """
    return population - most_bad(drawn - seen, drawn, population, level)


def _is_likelier(seen: int, drawn: int, bad: int, population: int, chance: Fraction) -> bool:
    """Whether at most `seen` of `drawn` are bad with more than this chance, in integers.

    Ways to draw x bad ones: C(bad, x) · C(good, drawn - x); the next term follows from one.
    """
    good = population - bad
    limit = chance.numerator * comb(population, drawn)
    x = max(0, drawn - good)
    ways = comb(bad, x) * comb(good, drawn - x)
    total = 0
    while x <= seen:
        total += ways
        if total * chance.denominator > limit:
            return True
        ways = ways * (bad - x) * (drawn - x) // ((x + 1) * (good - drawn + x + 1))
        x += 1
    return False


def _require_counts(seen: int, drawn: int, population: int, level: float) -> None:
    if not 0.0 < level < 1.0:
        raise MethodRefused("finite population", "a level inside (0, 1)", found=repr(level))
    if not (0 <= seen <= drawn and 1 <= drawn <= min(population, MOST_DRAWN)):
        raise MethodRefused(
            "finite population",
            f"seen of drawn of a population, at most {MOST_DRAWN} drawn",
            found=f"{seen} of {drawn} of {population}",
        )
