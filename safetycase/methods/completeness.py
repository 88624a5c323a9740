"""Whether the answers of a table are those of the plan's grid: all, in order, no others.

Rows stand in plan grid order, so a complete table is recognised by position alone. Only where
that fails are the rows of single arms counted, to say which are missing and which are too many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product, repeat

import numpy as np
from numpy.typing import NDArray

from safetycase.methods.gap import Gap
from safetycase.methods.grid import Cell, cells, evaluation_named, samples_of
from safetycase.methods.measure import TABLE_OF_KIND
from safetycase.record.plan import Plan
from safetycase.tables.columns import Answers, Flags
from safetycase.tables.evidence import Items, group_answers
from safetycase.tables.rows import path_of

_Key = tuple[str, int]
"""Item and sample."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The rows of one cell: every sample of every item, the samples of an item side by side."""

    cell: Cell
    items: list[str]
    samples: int
    excluded: frozenset[_Key] = frozenset()
    """Items and samples of which a row says that there is no answer."""

    @property
    def group(self) -> tuple[str, str]:
        """Evaluation and arm."""
        return self.cell.evaluation, self.cell.arm

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.items) * self.samples if not self.excluded else int(self._here.sum())

    @property
    def _here(self) -> Flags:
        every = len(self.items) * self.samples
        if not self.excluded:
            return np.ones(every, dtype=np.bool_)
        keys = product(self.items, range(self.samples))
        return np.fromiter((key not in self.excluded for key in keys), np.bool_, every)

    def keys(self) -> Iterator[_Key]:
        """Item and sample of every row, in order."""
        keys = product(self.items, range(self.samples))
        return (key for key in keys if key not in self.excluded) if self.excluded else keys

    def are(self, answers: Answers, names: NDArray[np.intp]) -> Flags:
        """For each row, as far as they go, whether it is the planned one of its place.

        `names` are the numbers of the cell's items among the names of the answers.
        """
        wanted = names if self.samples == 1 else names.repeat(self.samples)
        if self.excluded:
            wanted = wanted[self._here]
        right: Flags = np.equal(answers.item.codes, wanted[: len(answers)])
        right &= answers.texts("evaluation").equal(self.cell.evaluation)
        right &= answers.texts("arm").equal(self.cell.arm)
        if "sample" in answers.held:
            samples = np.arange(len(self.items) * self.samples) % self.samples
            if self.excluded:
                samples = samples[self._here]
            right &= answers.numbers("sample") == samples[: len(answers)]
        return right


def planned_rows(
    plan: Plan,
    items: Items,
    without: Collection[str] = (),
    excluded: Mapping[tuple[str, str], frozenset[_Key]] | None = None,
) -> dict[str, list[Planned]]:
    """The cells of every kind of table, in order; `without` names axes that have no feature.

    `excluded` has the items and samples without an answer, by evaluation and arm.
    """
    tables: dict[str, list[Planned]] = {kind: [] for kind in TABLE_OF_KIND.values()}
    names: dict[tuple[str, str], list[str]] = {}
    for cell in cells(plan, without):
        evaluation = evaluation_named(plan, cell.evaluation)
        split = (cell.dataset, cell.split)
        if split not in names:
            names[split] = [item.item for item in items.of(*split)]
        gone = (excluded or {}).get((cell.evaluation, cell.arm), frozenset())
        planned = Planned(cell, names[split], samples_of(evaluation), gone)
        tables[TABLE_OF_KIND[evaluation.measure.kind]].append(planned)
    return tables


def gaps(kind: str, planned: Sequence[Planned], answers: Answers | None) -> Iterator[Gap]:
    """What is missing from a table, what is too much, or the first row out of order."""
    wrong = _first_out_of_place(planned, answers)
    if wrong is None:
        return
    wanted: dict[tuple[str, str], Counter[_Key]] = {}
    for cell in planned:
        wanted.setdefault(cell.group, Counter()).update(cell.keys())
    held = {} if answers is None else group_answers(answers)
    is_complete = True
    for group in {**wanted, **held}:
        asked, given = wanted.get(group, Counter()), Counter(_keys(held.get(group)))
        for key in asked - given:
            is_complete = False
            yield Gap(path_of(kind), f"a row {_spelled(group, key)}", "none")
        for key in given - asked:
            is_complete = False
            found = f"a row {_spelled(group, key)}"
            yield Gap(path_of(kind), "rows of the plan, once each", found)
    if is_complete and answers is not None:
        yield _disorder(planned, answers, wrong)


def _first_out_of_place(planned: Sequence[Planned], answers: Answers | None) -> int | None:
    """The first row that is not the planned one; none if every row is, and none is missing."""
    start = 0
    numbers: dict[tuple[str, str], NDArray[np.intp]] = {}
    for cell in planned:
        split = (cell.cell.dataset, cell.cell.split)
        if answers is not None:
            if split not in numbers:
                numbers[split] = answers.item.vocabulary.codes(cell.items)
            right = cell.are(answers[start : start + cell.size], numbers[split])
            if not right.all() or len(right) < cell.size:
                return start + int(np.argmin(np.append(right, [False])))
        elif cell.size:
            return 0
        start += cell.size
    rows = 0 if answers is None else len(answers)
    return None if start == rows else start


def _disorder(planned: Sequence[Planned], answers: Answers, place: int) -> Gap:
    """The row that stands where another should."""
    start = 0
    for cell in planned:
        if place < start + cell.size:
            break
        start += cell.size
    key = next(islice(cell.keys(), place - start, None))
    evaluation, arm = (answers.texts(name)[place] for name in ("evaluation", "arm"))
    found = _spelled((evaluation, arm), next(_keys(answers[place : place + 1])))
    where = f"{path_of(answers.kind)} line {answers.lines[place]}"
    return Gap(where, _spelled(cell.group, key), found)


def _keys(answers: Answers | None) -> Iterator[_Key]:
    if answers is None:
        return iter(())
    samples = answers.numbers("sample").tolist() if "sample" in answers.held else repeat(0)
    return zip(answers.item, samples, strict=False)


def _spelled(group: tuple[str, str], key: _Key) -> str:
    return f"{group[0]} / {group[1]} / {key[0]} / sample {key[1]}"
