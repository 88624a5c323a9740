"""Where things stand in the toy's record and tables, by what they are."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kit.builder import Json, KitCase

WATCHED, KNOWLEDGE = 0, 1
"""Numbers of the toy's axes: an effect claim, and a claim that nothing changes."""


def axis_pointer(axis: int, *steps: str | int) -> str:
    """Pointer to a part of an axis's result."""
    return "/".join(["/results/axes", str(axis), *map(str, steps)])


def result(case: KitCase, axis: int) -> Json:
    """An axis's result."""
    return case.record["results"]["axes"][axis]


def arm_at(case: KitCase, axis: int, name: str) -> int:
    """Number of an arm in an axis's result; also its row in the tensor of directions."""
    names = [arm["id"] for arm in result(case, axis)["arms"]]
    return names.index(name)


def entry_at(case: KitCase, axis: int, kind: str, arm: str, evaluation: str) -> int:
    """Number of a rate or comparison of an arm on an evaluation."""
    entries = result(case, axis)[kind]
    return next(
        n
        for n, entry in enumerate(entries)
        if entry["arm"] == arm and entry["measure"]["evaluation"] == evaluation
    )


def rows_at(
    case: KitCase, kind: str, arm: str, evaluation: str, split: str = "held_out"
) -> Iterator[tuple[int, Json]]:
    """Number and content of every row of a cell, in order."""
    items = {row.item for row in case.rows("items") if row.split == split}
    for number, row in enumerate(case.rows(kind)):
        if (row.evaluation, row.arm) == (evaluation, arm) and row.item in items:
            yield number, row


def items_at(case: KitCase, dataset: str, split: str) -> list[int]:
    """Numbers of the items of a dataset in one split."""
    rows = case.rows("items")
    return [n for n, row in enumerate(rows) if (row.dataset, row.split) == (dataset, split)]
