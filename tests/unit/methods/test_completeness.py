from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from safetycase.methods.completeness import Planned, gaps
from safetycase.methods.grid import Cell
from safetycase.tables.columns import Answers
from safetycase.tables.rows import GenerationRow

CELLS = [
    Planned(Cell("e", "d", "baseline", "held_out"), ["i0", "i1"], 2),
    Planned(Cell("e", "d", "x/target", "held_out"), ["i0", "i1"], 2),
]
ROWS = [
    GenerationRow("e", arm, item, sample, "t", 4, "eos", 0.5, 7, 2.0, 9.0, "safe")
    for arm in ("baseline", "x/target")
    for item in ("i0", "i1")
    for sample in (0, 1)
]
PATH = "evidence/generations.jsonl"
Rows = list[GenerationRow]


def _renamed(rows: Rows) -> Rows:
    return [*rows[:-1], msgspec.structs.replace(rows[-1], item="i7")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda rows: rows, []),
        (lambda rows: rows[:-1], [(PATH, "a row e / x/target / i1 / sample 1", "none")]),
        (
            lambda rows: rows[:4] + rows[5:],
            [(PATH, "a row e / x/target / i0 / sample 0", "none")],
        ),
        (
            lambda rows: [*rows, rows[0]],
            [(PATH, "rows of the plan, once each", "a row e / baseline / i0 / sample 0")],
        ),
        (
            _renamed,
            [
                (PATH, "a row e / x/target / i1 / sample 1", "none"),
                (PATH, "rows of the plan, once each", "a row e / x/target / i7 / sample 1"),
            ],
        ),
        (
            lambda rows: [rows[1], rows[0], *rows[2:]],
            [
                (
                    f"{PATH} line 2",
                    "e / baseline / i0 / sample 0",
                    "e / baseline / i0 / sample 1",
                )
            ],
        ),
        (
            lambda rows: rows[4:] + rows[:4],
            [
                (
                    f"{PATH} line 2",
                    "e / baseline / i0 / sample 0",
                    "e / x/target / i0 / sample 0",
                )
            ],
        ),
    ],
)
def test_what_is_not_the_grid_is_named(
    change: Callable[[Rows], Rows], expected: list[tuple[str, str, str]]
) -> None:
    found = gaps("generations", CELLS, Answers.of(change(ROWS)))
    assert [(gap.where, gap.expected, gap.found) for gap in found] == expected


def test_a_table_that_is_not_there_lacks_every_row() -> None:
    assert len(list(gaps("generations", CELLS, None))) == len(ROWS)
    assert not list(gaps("generations", [], None))
