"""Where the error of the dictionary is dropped: what an edit is then added to, trace by trace.

An arm with error policy `none` leaves decode(encode(h)) + v in the place of h. What it adds is
v, and that is what its rows report; how far decode(encode(h)) lies from h is what the rows of
the reconstruction arm report. The whole dictionary is not in a case: decode(encode(h)) is
published at traces and follows from nothing. Rows of the reconstruction arm bound it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.methods.equations import dictionary_of
from safetycase.methods.grid import evaluation_named
from safetycase.methods.turns import turns_of
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import AnswerRow

Floats = NDArray[np.float32]

APART = 0.05
"""By how much more than the reconstruction arm's row two passes may differ: a feature at its
threshold may fire in one of them."""


def start_of(before: Floats, made: Floats, is_dropped: NDArray[np.bool_]) -> Floats:
    """What edits are added to [n, width]: what the dictionary made, if its error is dropped."""
    return np.where(is_dropped[:, None], made, before)


def in_format(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The values as a model of that number format holds them: bfloat16 rounds to even."""
    if dtype != "bfloat16":
        return values
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return kept.astype(np.uint32).view(np.float32)


def bound_of(plan: Plan, axis: Axis, evidence: Evidence, row: AnswerRow) -> float | None:
    """The most that errors at prompt tokens of a row sum to, by the reconstruction arm's.

    Both arms meet the same activations there. None where they need not: in scripts, whose
    later turns follow answers, and where several blocks are edited; nor without that row.
    """
    several = dictionary_of(plan, axis).layers is not None
    if several or turns_of(evaluation_named(plan, row.evaluation)) is not None:
        return None
    same = _row(evidence.answers.get((row.evaluation, f"{axis.id}/reconstruction"), ()), row)
    return None if same is None else same.edits * same.delta * (1.0 + APART)


def _row(answers: Answers | tuple[()], like: AnswerRow) -> AnswerRow | None:
    sample = getattr(like, "sample", 0)
    for row in answers:
        if row.item == like.item and getattr(row, "sample", 0) == sample:
            return row
    return None
