"""The ledger is held against the tables, and what tells of a withheld text is found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from safetycase.methods.redaction import (
    Opened,
    file_gaps,
    leaks,
    ledger_gaps,
    opened_files,
    opened_tables,
    unopened,
)
from safetycase.record.redaction import Redaction
from safetycase.tables.closing import close_table
from safetycase.tables.codec import Table, line_root, scan_table
from safetycase.tables.disclosure import Closed
from safetycase.tables.escrow import ESCROW_SCHEMA, Escrow, OpenedCell, OpenedColumn, OpenedFile
from safetycase.tables.rows import JudgementRow, ProbeRow

ROWS = [JudgementRow("ask", "gold", f"g{n}", 0, "0" * 64, "safe", "safe") for n in range(2)]
RAW = OpenedColumn("judgements", "raw", "0" * 64, ["safe", "safe"])
DATA = close_table("judgements", ROWS, {"raw": "withheld"}, {"raw": RAW})
TABLE = {"judgements": scan_table("judgements", [DATA], size=len(DATA))}
ENTRY = Redaction(
    path="evidence/judgements.jsonl",
    column="raw",
    disclosure="withheld",
    count=2,
    ground="privacy",
    reason="Names of people.",
    commitment=line_root([DATA]),
)
FILE = Redaction(
    path="evidence/pooled.safetensors",
    disclosure="withheld",
    count=1,
    ground="privacy",
    reason="Names of people.",
    commitment=OpenedFile("evidence/pooled.safetensors", "1" * 64, b"x").commitment(),
)


def _stream(path: str) -> Iterable[bytes]:
    assert path == "evidence/judgements.jsonl"
    return [DATA]


def _found(*ledger: Redaction) -> list[tuple[str, str]]:
    return [(d.expected, d.found) for d in ledger_gaps(ledger, TABLE, _stream)]


def test_an_exact_ledger_has_no_differences() -> None:
    assert _found(ENTRY) == []
    assert _found(ENTRY, FILE) == []


def test_what_is_not_listed_is_found() -> None:
    assert _found() == [("an entry for evidence/judgements.jsonl: raw", "none")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"count": 1}, f"withheld / 2 / {ENTRY.commitment}"),
        ({"disclosure": "keyed"}, f"withheld / 2 / {ENTRY.commitment}"),
        ({"commitment": "0" * 64}, f"withheld / 2 / {ENTRY.commitment}"),
        ({"reason": " \n"}, "a reason in words"),
    ],
)
def test_what_is_listed_otherwise_is_found(changes: dict[str, Any], expected: str) -> None:
    assert [e for e, _ in _found(ENTRY.model_copy(update=changes))] == [expected]


def test_what_is_listed_and_published_is_found() -> None:
    other = ENTRY.model_copy(update={"column": "verdict"})
    assert [e for e, _ in _found(ENTRY, other)] == ["a column that is withheld"]
    assert [e for e, _ in _found(ENTRY, ENTRY)] == [
        "one entry for evidence/judgements.jsonl"
    ] * 2


@pytest.mark.parametrize(
    ("planned", "present", "changes", "found"),
    [
        ({FILE.path}, (), {}, []),
        ((), (), {}, [FILE.path]),
        ((), (), {"path": "circuits/a.json"}, []),
        ({FILE.path}, (FILE.path,), {}, ["the file"]),
        ({FILE.path}, (), {"count": 2}, ["withheld / 2"]),
        ({FILE.path}, (), {"disclosure": "keyed"}, ["keyed / 1"]),
    ],
)
def test_a_file_is_listed_if_the_case_would_hold_it(
    planned: Any, present: Any, changes: dict[str, Any], found: list[str]
) -> None:
    entry = FILE.model_copy(update=changes)
    assert [d.found for d in file_gaps([ENTRY, entry], planned, present)] == found


def test_what_tells_of_a_withheld_text_is_a_leak() -> None:
    tables: dict[str, Table] = {
        "items": Table([], None, {"prompt": Closed("withheld", "0" * 64)}),
        "judgements": Table(ROWS, None, {"raw": Closed("withheld", "0" * 64)}),
        "choices": Table([], None, {}),
    }
    present = ["evidence/probes.safetensors", "case.json"]
    found = {d.where for d in leaks([FILE], tables, present, _stream)}
    assert found == {"judgements.prompt", "judgements.item", "evidence/probes.safetensors"}
    assert list(leaks([], TABLE, present, _stream)) == []


PROBES = [ProbeRow("e", "baseline", f"r{n}", 0.75, 3, 0.0, 1.0, "below") for n in range(2)]


def _coarse(edits: bytes) -> list[str]:
    opened = {"edits": OpenedColumn("probes", "edits", "0" * 64, [3, 3])}
    data = close_table("probes", PROBES, {"edits": "coarse"}, opened)
    data = data.replace(b"0.75,2,", b"0.75," + edits + b",")
    table = {"probes": scan_table("probes", [data], size=len(data))}
    return [
        f"{d.where}: {d.expected}, {d.found}" for d in leaks([], table, [], lambda _: [data])
    ]


def test_a_coarse_column_holds_coarse_numbers() -> None:
    assert _coarse(b"2") == []
    assert _coarse(b"3") == ["evidence/probes.jsonl line 2: edits: 2, 3"]


ANN, BOB = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("named", "given", "whole", "found"),
    [
        ((ANN, BOB), [BOB, ANN], True, []),
        ((ANN, BOB), [ANN], True, [ANN]),
        ((ANN, BOB), [ANN], False, []),
        ((ANN,), [ANN, BOB], False, [f"{ANN}, {BOB}"]),
        (None, [ANN], True, [ANN]),
        ((ANN,), [], True, []),
        (None, [], True, []),
    ],
)
def test_an_escrow_is_for_the_auditors_that_the_ledger_names(
    named: tuple[str, ...] | None, given: list[str], whole: bool, found: list[str]
) -> None:
    """Of two entries the second, a file, is opened or not; the first always is."""
    file = OpenedFile(FILE.path, "1" * 64, b"x")
    escrow = Escrow(ESCROW_SCHEMA, "0" * 64, [RAW], [file] if whole else [], [], given)
    ledger = [ENTRY.model_copy(update={"auditors": named}), FILE]
    tables = opened_tables(escrow, TABLE, _stream)
    gaps = unopened(escrow, ledger, tables, opened_files(escrow, ledger))
    assert [gap.found for gap in gaps if gap.where.endswith("/0/auditors")] == [
        ", ".join(named or ()) or "nobody" for _ in found
    ]


@pytest.mark.parametrize("auditors", [(BOB, ANN), (ANN, ANN)])
def test_auditors_are_listed_once_and_in_order(auditors: tuple[str, ...]) -> None:
    listed = ENTRY.model_copy(update={"auditors": auditors})
    assert _found(listed) == [("each auditor once, in order", ", ".join(auditors))]
    assert _found(ENTRY.model_copy(update={"auditors": (ANN, BOB)})) == []


def test_a_cell_of_no_table_is_refused() -> None:
    cell = OpenedCell("probes", "score", 0, "0" * 64, 0.5, [])
    escrow = Escrow(ESCROW_SCHEMA, "0" * 64, [RAW], [], [cell])
    tables = opened_tables(escrow, TABLE, _stream)
    gaps = unopened(escrow, [ENTRY], tables, opened_files(escrow, [ENTRY]))
    assert [(gap.where, gap.silent) for gap in gaps] == [("probes.score", False)]


def test_files_open_if_they_are_what_was_committed_to() -> None:
    def opened(**changes: Any) -> Opened:
        fields = {"path": FILE.path, "key": "1" * 64, "data": b"x"} | changes
        return opened_files(
            Escrow(ESCROW_SCHEMA, "0" * 64, [], [OpenedFile(**fields)]), [ENTRY, FILE]
        )

    assert opened() == Opened({FILE.path: b"x"}, (), ())
    assert opened(data=b"y") == Opened({}, (), (FILE.path,))
    assert opened(path="evidence/probes.safetensors") == Opened({}, (FILE.path,), ())
    tables = opened_tables(Escrow.empty(), TABLE, _stream)
    gaps = list(unopened(Escrow.empty(), [ENTRY, FILE], tables, opened(data=b"y")))
    assert [(gap.where, gap.silent) for gap in gaps] == [(FILE.path, False), ("escrow", True)]
    assert gaps[1].sentence == "The escrow does not open evidence/judgements.jsonl: raw."
