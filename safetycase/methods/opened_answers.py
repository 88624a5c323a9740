"""Generated answers that an escrow opens one by one, graded again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from safetycase.errors import SafetyCaseError
from safetycase.methods.gap import Gap
from safetycase.methods.grade import grader_of
from safetycase.record.plan import Plan
from safetycase.tables.columns import Answers
from safetycase.tables.escrow import OpenedCell, Spelled
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import GenerationRow, ItemRow

Cells = Mapping[str, Spelled]
"""Cells of one row that are opened by themselves, by column."""


def opened_answers(cells: Iterable[OpenedCell]) -> dict[int, Cells]:
    """Of every answer whose text is opened by itself, the cells that are, by row."""
    rows: dict[int, dict[str, Spelled]] = {}
    for one in cells:
        if one.table == "generations":
            rows.setdefault(one.row, {})[one.column] = one.cell
    return {row: rows[row] for row in sorted(rows) if "output" in rows[row]}


def opened_targets(cells: Iterable[OpenedCell]) -> dict[int, Spelled]:
    """Targets of items that are opened by themselves, by the item's row."""
    return {
        one.row: one.cell for one in cells if (one.table, one.column) == ("items", "target")
    }


def outcome_gaps_of(
    plan: Plan,
    evidence: Evidence,
    answers: Answers,
    opened: Mapping[int, Cells],
    targets: Mapping[int, Spelled],
) -> Iterator[Gap]:
    """Opened answers with another outcome than theirs; silent where no grade can be given.

    Rows count from 0 in the table of `answers`, and in that of items. A grade rests on text and
    likelihood, and by the plan's rules on the item's target or on what a judge said.
    """
    for row, cells in opened.items():
        where, stated = answers.where(row), answers.outcome[row]
        try:
            graded = _graded(plan, evidence, answers, row, cells, targets)
        except msgspec.ValidationError as error:
            yield Gap(where, "a row of this table", str(error))
        except SafetyCaseError as refusal:
            text = f"{where} is open, but not what its grade rests on: {refusal}"
            yield Gap(where, "what its grade rests on", "less", text, silent=True)
        else:
            if graded != stated:
                yield Gap(where, graded, stated)


def _graded(
    plan: Plan,
    evidence: Evidence,
    answers: Answers,
    row: int,
    cells: Cells,
    targets: Mapping[int, Spelled],
) -> str:
    name, item = answers.texts("evaluation")[row], answers.item[row]
    evaluation = next(each for each in plan.evaluations if each.id == name)
    nll = cells["nll"] if "nll" in cells else float(answers.numbers("nll")[row])
    public = [answers.texts("arm")[row], item, int(answers.numbers("sample")[row])]
    spelled = [name, *public, cells["output"], 0, "eos", nll, 0, 0.0, 0.0, ""]
    answer = msgspec.convert(spelled, GenerationRow, strict=True)
    place = int(evidence.items.places(evaluation.dataset, [item])[0])
    if place in targets:
        target = [evaluation.dataset, item, "", "", None, "", targets[place], None, ""]
        alone = Items([msgspec.convert(target, ItemRow, strict=True)])
        evidence = replace(evidence, items=alone)
    return grader_of(plan, evaluation, evidence)(Answers.of([answer]))[0]
