"""The evidence of a case, looked up as the plan thinks of it: by evaluation, arm and split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused, TooLarge
from safetycase.tables.alike import stretches
from safetycase.tables.columns import Answers, Flags, Places, Vocabulary
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
    path_of,
)

SPLITS = ("discovery", "tuning", "held_out")
MAX_GROUPS = 2**16
"""Different pairs of evaluation and arm in a table."""

Tensors = Mapping[str, np.ndarray]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Items:
    """The items of a case in table order, by dataset and split."""

    rows: Sequence[ItemRow]
    _groups: dict[tuple[str, str], list[ItemRow]] = field(init=False, repr=False)
    _places: dict[tuple[str, str], int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Group once; lookups follow table order."""
        groups: dict[tuple[str, str], list[ItemRow]] = {}
        for row in self.rows:
            groups.setdefault((row.dataset, row.split), []).append(row)
        object.__setattr__(self, "_groups", groups)
        places = {(row.dataset, row.item): place for place, row in enumerate(self.rows)}
        object.__setattr__(self, "_places", places)

    def of(self, dataset: str, split: str) -> Sequence[ItemRow]:
        """Items of a dataset in one split, in table order; empty if there are none."""
        return self._groups.get((dataset, split), [])

    def named(self, dataset: str, item: str) -> ItemRow:
        """The item of that name; refused if the table has none."""
        place = self._places.get((dataset, item))
        if place is None:
            raise MethodRefused(
                "evidence/items.jsonl", f"item {item} of {dataset}", found="none"
            )
        return self.rows[place]

    def places(self, dataset: str, names: Sequence[str]) -> NDArray[np.intp]:
        """The place in the table, from 0, of each item of that name; -1 where there is none."""
        found = (self._places.get((dataset, name), -1) for name in names)
        return np.fromiter(found, dtype=np.intp, count=len(names))


