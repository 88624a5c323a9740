"""What is left of a rate once the grader's own mistakes are reckoned with.

Grader and people judge the same answers; a grader that misses some and invents others shifts
every rate, and shifts it differently where an edit has changed how answers sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from safetycase.errors import MethodRefused
from safetycase.methods.interval import Interval, critical_value


@dataclass(frozen=True, slots=True)
class Agreement:
    """Answers by whether they count for the grader, and for people."""

    both: int
    grader_only: int
    people_only: int
    neither: int

    @property
    def positives(self) -> int:
        """Answers that count for people."""
        return self.both + self.people_only

    @property
    def negatives(self) -> int:
        """Answers that do not count for people."""
        return self.grader_only + self.neither


def cohens_kappa(table: Agreement) -> float:
    """Give the agreement beyond chance, as a share of what could be beyond chance.

    Refused where one answer only was ever given: chance alone agrees always. Low for rare
    outcomes whatever the grader does; read sensitivity and specificity first.

    Source: Cohen 1960, Educational and Psychological Measurement 20:37.
    """
    total = table.positives + table.negatives
    by_grader = table.both + table.grader_only
    if not total:
        raise MethodRefused("cohens_kappa", "labelled answers", found="none")
    chance = by_grader * table.positives + (total - by_grader) * table.negatives
    if chance == total * total:
        raise MethodRefused("cohens_kappa", "answers of both kinds", found="one kind only")
    agreed = (table.both + table.neither) * total
    return (agreed - chance) / (total * total - chance)


def rogan_gladen(observed: float, sensitivity: float, specificity: float) -> float:
    """Give the rate that a grader of this sensitivity and specificity would see as `observed`.

    (observed + specificity - 1) / (sensitivity + specificity - 1), cut to 0 and 1. Refused
    where the grader is no better than chance.

    Source: Rogan & Gladen 1978, American Journal of Epidemiology 107:71.
    """
    youden = sensitivity + specificity - 1.0
    if youden <= 0.0:
        expected = "sensitivity and specificity of a grader better than chance"
        raise MethodRefused("rogan_gladen", expected, found=f"a sum of {1.0 + youden:.4g}")
    return min(1.0, max(0.0, (observed + specificity - 1.0) / youden))


def lang_reiczigel(counted: int, rows: int, table: Agreement, level: float) -> Interval:
    """Bound the corrected rate, the error of rate, sensitivity and specificity together.

    Adjusted proportions (z²/2 of z² more rows, 1 of 2 more labels each way), their delta-method
    variance and the shift that they cause; cut to 0 and 1. Labelled answers count as another
    sample than the rows; where they are some of the rows, the interval is an approximation.
    Refused without labels of both kinds, and where the grader is no better than chance.

    Source: Lang & Reiczigel 2014, Preventive Veterinary Medicine 113:13; used for model-graded
    rates by Lee et al. 2025, arXiv 2511.21140.
    """
    if not rows or not table.positives or not table.negatives:
        raise MethodRefused("lang_reiczigel", "rows, and labels of both kinds", found="none")
    z = critical_value(level)
    n, positives, negatives = rows + z * z, table.positives + 2.0, table.negatives + 2.0
    seen = (counted + z * z / 2.0) / n
    sensitivity = (table.both + 1.0) / positives
    specificity = (table.neither + 1.0) / negatives
    youden = sensitivity + specificity - 1.0
    if youden <= 0.0:
        expected = "a grader better than chance"
        raise MethodRefused("lang_reiczigel", expected, found=f"a sum of {1.0 + youden:.4g}")
    rate = (seen + specificity - 1.0) / youden
    of_sensitivity = sensitivity * (1.0 - sensitivity) / positives
    of_specificity = specificity * (1.0 - specificity) / negatives
    shift = 2.0 * z * z * (rate * of_sensitivity - (1.0 - rate) * of_specificity)
    variance = (
        seen * (1.0 - seen) / n
        + rate * rate * of_sensitivity
        + (1.0 - rate) ** 2 * of_specificity
    )
    half = z * math.sqrt(variance) / youden
    low, high = (min(1.0, max(0.0, rate + shift + end)) for end in (-half, half))
    return Interval(low, high)
