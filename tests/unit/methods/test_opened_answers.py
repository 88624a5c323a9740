"""An answer that is opened by itself is graded again, or it is said why it cannot be."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest

from safetycase import canonical
from safetycase.bundle.parts import CaseParts
from safetycase.methods.gap import Gap
from safetycase.methods.opened_answers import (
    opened_answers,
    opened_targets,
    outcome_gaps_of,
)
from safetycase.record.plan import Plan
from safetycase.tables.closing import single_cells
from safetycase.tables.columns import Texts
from safetycase.tables.escrow import Escrow, OpenedCell, read_escrow, write_escrow
from tests.kit.builder import KitCase, resign
from tests.kit.cases import small_case
from tests.kit.redacted import PROMPTS, TEXTS, addressed, redacted_from
from tests.kit.tried_cases import judged_case


@cache
def _made(column: str, *, judged: bool = False) -> tuple[bytes, Escrow]:
    redacted = redacted_from(judged_case() if judged else small_case(), column)
    case = resign(KitCase(redacted.members))
    return case.to_bytes(), read_escrow(addressed(redacted.escrow, case))


def _cells(escrow: Escrow, *names: str, rows: tuple[int, ...] = (0,)) -> list[OpenedCell]:
    held = [escrow.column("generations", name) for name in names]
    return [cell for one in held if one for cell in single_cells("withheld", one, rows)]


def _gaps(made: tuple[bytes, Escrow], cells: list[OpenedCell]) -> list[Gap]:
    data, escrow = made
    given = msgspec.structs.replace(escrow, columns=[], files=[], cells=cells)
    case = CaseParts(data, escrow=write_escrow(given))
    answers = case.answers("generations")
    opened, targets = opened_answers(cells), opened_targets(cells)
    return list(outcome_gaps_of(case.plan, case.evidence, answers, opened, targets))


@pytest.mark.parametrize("column", [TEXTS, PROMPTS])
def test_text_and_likelihood_give_the_outcome(column: str) -> None:
    made = _made(column)
    assert _gaps(made, _cells(made[1], "output", "nll", rows=(0, 5, 657))) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"cell": ""}, "incoherent"),
        ({"cell": 5}, "a row of this table"),
        ({"cell": None}, "a row of this table"),
    ],
)
def test_another_text_has_another_outcome(changes: dict[str, Any], found: str) -> None:
    made = _made(TEXTS)
    text, nll = _cells(made[1], "output", "nll")
    (gap,) = _gaps(made, [msgspec.structs.replace(text, **changes), nll])
    assert gap.expected == found
    assert gap.where.startswith("evidence/generations.jsonl line 2: ")
    assert not gap.silent


def test_a_text_alone_is_not_graded() -> None:
    made = _made(TEXTS)
    (gap,) = _gaps(made, _cells(made[1], "output"))
    assert gap.silent
    assert "evidence/generations.jsonl: nll" in gap.sentence
    assert _gaps(made, _cells(made[1], "nll")) == []


def test_what_a_judge_said_is_missed() -> None:
    made = _made(TEXTS, judged=True)
    (gap,) = _gaps(made, _cells(made[1], "output", "nll"))
    assert gap.silent
    assert "evidence/judgements.jsonl: raw" in gap.sentence


def _asking_the_target(case: CaseParts) -> Plan:
    """The plan of the case, whose rules ask for nothing but the item's target."""
    plan = case.plan.spelled()
    for evaluation in plan["evaluations"]:
        if "grader" in evaluation["measure"]:
            rule = {"outcome": "unsafe", "match": "contains_target", "phrases": []}
            evaluation["measure"]["grader"]["rules"] = [rule]
    return Plan.model_validate_json(canonical.write(plan))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, ["what its grade rests on"]),
        ({"cell": "first"}, ["unsafe"]),
        ({"cell": "nowhere"}, ["safe"]),
        ({"cell": 5}, ["a row of this table"]),
        ({"cell": "first", "row": 100}, ["what its grade rests on"]),
    ],
)
def test_a_target_may_be_opened_by_itself_too(
    target: dict[str, Any] | None, expected: list[str]
) -> None:
    """The answer of the first item says `First take …`; no row has the outcome `none`."""
    data, escrow = _made(PROMPTS)
    text, nll = _cells(escrow, "output", "nll")
    case = CaseParts(data)
    answers = case.answers("generations")
    items = [row.item for row in case.rows("items")]
    place = items.index(answers.item[0])
    column = escrow.column("items", "target")
    assert column is not None
    (one,) = single_cells("withheld", column, [place])
    cells = [msgspec.structs.replace(text, cell="First take the key."), nll]
    cells += [] if target is None else [msgspec.structs.replace(one, **target)]
    stated = answers.graded(Texts.of(["none"] * len(answers)))
    gaps = outcome_gaps_of(
        _asking_the_target(case),
        case.evidence,
        stated,
        opened_answers(cells),
        opened_targets(cells),
    )
    assert [gap.expected for gap in gaps] == expected


def test_rows_are_those_whose_text_is_open() -> None:
    cells = _cells(_made(TEXTS)[1], "nll", "output", rows=(3, 1))
    other = msgspec.structs.replace(cells[0], table="probes", row=0)
    assert list(opened_answers([other, *cells])) == [1, 3]
    assert opened_answers([other, *cells])[1].keys() == {"output", "nll"}
    assert opened_answers(cells[:1]) == {}
