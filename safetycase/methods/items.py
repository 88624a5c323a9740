"""What the table of items must be: names of their own, whole splits, no question twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from safetycase.methods.gap import Gap
from safetycase.methods.text_grade import fold
from safetycase.methods.turns import opening
from safetycase.record.plan import Plan
from safetycase.tables.rows import ItemRow, path_of

Rows = Sequence[ItemRow]
"""All items of a case, in table order; the first line of the file names the columns."""


def _line(place: int) -> str:
    return f"{path_of('items')} line {place + 2}"


def name_gaps(plan: Plan, rows: Rows) -> Iterator[Gap]:
    """Items of unknown datasets, of names that occur twice there, and of no cluster."""
    known = {dataset.id for dataset in plan.datasets}
    counts = Counter((row.dataset, row.item) for row in rows)
    for place, row in enumerate(rows):
        if row.dataset not in known:
            yield Gap(_line(place), "a dataset of the plan", row.dataset)
        if counts[row.dataset, row.item] > 1:
            yield Gap(_line(place), "a name that occurs once", row.item)
        if not row.cluster:
            yield Gap(_line(place), "a cluster", "none")


def split_gaps(rows: Rows, derived: Rows) -> Iterator[Gap]:
    """Items in another split than the derived one; both in table order."""
    for place, (row, placed) in enumerate(zip(rows, derived, strict=True)):
        if row.split != placed.split:
            yield Gap(_line(place), f"{row.cluster} in {placed.split}", row.split)


def crossing_gaps(rows: Rows) -> Iterator[Gap]:
    """Prompts that stand, letter case and spacing aside, in a split and again in another.

    Of scripts the first turn counts.
    """
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        before = first.setdefault(fold(opening(row.prompt)), place)
        if rows[before].split != row.split:
            found = (
                f"that of line {before + 2}, which is in {rows[before].split}; "
                f"this is in {row.split}"
            )
            yield Gap(_line(place), "a prompt of one split only", found)


def repeat_gaps(rows: Rows) -> Iterator[Gap]:
    """Questions that stand twice in a split of their dataset."""
    first: dict[tuple[str, str, str, str | None, str | None], int] = {}
    for place, row in enumerate(rows):
        key = (row.dataset, row.split, row.prompt, row.target, row.other)
        before = first.setdefault(key, place)
        if before != place:
            yield Gap(_line(place), "a question of its own", f"that of line {before + 2}")
