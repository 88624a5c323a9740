"""Answers that the toy could not give: rows of exclusions take their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from safetycase.tables.rows import ExclusionRow, sample_of
from tests.kit.toy_world import ToyWorld


def without_missing(
    toy: ToyWorld, answers: Sequence[Any]
) -> tuple[list[Any], tuple[ExclusionRow, ...]]:
    """The answers that the toy can give, and a row for each that it cannot."""
    kept, gone = [], []
    for row in answers:
        cause = toy.missing(row.evaluation, row.arm, row.item)
        if cause is None:
            kept.append(row)
        else:
            gone.append(ExclusionRow(row.evaluation, row.arm, row.item, sample_of(row), cause))
    return kept, tuple(gone)
