"""An answer that is opened by itself is graded again, or it is said why it cannot be."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest

from safetycase.bundle.parts import CaseParts
from safetycase.methods.gap import Gap
from safetycase.methods.opened_answers import opened_answers, outcome_gaps_of
from safetycase.tables.closing import single_cells
from safetycase.tables.escrow import Escrow, OpenedCell, read_escrow, write_escrow
from tests.kit.builder import KitCase, resign
from tests.kit.cases import judged_case, small_case
from tests.kit.redacted import PROMPTS, TEXTS, addressed, redacted_from


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
    return list(outcome_gaps_of(case.plan, case.evidence, answers, opened_answers(cells)))


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


def test_rows_are_those_whose_text_is_open() -> None:
    cells = _cells(_made(TEXTS)[1], "nll", "output", rows=(3, 1))
    other = msgspec.structs.replace(cells[0], table="probes", row=0)
    assert list(opened_answers([other, *cells])) == [1, 3]
    assert opened_answers([other, *cells])[1].keys() == {"output", "nll"}
    assert opened_answers(cells[:1]) == {}
