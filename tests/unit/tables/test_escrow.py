"""An escrow opens what it was made for; one cell that does not match opens nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.errors import MalformedInput, SchemaViolation
from safetycase.tables.closing import close_table, column_leaves, open_table, single_cells
from safetycase.tables.codec import line_root, write_table
from safetycase.tables.disclosure import Disclosure
from safetycase.tables.escrow import (
    ESCROW_SCHEMA,
    Escrow,
    OpenedCell,
    OpenedColumn,
    OpenedFile,
    read_escrow,
    write_escrow,
)
from safetycase.tables.rows import ProbeRow

CLASSES: dict[str, Disclosure] = {"item": "keyed", "score": "withheld", "edits": "coarse"}
KEYS = {name: bytes([n]) * 32 for n, name in enumerate(CLASSES)}


def _rows(scores: list[float]) -> list[ProbeRow]:
    return [
        ProbeRow("e", "baseline", f"r{n}", score, n, 0.0, 1.0, "below")
        for n, score in enumerate(scores)
    ]


def _opened(rows: list[ProbeRow]) -> dict[str, OpenedColumn]:
    return {
        name: OpenedColumn("probes", name, key.hex(), [getattr(row, name) for row in rows])
        for name, key in KEYS.items()
    }


def _closed(rows: list[ProbeRow]) -> bytes:
    return close_table("probes", rows, CLASSES, _opened(rows))


def _escrow(rows: list[ProbeRow], **changes: Any) -> Escrow:
    whole = Escrow(ESCROW_SCHEMA, "0" * 64, list(_opened(rows).values()), [])
    return msgspec.structs.replace(whole, **changes)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), st.integers(1, 60)
)
def test_the_full_table_comes_back_to_the_byte(scores: list[float], cut: int) -> None:
    rows = _rows(scores)
    closed = _closed(rows)
    pieces = [closed[start : start + cut] for start in range(0, len(closed), cut)]
    opening = open_table("probes", pieces, _escrow(rows))
    assert b"".join(opening.pieces) == write_table("probes", rows)
    assert opening.size == len(write_table("probes", rows))
    assert (opening.closed, opening.refused) == ([], [])


ROWS = _rows([0.5, -1.0, 2.0])
DATA = _closed(ROWS)
FIRST = 1
"""The line of the roots: nobody can tell which of the cells of a column is another."""


def _changed(column: str, **changes: Any) -> Escrow:
    return _escrow(
        ROWS,
        columns=[
            msgspec.structs.replace(one, **changes) if one.column == column else one
            for one in _escrow(ROWS).columns
        ],
    )


@pytest.mark.parametrize(
    ("column", "changes", "line"),
    [
        ("score", {"key": "0" * 62 + "11"}, FIRST),
        ("score", {"cells": [0.5, -1.0, 2.5]}, FIRST),
        ("score", {"cells": [0.5, -1, 2.0]}, FIRST),
        ("score", {"cells": [-1.0, 2.0, 0.5]}, FIRST),
        ("score", {"cells": [0.5, -1.0]}, 4),
        ("score", {"cells": [0.5, -1.0, 2.0, 2.0]}, 5),
        ("score", {"cells": ["0.5", -1.0, 2.0]}, FIRST),
        ("edits", {"cells": [0, 1, 3]}, FIRST),
        ("edits", {"cells": [0, 1, 4]}, 4),
        ("edits", {"cells": [0, 1, "2"]}, 4),
        ("edits", {"cells": [0, 1, 2.0]}, FIRST),
        ("item", {"cells": ["r0", "r2", "r1"]}, 3),
        ("item", {"key": "0" * 62 + "11"}, 2),
    ],
)
def test_one_wrong_cell_keeps_a_column_closed(
    column: str, changes: dict[str, Any], line: int
) -> None:
    opening = open_table("probes", [DATA], _changed(column, **changes))
    assert opening.refused == [(line, column)]
    first = msgspec.json.decode(opening.pieces[0])
    assert [name.rpartition(":")[0] for name in first if ":" in name] == [
        f"{column}:{CLASSES[column]}"
    ]


def test_a_column_that_is_not_opened_stays_as_it_was() -> None:
    rest = _escrow(ROWS, columns=_escrow(ROWS).columns[:1])
    opening = open_table("probes", [DATA], rest)
    assert opening.closed == ["score", "edits"]
    second = msgspec.json.decode(opening.pieces[1].split(b"\n")[2])
    assert second[2:5] == ["r2", None, 2]
    assert opening.opened == ["item"]
    closed = open_table("probes", [DATA], Escrow.empty())
    assert b"".join(closed.pieces) == DATA


def _cell(column: str, row: int) -> OpenedCell:
    (one,) = single_cells(CLASSES[column], _opened(ROWS)[column], [row])
    return one


def _with_cells(*cells: OpenedCell) -> Escrow:
    return _escrow(ROWS, columns=[], cells=list(cells))


@pytest.mark.parametrize("column", CLASSES)
@pytest.mark.parametrize("row", range(3))
def test_single_cells_open_one_by_one_and_the_column_stays_closed(
    column: str, row: int
) -> None:
    one = _cell(column, row)
    opening = open_table("probes", [DATA], _with_cells(one))
    assert (opening.cells, opening.refused) == ([one], [])
    assert opening.closed == list(CLASSES)
    assert b"".join(opening.pieces) == DATA
    assert one.cell == getattr(ROWS[row], column)


def test_the_salt_of_a_cell_is_not_the_key_of_its_column() -> None:
    cells = [_cell(column, row) for column in CLASSES for row in range(3)]
    assert len({one.salt for one in cells} | {key.hex() for key in KEYS.values()}) == 12


@pytest.mark.parametrize(
    ("column", "changes"),
    [
        ("score", {"cell": 2.5}),
        ("score", {"cell": "-1.0"}),
        ("score", {"cell": -1}),
        ("score", {"row": 0}),
        ("score", {"row": 3}),
        ("score", {"row": 10**18}),
        ("score", {"salt": "0" * 64}),
        ("score", {"column": "edits"}),
        ("score", {"column": "outcome"}),
        ("score", {"column": "nothing"}),
        ("score", {"path": []}),
        ("score", {"path": ["0" * 64] * 70}),
        ("edits", {"cell": 2}),
    ],
)
def test_a_single_cell_that_does_not_match_is_refused(
    column: str, changes: dict[str, Any]
) -> None:
    one, good = msgspec.structs.replace(_cell(column, 1), **changes), _cell("item", 0)
    opening = open_table("probes", [DATA], _with_cells(one, good))
    assert opening.refused == [(one.row + 2, one.column)]
    assert opening.cells == [good]


def test_a_coarse_number_must_be_that_of_the_cell() -> None:
    """A table that shows another coarse number than that of what it commits to."""
    other = DATA.replace(b",null,2,", b",null,4,")
    assert other != DATA
    single, whole = _with_cells(_cell("edits", 2)), _escrow(ROWS)
    assert open_table("probes", [other], single).refused == [(4, "edits")]
    assert open_table("probes", [other], whole).refused == [(4, "edits")]


def test_leaves_of_keyed_columns_have_salts_of_their_table() -> None:
    here, there = (OpenedColumn(kind, "item", "0" * 64, ["r0"]) for kind in ("items", "probes"))
    salts = {single_cells("keyed", one, [0])[0].salt for one in (here, there)}
    assert len(salts) == 2
    assert list(column_leaves("keyed", here)) != list(column_leaves("withheld", here))


def test_an_escrow_has_one_spelling() -> None:
    escrow = _escrow(ROWS, files=[OpenedFile("evidence/a.safetensors", "1" * 64, b"data")])
    data = write_escrow(escrow)
    assert read_escrow(data) == escrow
    with pytest.raises(MalformedInput, match="one spelling"):
        read_escrow(data + b"\n")


@pytest.mark.parametrize("bad", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_escrow_is_refused(bad: bytes) -> None:
    with pytest.raises(SchemaViolation, match="escrow"):
        read_escrow(bad)


def test_the_file_s_commitment_binds_path_and_bytes() -> None:
    file = OpenedFile("evidence/a.safetensors", "1" * 64, b"data")
    others = [
        msgspec.structs.replace(file, path="evidence/b.safetensors"),
        msgspec.structs.replace(file, data=b"date"),
        msgspec.structs.replace(file, key="2" * 64),
    ]
    assert file.commitment() not in {other.commitment() for other in others}


def test_the_root_is_over_the_lines() -> None:
    assert line_root([DATA]) == line_root([DATA[:50], DATA[50:]])
    header, first, second, rest = DATA.split(b"\n", 3)
    swapped = b"\n".join([header, second, first, rest])
    assert line_root([swapped]) != line_root([DATA])