@dataclass(frozen=True)
class Evidence:
    """Tables and tensors of a case; answers are grouped by evaluation and arm."""

    items: Items
    answers: Mapping[tuple[str, str], Answers]
    label_words: Sequence[LabelWordRow]
    label_checks: Sequence[LabelCheckRow]
    tensors: Tensors
    traces: Sequence[TraceRow] = ()
    human_labels: Sequence[HumanLabelRow] = ()
    exclusions: Sequence[ExclusionRow] = ()
    dictionary_texts: Sequence[DictionaryTextRow] = ()
    judgements: Sequence[JudgementRow] = ()
    _kept: dict[Hashable, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """A value derived from this evidence alone, made on first use and then kept.

        Tables and tensors must not be changed in place afterwards; a refusal is not kept.
        """
        if key not in self._kept:
            self._kept[key] = make()
        value: Value = self._kept[key]
        return value

    def tensor(self, name: str) -> np.ndarray:
        """A tensor by name; refused if the case has none."""
        try:
            return self.tensors[name]
        except KeyError:
            raise MethodRefused(
                "evidence/*.safetensors", f"tensor {name}", found="none"
            ) from None

    def cell(
        self, evaluation: str, dataset: str, arm: str, split: str, *, samples: int = 1
    ) -> Answers:
        """Answers of one cell of the grid, so many for each item, in item order.

        Refused unless the rows are those of all the items of the split, every sample once, in
        the order of the items: a rate over fewer rows is another rate.
        """
        key = ("cell", evaluation, dataset, arm, split, samples)
        return self.once(key, lambda: self._cell(evaluation, dataset, arm, split, samples))

    @property
    def excluded(self) -> Mapping[tuple[str, str], frozenset[tuple[str, int]]]:
        """Items and samples without an answer, by evaluation and arm."""

        def grouped() -> dict[tuple[str, str], frozenset[tuple[str, int]]]:
            groups: dict[tuple[str, str], set[tuple[str, int]]] = {}
            for row in self.exclusions:
                group = groups.setdefault((row.evaluation, row.arm), set())
                group.add((row.item, row.sample))
            return {key: frozenset(group) for key, group in groups.items()}

        return self.once("excluded", grouped)

    def answered(
        self, evaluation: str, dataset: str, arm: str, split: str, *, samples: int = 1
    ) -> Flags | None:
        """For each planned answer of a cell, whether it is there; none if every one is."""
        gone = self.excluded.get((evaluation, arm))
        if gone is None:
            return None
        items = self.items.of(dataset, split)
        flags = [(item.item, n) not in gone for item in items for n in range(samples)]
        return None if all(flags) else np.array(flags, dtype=np.bool_)

    def _cell(
        self, evaluation: str, dataset: str, arm: str, split: str, samples: int
    ) -> Answers:
        where, rows = f"answers of {evaluation} under {arm}, {split}", 0
        answers = self.answers.get((evaluation, arm))
        if answers is not None:
            every, numbers = self._planned(answers.item.vocabulary, dataset, split, samples)
            planned = every
            here = self.answered(evaluation, dataset, arm, split, samples=samples)
            if here is not None:
                planned, numbers = planned[here], numbers[here]
            if _are(answers, planned, numbers):
                return answers
            is_planned = np.zeros(len(answers.item.vocabulary) + 1, dtype=np.bool_)
            is_planned[every[every >= 0]] = True
            places = np.flatnonzero(is_planned[answers.item.codes])
            rows = len(places)
            found = answers.take(places)
            if _are(found, planned, numbers):
                return found
        items = len(self.items.of(dataset, split))
        each = "one row" if samples == 1 else f"samples 0 to {samples - 1}"
        expected = f"{each} for each of {items} items, in their order, but for those excluded"
        raise MethodRefused(where, expected, found=f"{rows} rows")

    def _planned(
        self, vocabulary: Vocabulary, dataset: str, split: str, samples: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Item and sample of each planned answer of a split, items by their numbers in a table.

        The vocabulary is kept as well: an id is a name only as long as its object lives.
        """

        def numbered() -> tuple[NDArray[np.intp], NDArray[np.intp], Vocabulary]:
            items = vocabulary.codes([row.item for row in self.items.of(dataset, split)])
            return items.repeat(samples), np.arange(len(items) * samples) % samples, vocabulary

        key = ("planned", id(vocabulary), dataset, split, samples)
        items, numbers, _ = self.once(key, numbered)
        return items, numbers

    def places_of_items(self, answers: Answers, dataset: str) -> NDArray[np.intp]:
        """For each answer, the place of its item in the table of items, from 0.

        Refused for an answer to an item that the dataset does not have.
        """
        names = answers.item.vocabulary
        key = ("places", id(names), dataset)
        places, _ = self.once(key, lambda: (self.items.places(dataset, names.texts), names))
        found = places[answers.item.codes]
        if len(found) and found.min() < 0:
            self.items.named(dataset, answers.item[int(found.argmin())])
        return found


def _are(answers: Answers, planned: NDArray[np.intp], numbers: NDArray[np.intp]) -> bool:
    """Whether answers are those to these items, at least one, with these sample numbers."""
    if not len(planned) or not np.array_equal(answers.item.codes, planned):
        return False
    if "sample" not in answers.held or not numbers.any():
        return not numbers.any()
    return np.array_equal(answers.numbers("sample"), numbers)


def group_answers(
    *tables: Sequence[AnswerRow], max_groups: int = MAX_GROUPS
) -> dict[tuple[str, str], Answers]:
    """Answers by evaluation and arm, in table order; of a pair in two tables, the first's.

    Refused: more than `max_groups` different pairs.
    """
    groups: dict[tuple[str, str], Answers] = {}
    for table in tables:
        for answers in [table] if isinstance(table, Answers) else by_kind(table):
            for key, places in _places_of_groups(answers, max_groups):
                groups.setdefault(key, answers.take(places))
    return groups


def by_kind(rows: Iterable[AnswerRow]) -> list[Answers]:
    """The rows of each kind, as columns."""
    kinds: dict[type, list[AnswerRow]] = {}
    for row in rows:
        kinds.setdefault(type(row), []).append(row)
    return [Answers.of(alike) for alike in kinds.values()]


def _places_of_groups(
    answers: Answers, max_groups: int
) -> Iterator[tuple[tuple[str, str], Places]]:
    """Evaluation, arm and rows of each pair of them, in order of its first row."""
    evaluation, arm = answers.texts("evaluation"), answers.texts("arm")
    bounds = stretches(evaluation.codes, arm.codes)
    starts, lengths = bounds[:-1], np.diff(bounds)
    pairs = evaluation.codes[starts].astype(np.int64) * len(arm.vocabulary) + arm.codes[starts]
    distinct, first, group = np.unique(pairs, return_index=True, return_inverse=True)
    if len(distinct) > max_groups:
        raise TooLarge(path_of(answers.kind), f"at most {max_groups} arms of evaluations")
    if len(distinct) == len(starts):
        for start, end in pairwise(bounds.tolist()):
            yield (evaluation[start], arm[start]), slice(start, end)
        return
    group_of_row = np.repeat(group, lengths)
    by_group = np.argsort(group_of_row, kind="stable")
    ends = np.cumsum(np.bincount(group_of_row))
    for n in np.argsort(first):
        places = by_group[ends[n - 1] if n else 0 : ends[n]]
        yield (evaluation[places[0]], arm[places[0]]), places
