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
from safetycase.tables.codec import Table, line_root, scan_table
from safetycase.tables.escrow import ESCROW_SCHEMA, Escrow, OpenedFile, close_table
from safetycase.tables.rows import JudgementRow

ROWS = [JudgementRow("ask", "gold", f"g{n}", 0, "0" * 64, "safe", "safe") for n in range(2)]
DATA = close_table("judgements", ROWS, {"raw": "withheld"}, {"raw": bytes(32)})
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
        "items": Table([], None, {"prompt": "withheld"}),
        "judgements": Table(ROWS, None, {"raw": "withheld"}),
        "choices": Table([], None, {}),
    }
    found = {
        d.where for d in leaks([FILE], tables, ["evidence/probes.safetensors", "case.json"])
    }
    assert found == {"judgements.prompt", "judgements.item", "evidence/probes.safetensors"}
    assert list(leaks([], TABLE, ["evidence/probes.safetensors"])) == []


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
    gaps = list(unopened(tables, opened(data=b"y")))
    assert [(gap.where, gap.silent) for gap in gaps] == [(FILE.path, False), ("escrow", True)]
    assert gaps[1].sentence == "The escrow does not open evidence/judgements.jsonl: raw."
