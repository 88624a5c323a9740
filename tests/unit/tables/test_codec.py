from __future__ import annotations

import gc
from contextlib import suppress

import pytest
from msgspec.structs import replace

from safetycase.errors import SchemaViolation
from safetycase.tables.codec import encode_rows, header, read_table, scan_table, write_table
from safetycase.tables.rows import TABLES, ProbeRow, columns

ROWS = [ProbeRow("e", "a", f"i{n}", 0.1 * n, n, 1.5, 14500.25, "above") for n in range(3)]
DATA = write_table("probes", ROWS)


def test_rows_come_back_as_they_were() -> None:
    assert read_table("probes", DATA) == ROWS
    assert write_table("probes", read_table("probes", DATA)) == DATA


def test_the_first_line_names_the_columns() -> None:
    assert DATA.split(b"\n")[0] == header("probes")
    assert columns("probes")[:4] == ("evaluation", "arm", "item", "score")


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_an_empty_table_is_its_header(kind: str) -> None:
    assert read_table(kind, header(kind) + b"\n") == []


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (b"", "evidence/probes.jsonl"),
        (header("items") + b"\n", "evidence/probes.jsonl"),
        (header("probes"), "evidence/probes.jsonl"),
        (DATA[:-1], "evidence/probes.jsonl"),
        (DATA.replace(b'"i1"', b"1"), "line 3"),
        (DATA.replace(b'"i2"', b'"i2",7'), "line 4"),
        (DATA.replace(b'"i0",', b""), "line 2"),
        (DATA.replace(b"14500.25", b"-1.0", 1), "line 2"),
        (DATA.replace(b"14500.25", b"NaN", 1), "line 2"),
        (DATA.replace(b"]\n[", b"]\n\n[", 1), "evidence/probes.jsonl"),
        (DATA.replace(b"]\n[", b"] [", 1), "evidence/probes.jsonl"),
        (DATA.replace(b'"i0"', b'"\xff"'), "line 2"),
        (header("probes") + b"\n" + b"[" * 5000 + b"\n", "line 2"),
    ],
)
def test_anything_else_is_refused_with_its_place(bad: bytes, place: str) -> None:
    with pytest.raises(SchemaViolation) as refusal:
        read_table("probes", bad)
    assert place in refusal.value.where
    with pytest.raises(SchemaViolation) as again:
        scan_table("probes", [bad] if bad else [], size=len(bad))
    assert str(again.value) == str(refusal.value)


def test_blank_lines_after_another_spelling_are_refused_too() -> None:
    pieces = [DATA.replace(b"1.5", b"1.50", 1), b"\n", DATA.split(b"\n")[1] + b"\n"]
    with pytest.raises(SchemaViolation, match="blank or joined lines"):
        scan_table("probes", pieces, size=len(DATA))


def test_the_collector_of_cycles_is_left_as_it_was() -> None:
    for data in (DATA, DATA[:-1]):
        with suppress(SchemaViolation):
            scan_table("probes", [data], size=len(data))
        assert gc.isenabled()
    gc.disable()
    try:
        scan_table("probes", [DATA], size=len(DATA))
        assert not gc.isenabled()
    finally:
        gc.enable()


def _pieces(rows: list[ProbeRow], size: int) -> list[bytes]:
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [header("probes") + b"\n", *map(encode_rows, parts)]


@pytest.mark.parametrize("different", [1, 3, 64, 65, 200])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_texts_that_repeat_are_read_as_those_that_do_not(different: int, size: int) -> None:
    """New ones may come at any row, and there may be many: every table reads the same."""
    rows = [
        replace(
            ROWS[0], item=f"i{n}", evaluation=f"e{n // 90}", outcome=f"\u00e9 {n % different}"
        )
        for n in range(300)
    ]
    pieces = _pieces(rows, size)
    table = scan_table("probes", pieces, size=sum(map(len, pieces)))
    assert list(table.rows) == rows
    assert table.misspelled is None


@pytest.mark.parametrize(
    ("spelled", "again"),
    [(b'"above"', b'"\\u0061bove"'), (b"1.5", b"1.50"), (b',"above"', b', "above"')],
)
def test_another_spelling_of_a_text_that_was_met_is_found(spelled: bytes, again: bytes) -> None:
    pieces = _pieces([ROWS[0]] * 30, 10)
    pieces[3] = pieces[3][::-1].replace(spelled[::-1], again[::-1], 1)[::-1]
    table = scan_table("probes", pieces, size=sum(map(len, pieces)))
    assert list(table.rows) == [ROWS[0]] * 30
    assert table.misspelled == 31


@pytest.mark.parametrize("fault", [b"7", b"null", b'"\xff"'])
def test_a_fault_among_texts_that_were_met_is_refused_with_its_line(fault: bytes) -> None:
    pieces = _pieces([ROWS[0]] * 30, 10)
    pieces[2] = pieces[2].replace(b'"above"', fault, 1)
    with pytest.raises(SchemaViolation) as refusal:
        scan_table("probes", pieces, size=sum(map(len, pieces)))
    assert refusal.value.where == "evidence/probes.jsonl line 12"
    with pytest.raises(SchemaViolation) as plain:
        read_table("probes", b"".join(pieces))
    assert str(plain.value) == str(refusal.value)
