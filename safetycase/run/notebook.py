"""What has been measured so far, as the methods read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from safetycase.methods import grid
from safetycase.methods.judge import Key
from safetycase.methods.outcomes import answers_of
from safetycase.record.plan import Cause, Plan
from safetycase.record.planned_evaluation import Evaluation
from safetycase.run.reshape import head_of
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import (
    AnswerRow,
    DictionaryTextRow,
    ExclusionRow,
    HumanLabelRow,
    ItemRow,
    JudgementRow,
    LabelCheckRow,
    LabelWordRow,
    TraceRow,
)


@dataclass
class Notebook:
    """Tables and tensors of a run in progress."""

    items: Items
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)
    label_words: list[LabelWordRow] = field(default_factory=list)
    label_checks: list[LabelCheckRow] = field(default_factory=list)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    human_labels: list[HumanLabelRow] = field(default_factory=list)
    exclusions: list[ExclusionRow] = field(default_factory=list)
    judgements: dict[Key, JudgementRow] = field(default_factory=dict)
    featureless: frozenset[str] = frozenset()
    """Axes on which the search found nothing; none before it was made."""
    alone: set[tuple[str, str]] = field(default_factory=set)
    """Evaluations and splits on which the baseline was measured without arms beside it."""
    traces: list[TraceRow] = field(default_factory=list)
    units: int = 0
    reshaped_units: int = 0
    """Units that did not fit the memory in the shape that their key says."""
    cut_by_arms: int = 0
    """Those of them whose arms did not fit together with even one item."""
    reshaped_attributions: dict[str, int] = field(default_factory=dict)
    """Axes on whose attribution memory ran out, and how many questions then shared a batch."""
    reshaped_readings: dict[str, int] = field(default_factory=dict)
    """What was read in smaller batches than planned, and how many prompts then shared one."""
    dictionary_texts: list[DictionaryTextRow] = field(default_factory=list)
    unequal_baselines: int = 0
    repeated_baselines: int = 0

    def evidence(self) -> Evidence:
        """The evidence so far."""
        return Evidence(
            items=self.items,
            answers=dict(self.answers),
            label_words=self.label_words,
            label_checks=self.label_checks,
            tensors=self.tensors,
            traces=self.traces,
            human_labels=self.human_labels,
            exclusions=tuple(self.exclusions),
            dictionary_texts=self.dictionary_texts,
            judgements=list(self.judgements.values()),
        )

    def exclude(
        self,
        evaluation: Evaluation,
        arms: Sequence[str],
        items: Sequence[ItemRow],
        asked: Sequence[ItemRow],
        cause: Cause,
    ) -> None:
        """Say of the items that are not asked that no arm will answer them, and why."""
        kept = {item.item for item in asked}
        self.exclusions += [
            ExclusionRow(evaluation.id, arm, item.item, sample, cause)
            for arm in arms
            for item in items
            if item.item not in kept
            for sample in range(grid.samples_of(evaluation))
        ]

    def note_units(self, results: Sequence[bytes]) -> None:
        """Count units, and those that did not fit the memory as planned."""
        self.units += len(results)
        heads = [head_of(result) for result in results]
        self.reshaped_units += sum(head.is_reshaped for head in heads)
        self.cut_by_arms += sum(head.arms_together is not None for head in heads)

    def attributed_in_smaller(self, axis: str, size: int) -> None:
        """Say of an axis that its attribution had to go on with so many questions a batch."""
        self.reshaped_attributions[axis] = size

    def read_in_smaller(self, what: str, size: int) -> None:
        """Say of activations that they had to be read with so many prompts a batch."""
        self.reshaped_readings[what] = size

    def miss(self, evaluation: str, arm: str, item: str, sample: int, cause: Cause) -> None:
        """Say of one answer that it could not be had, and why."""
        self.exclusions.append(ExclusionRow(evaluation, arm, item, sample, cause))

    def note(self, evaluation: str, arm: str, rows: Sequence[AnswerRow]) -> None:
        """Add answers to those that an arm has given."""
        earlier = self.answers.get((evaluation, arm), ())
        self.answers[evaluation, arm] = Answers.of([*earlier, *rows])

    def rows_in_grid_order(self, plan: Plan, kind: str) -> Iterable[AnswerRow]:
        """All answers to evaluations of a kind, cell by cell, items in table order."""
        kinds = {evaluation.id: evaluation.measure.kind for evaluation in plan.evaluations}
        evidence = self.evidence()
        for cell in grid.cells(plan, self.featureless):
            if kinds[cell.evaluation] == kind and self.items.of(cell.dataset, cell.split):
                yield from answers_of(plan, evidence, cell.evaluation, cell.arm, cell.split)
