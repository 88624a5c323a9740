from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from safetycase.errors import SchemaViolation
from safetycase.tables.codec import header, read_table, scan_table, write_table
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
