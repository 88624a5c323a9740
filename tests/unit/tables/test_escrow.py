"""An escrow opens what it was made for; one cell that does not match opens nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.errors import MalformedInput, SchemaViolation
from safetycase.tables.codec import line_root, write_table
from safetycase.tables.commitment import cell_salt, commitment
from safetycase.tables.escrow import (
    ESCROW_SCHEMA,
    Escrow,
    OpenedColumn,
    OpenedFile,
    close_table,
    open_table,
    read_escrow,
    write_escrow,
)
from safetycase.tables.rows import ProbeRow

CLASSES = {"item": "keyed", "score": "withheld", "edits": "withheld"}
KEYS = {name: bytes([n]) * 32 for n, name in enumerate(CLASSES)}


def _rows(scores: list[float]) -> list[ProbeRow]:
    return [
        ProbeRow("e", "baseline", f"r{n}", score, n, 0.0, 1.0, "below")
        for n, score in enumerate(scores)
    ]


def _escrow(rows: list[ProbeRow], **changes: Any) -> Escrow:
    opened = [
        OpenedColumn("probes", name, KEYS[name].hex(), [getattr(row, name) for row in rows])
        for name in CLASSES
    ]
    whole = Escrow(ESCROW_SCHEMA, "0" * 64, opened, [])
    return msgspec.structs.replace(whole, **changes)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), st.integers(1, 60)
)
def test_the_full_table_comes_back_to_the_byte(scores: list[float], cut: int) -> None:
    rows = _rows(scores)
    closed = close_table("probes", rows, CLASSES, KEYS)
    pieces = [closed[start : start + cut] for start in range(0, len(closed), cut)]
    opening = open_table("probes", pieces, _escrow(rows))
    assert b"".join(opening.pieces) == write_table("probes", rows)
    assert opening.size == len(write_table("probes", rows))
    assert (opening.closed, opening.refused) == ([], [])


ROWS = _rows([0.5, -1.0, 2.0])
DATA = close_table("probes", ROWS, CLASSES, KEYS)


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
        ("score", {"key": "0" * 62 + "11"}, 2),
        ("score", {"cells": [0.5, -1.0, 2.5]}, 4),
        ("score", {"cells": [0.5, -1, 2.0]}, 3),
        ("score", {"cells": [-1.0, 2.0, 0.5]}, 2),
        ("score", {"cells": [0.5, -1.0]}, 4),
        ("score", {"cells": [0.5, -1.0, 2.0, 2.0]}, 5),
        ("score", {"cells": ["0.5", -1.0, 2.0]}, 2),
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
    assert f"{column}:{CLASSES[column]}" in first
    assert sum(":" in name for name in first) == 1


def test_a_column_that_is_not_opened_stays_as_it_was() -> None:
    rest = _escrow(ROWS, columns=_escrow(ROWS).columns[:1])
    opening = open_table("probes", [DATA], rest)
    assert opening.closed == ["score", "edits"]
    second = msgspec.json.decode(opening.pieces[1].split(b"\n")[0])
    assert second[2] == "r0"
    assert second[3] == commitment(cell_salt(KEYS["score"], 0), "probes", "score", 0.5)
    closed = open_table("probes", [DATA], Escrow.empty())
    assert b"".join(closed.pieces) == DATA


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
