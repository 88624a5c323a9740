"""What a cell of the grid says: which outcomes count, and what is counted as one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetycase.methods.clusters import Grouping
from safetycase.methods.grid import evaluation_named, samples_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Measure
from safetycase.tables.columns import Answers, Flags
from safetycase.tables.evidence import Evidence


def answers_of(plan: Plan, evidence: Evidence, name: str, arm: str, split: str) -> Answers:
    """The answers of a cell, item by item, the samples of an item side by side."""
    evaluation = evaluation_named(plan, name)
    samples = samples_of(evaluation)
    return evidence.cell(name, evaluation.dataset, arm, split, samples=samples)


def _takes_majority(plan: Plan, name: str) -> bool:
    measure = evaluation_named(plan, name).measure
    return measure.kind == "generate" and measure.per_item == "majority"


@dataclass(frozen=True, slots=True)
class Counts:
    """For each answer, whether its outcome counts; for those that are missing, both.

    Nobody's answer is left out (intention to treat): what could not be had is taken once as if
    it did not count and once as if it did.
    """

    least: Flags
    most: Flags

    @property
    def known(self) -> Flags:
        """For each, whether it is what it is whatever the missing answers are."""
        return np.equal(self.least, self.most)

    @property
    def unknown(self) -> int:
        """How many hang on missing answers."""
        return len(self.least) - int(self.known.sum())


def each_answer(
    plan: Plan, evidence: Evidence, measure: Measure, arm: str, split: str
) -> Counts:
    """For each planned answer of the split, in order, whether its outcome counts."""
    name = measure.evaluation
    evaluation = evaluation_named(plan, name)
    found = answers_of(plan, evidence, name, arm, split).outcome.among(measure.outcomes)
    samples = samples_of(evaluation)
    here = evidence.answered(name, evaluation.dataset, arm, split, samples=samples)
    if here is None:
        return Counts(found, found)
    least, most = np.zeros(len(here), dtype=np.bool_), ~here
    least[here] = most[here] = found
    return Counts(least, most)


def counts_in(plan: Plan, evidence: Evidence, measure: Measure, arm: str, split: str) -> Counts:
    """What is counted as one: each answer, or where the plan takes the majority, each item.

    An item counts by majority if more than half of its samples do.
    """
    counts = each_answer(plan, evidence, measure, arm, split)
    if not _takes_majority(plan, measure.evaluation):
        return counts
    samples = samples_of(evaluation_named(plan, measure.evaluation))
    least = _majority(counts.least, samples)
    return Counts(
        least, least if counts.least is counts.most else _majority(counts.most, samples)
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of a cell count: at least, at most if all that are missing do, of how many."""

    least: int
    most: int
    of: int


def tally(plan: Plan, evidence: Evidence, measure: Measure, arm: str, split: str) -> Tally:
    """The sums of what `counts_in` gives, of which many figures follow; made once."""
    name = measure.evaluation
    key = ("tally", name, counted_samples(plan, name), measure.outcomes, arm, split)

    def summed() -> Tally:
        counts = counts_in(plan, evidence, measure, arm, split)
        least, most = map(np.count_nonzero, (counts.least, counts.most))
        return Tally(int(least), int(most), len(counts.least))

    return evidence.once(key, summed)


def _majority(flags: Flags, samples: int) -> Flags:
    counting = flags.reshape(-1, samples).sum(axis=1, dtype=np.int64)
    majority: Flags = 2 * counting > samples
    return majority


def counted_samples(plan: Plan, name: str) -> int:
    """How many answers of an item are counted one by one: all, or one majority."""
    return 1 if _takes_majority(plan, name) else samples_of(evaluation_named(plan, name))


def groups_of(plan: Plan, evidence: Evidence, name: str, split: str) -> Grouping | None:
    """The clusters of what `counts_in` gives; none where every answer stands alone.

    Samples of one item belong together, as items of one cluster do.
    """
    dataset, samples = evaluation_named(plan, name).dataset, counted_samples(plan, name)

    def grouped() -> Grouping | None:
        items = Grouping.of([item.cluster for item in evidence.items.of(dataset, split)])
        groups = items.repeated(samples)
        return None if groups.is_trivial else groups

    return evidence.once(("groups", dataset, split, samples), grouped)
