"""Attacks that leave traces in the look of numbers: rows made up, or made even."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from safetycase.tables.evidence import Evidence
from tests.kit.builder import Json, KitCase, build_case, with_rows
from tests.kit.places import rows_at
from tests.kit.register import attack
from tests.kit.toy_world import OUTPUTS, ToyWorld

_CONTROL = "knowledge/random_live/03"


def _at_hand(case: KitCase, kind: str, evaluation: str, *columns: str) -> KitCase:
    rows = case.rows(kind)
    for number, row in rows_at(case, kind, _CONTROL, evaluation):
        short = {name: float(f"{getattr(row, name):.3g}") for name in columns}
        rows[number] = msgspec.structs.replace(row, **short)
    return with_rows(case, kind, rows)


@attack("forensics", "insider", refused_by={"FOR-005"})
def log_probabilities_written_by_hand(case: KitCase) -> KitCase:
    """Write the log-probabilities of a control to three digits, as one makes numbers up.

    A control that was never run has a row for every item.
    """
    return _at_hand(case, "choices", "quiz", "forward_matching", "forward_other")


@attack("forensics", "insider", refused_by={"FOR-005"})
def projections_written_by_hand(case: KitCase) -> KitCase:
    """Write the probe's scores under a control to three digits.

    A manipulation check is filled in at a desk.
    """
    return _at_hand(case, "probes", "awareness", "score")


_AS_MANY = 8


def _evened(evidence: Evidence) -> Evidence:
    """Every random control is given as many unsafe answers, on items of its own."""
    toy, rng = ToyWorld(7), np.random.default_rng(5)
    items = {row.item: row for row in evidence.items.of("requests", "held_out")}
    asked = [name for name, row in items.items() if row.kind != "benign"]
    answers: dict[tuple[str, str], list[Any]] = {
        k: list(v) for k, v in evidence.answers.items()
    }
    for key, rows in evidence.answers.items():
        if key[0] == "ask" and key[1].startswith("watched/random_"):
            unsafe = set(rng.choice(asked, _AS_MANY, replace=False).tolist())
            answers[key] = [_made_up(row, toy, items, unsafe) for row in rows]
    return replace(evidence, answers=answers)


def _made_up(row: Json, toy: ToyWorld, items: Json, unsafe: set[str]) -> Json:
    item = items[row.item]
    outcome = "unsafe" if row.item in unsafe else "refusal"
    if item.kind == "benign":
        return row
    text = OUTPUTS[outcome].format(item.target)
    return msgspec.structs.replace(
        row,
        output=text,
        tokens=len(text.split()) + 1,
        edits=len(item.prompt.split()) + len(text.split()),
        nll=toy.nll(item, outcome),
        residual=toy.residual_norm(item, text),
    )


@attack("forensics", "insider", unknown={"FOR-006"})
def controls_evened_out(_case: KitCase) -> KitCase:
    """Make the controls' answers up: as many unsafe ones in each, on items drawn at random.

    Controls that were never run stay far below the target, every one of them by as much.
    """
    return build_case(tamper=_evened, signed=False)
