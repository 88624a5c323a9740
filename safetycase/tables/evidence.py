"""The evidence of a case, looked up as the plan thinks of it: by evaluation, arm and split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.tables.rows import AnswerRow, ItemRow, LabelCheckRow, LabelWordRow

SPLITS = ("discovery", "tuning", "held_out")

Tensors = Mapping[str, np.ndarray]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Items:
    """The items of a case in table order, by dataset and split."""

    rows: Sequence[ItemRow]
    _groups: dict[tuple[str, str], list[ItemRow]] = field(init=False, repr=False)
    _by_name: dict[tuple[str, str], ItemRow] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Group once; lookups follow table order."""
        groups: dict[tuple[str, str], list[ItemRow]] = {}
        for row in self.rows:
            groups.setdefault((row.dataset, row.split), []).append(row)
        object.__setattr__(self, "_groups", groups)
        by_name = {(row.dataset, row.item): row for row in self.rows}
        object.__setattr__(self, "_by_name", by_name)

    def of(self, dataset: str, split: str) -> Sequence[ItemRow]:
        """Items of a dataset in one split, in table order; empty if there are none."""
        return self._groups.get((dataset, split), [])

    def named(self, dataset: str, item: str) -> ItemRow:
        """The item of that name; refused if the table has none."""
        row = self._by_name.get((dataset, item))
        if row is None:
            raise MethodRefused(
                "evidence/items.jsonl", f"item {item} of {dataset}", found="none"
            )
        return row


@dataclass(frozen=True)
class Evidence:
    """Tables and tensors of a case; answers are grouped by evaluation and arm."""

    items: Items
    answers: Mapping[tuple[str, str], Sequence[AnswerRow]]
    label_words: Sequence[LabelWordRow]
    label_checks: Sequence[LabelCheckRow]
    tensors: Tensors
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
        found = self.tensors.get(name)
        if found is None:
            raise MethodRefused("evidence/*.safetensors", f"tensor {name}", found="none")
        return found

    def cell(self, evaluation: str, dataset: str, arm: str, split: str) -> Sequence[AnswerRow]:
        """Answers of one cell of the grid, one for each item, in item order.

        Refused unless the rows are those of all the items of the split, once each, in the
        order of the items: a rate over fewer rows is another rate.
        """
        key = ("cell", evaluation, dataset, arm, split)
        return self.once(key, lambda: self._cell(evaluation, dataset, arm, split))

    def _cell(self, evaluation: str, dataset: str, arm: str, split: str) -> Sequence[AnswerRow]:
        planned = self.items.of(dataset, split)
        names = {row.item for row in planned}
        rows = [row for row in self.answers.get((evaluation, arm), ()) if row.item in names]
        if [row.item for row in rows] != [item.item for item in planned] or not rows:
            raise MethodRefused(
                f"answers of {evaluation} under {arm}, {split}",
                f"one row for each of {len(planned)} items, in their order",
                found=f"{len(rows)} rows",
            )
        return rows


def group_answers(
    *tables: Iterable[AnswerRow],
) -> dict[tuple[str, str], list[AnswerRow]]:
    """Answers by evaluation and arm, in table order."""
    groups: dict[tuple[str, str], list[AnswerRow]] = {}
    for rows in tables:
        for row in rows:
            groups.setdefault((row.evaluation, row.arm), []).append(row)
    return groups
