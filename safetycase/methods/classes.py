"""Which class a prompt of a contrast is of: by a column, or by what the model did.

The one place where classes come from: search, held-out AUROC, baselines and controls ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.grid import BASELINE
from safetycase.record.planned_axis import Contrast
from safetycase.record.planned_evaluation import Measure
from safetycase.tables.columns import Flags
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import ItemRow

FEWEST = 2
"""Items of a class from which it can be told apart by any statistic, or be permuted."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of the prompts of a contrast in one split."""

    places: NDArray[np.intp]
    """Places, from 0 and ascending, of those prompts of the split that have a class."""
    positive: Flags
    """For each of these, whether its class is the positive one."""
    unanswered: int
    """How many prompts have none, because the model's answer to them could not be had."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Prompts of the positive and of the negative class."""
        positive = int(self.positive.sum())
        return positive, len(self.positive) - positive

    @property
    def are_two(self) -> bool:
        """Whether either class has the two prompts that a comparison needs."""
        return min(self.sizes) >= FEWEST

    def only(self, asked: Flags) -> Classes:
        """The same without the prompts of the split that are not asked."""
        kept = asked[self.places]
        gone = self.unanswered + len(kept) - int(kept.sum())
        return Classes(self.places[kept], self.positive[kept], gone)

    def among(self, prompts: Sequence[ItemRow]) -> list[ItemRow]:
        """The prompts that have a class, of all prompts of the split."""
        return [prompts[place] for place in self.places.tolist()]


def classes_of(contrast: Contrast, evidence: Evidence, split: str) -> Classes:
    """The classes of a contrast in a split.

    By `outcome` an item is positive if more than half of the unedited model's answers to it
    have an outcome that counts, of those that could be had; one without any answer has no class
    and is left out. Refused: a contrast that is named neither way or both, and answers that are
    not those of every item of the split.
    """
    key = ("classes", contrast, split)
    return evidence.once(key, lambda: _classes(contrast, evidence, split))


def _classes(contrast: Contrast, evidence: Evidence, split: str) -> Classes:
    items = evidence.items.of(contrast.dataset, split)
    by_outcome = contrast.label == "outcome"
    if (contrast.measure is None, contrast.positive is None) != (not by_outcome, by_outcome):
        expected = "a measure with label outcome, a positive value with any other"
        raise MethodRefused("plan /selection/contrast", expected, found=contrast.label)
    if contrast.measure is not None:
        return _by_outcome(contrast.measure, contrast.dataset, evidence, split)
    column = [item.context if contrast.label == "context" else item.kind for item in items]
    positive = np.array([value == contrast.positive for value in column], dtype=np.bool_)
    return Classes(np.arange(len(items)), positive, 0)


def _by_outcome(measure: Measure, dataset: str, evidence: Evidence, split: str) -> Classes:
    name = measure.evaluation
    every = evidence.answers.get((name, BASELINE))
    if every is None:
        where = f"answers of {name} under {BASELINE}"
        raise MethodRefused(where, "those by which prompts have a class", found="none")
    samples = 1 + int(every.numbers("sample").max()) if "sample" in every.held else 1
    answers = evidence.cell(name, dataset, BASELINE, split, samples=samples)
    numbers = answers.item.codes
    size = 1 + int(numbers.max(initial=0))
    given = np.bincount(numbers, minlength=size)
    counting = np.bincount(numbers[answers.outcome.among(measure.outcomes)], minlength=size)
    items = evidence.items.of(dataset, split)
    codes = answers.item.vocabulary.codes([item.item for item in items])
    here = np.array([code >= 0 and code < size and given[code] > 0 for code in codes])
    places = np.flatnonzero(here)
    positive = 2 * counting[codes[places]] > given[codes[places]]
    return Classes(places, positive, len(items) - len(places))


def class_name(contrast: Contrast) -> str:
    """The positive class in words."""
    if contrast.measure is None:
        return f"{contrast.positive}"
    outcomes = " or ".join(contrast.measure.outcomes)
    return f"prompts with outcome {outcomes} of {contrast.measure.evaluation}"
