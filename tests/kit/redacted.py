"""Redacted cases of the toy, their escrows, and ways to alter single cells of either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from safetycase import canonical
from safetycase.bundle.reader import open_case
from safetycase.bundle.redact import Redacted, redact
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import read_envelope
from safetycase.tables.closing import single_cells
from safetycase.tables.codec import line_root
from safetycase.tables.escrow import Escrow, OpenedColumn, read_escrow, write_escrow
from safetycase.tables.rows import path_of
from tests.kit.builder import Json, KitCase, honest_case, resign
from tests.kit.seal import STATEMENT

SECRET = bytes(range(32))

TEXTS, PROMPTS = "generations.output", "items.prompt"
"""What the two cases withhold, with all that tells of it."""


LENGTHS = ("generations.tokens", "generations.nll")
"""What is coarse in the case that tells how long its answers are."""

ANN, BOB = "a" * 64, "b" * 64
"""Fingerprints of auditors."""


def redacted_from(
    case: KitCase, *columns: str, coarse: Sequence[str] = (), auditors: Sequence[str] = ()
) -> Redacted:
    """The case with these columns withheld for the sake of public safety."""
    return redact(
        open_case(case.to_bytes()),
        columns,
        ground="public_safety",
        reason="The answers are recipes.",
        secret=SECRET,
        coarse=coarse,
        auditors=auditors,
    )


@cache
def _redacted(column: str) -> Redacted:
    return redacted_from(honest_case(), column)


@cache
def _coarse() -> Redacted:
    return redacted_from(honest_case(), TEXTS, coarse=LENGTHS)


@cache
def _for_auditors() -> Redacted:
    return redacted_from(honest_case(), TEXTS, auditors=(ANN, BOB))


@cache
def lengths_coarse() -> KitCase:
    """The honest case without its generated answers, which tells roughly how long they are."""
    return resign(KitCase(_coarse().members))


@cache
def for_auditors() -> KitCase:
    """The honest case without its generated answers, which two auditors can open."""
    return resign(KitCase(_for_auditors().members))


@cache
def texts_withheld() -> KitCase:
    """The honest case without its generated answers."""
    return resign(KitCase(_redacted(TEXTS).members))


@cache
def prompts_withheld() -> KitCase:
    """The honest case without its prompts, names of items and answers."""
    return resign(KitCase(_redacted(PROMPTS).members))


def case_id_of(case: KitCase) -> str:
    """SHA-256 of the statement's payload."""
    return sha256_hex(read_envelope(case.members[STATEMENT], where=STATEMENT).payload)


def addressed(escrow: bytes, case: KitCase) -> bytes:
    """The escrow as if it had been made for this case: what an insider hands over."""
    return write_escrow(msgspec.structs.replace(read_escrow(escrow), case=case_id_of(case)))


def opens_texts(case: KitCase) -> bytes:
    """The honest escrow of the answers, for this case."""
    return addressed(_redacted(TEXTS).escrow, case)


def opens_prompts(case: KitCase) -> bytes:
    """The honest escrow of the prompts, for this case."""
    return addressed(_redacted(PROMPTS).escrow, case)


def opens_lengths(case: KitCase) -> bytes:
    """The honest escrow of the answers whose lengths are coarse, for this case."""
    return addressed(_coarse().escrow, case)


def opens_for_auditors(case: KitCase) -> bytes:
    """The honest escrow for two auditors, as one of them has decrypted it."""

    def change(whole: Escrow) -> Escrow:
        return msgspec.structs.replace(whole, auditors=[BOB, ANN])

    return edit_escrow(addressed(_for_auditors().escrow, case), change)


def opens_cells(case: KitCase, *rows: int, columns: Sequence[str] = ("output",)) -> bytes:
    """An escrow of single cells of answers, made from the honest one."""

    def change(whole: Escrow) -> Escrow:
        held = [whole.column("generations", name) for name in columns]
        cells = [c for one in held if one for c in single_cells("withheld", one, rows)]
        return msgspec.structs.replace(whole, columns=[], cells=cells)

    return edit_escrow(opens_texts(case), change)


def edit_escrow(escrow: bytes, change: Callable[[Escrow], Escrow]) -> bytes:
    """An altered escrow."""
    return write_escrow(change(read_escrow(escrow)))


def edit_opened(escrow: bytes, table: str, column: str, **changes: Any) -> bytes:
    """The escrow with fields of one opened column set."""

    def change(whole: Escrow) -> Escrow:
        edited = [
            msgspec.structs.replace(one, **changes)
            if (one.table, one.column) == (table, column)
            else one
            for one in whole.columns
        ]
        return msgspec.structs.replace(whole, columns=edited)

    return edit_escrow(escrow, change)


def opened_column(escrow: bytes, table: str, column: str) -> OpenedColumn:
    """What an escrow has of one column."""
    found = read_escrow(escrow).column(table, column)
    assert found is not None
    return found


def lines_of(case: KitCase, kind: str) -> list[list[Json]]:
    """The lines of a redacted table, the first included, as lists."""
    lines = case.members[path_of(kind)].split(b"\n")[:-1]
    return [msgspec.json.decode(line) for line in lines]


def with_lines(case: KitCase, kind: str, lines: list[list[Json]]) -> KitCase:
    """The case with these lines in the place of a table's; the ledger's roots follow."""
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    record = case.record
    for entry in record["redactions"]:
        if entry["path"] == path_of(kind):
            entry["commitment"] = line_root([data])
    return case.with_members({path_of(kind): data, "case.json": canonical.write(record)})


def place_in_ledger(case: KitCase, path: str, column: str | None = None) -> int:
    """The number of an entry of the ledger."""
    entries = case.record["redactions"]
    return next(
        n for n, e in enumerate(entries) if (e["path"], e.get("column")) == (path, column)
    )


def without_entry(case: KitCase, path: str, column: str | None = None) -> KitCase:
    """The case whose ledger does not name a column or file."""
    record = case.record
    del record["redactions"][place_in_ledger(case, path, column)]
    return case.with_members({"case.json": canonical.write(record)})


def place_of(header: list[Json], column: str) -> int:
    """The place of a column in the first line of a table, marked or not."""
    return [name.partition(":")[0] for name in header].index(column)


def published(case: KitCase, kind: str, column: str, cells: list[Json]) -> KitCase:
    """The case with a column unmarked, unlisted and filled with these cells."""
    header, *rows = lines_of(case, kind)
    place = place_of(header, column)
    header[place] = column
    for row, cell in zip(rows, cells, strict=True):
        row[place] = cell
    return without_entry(with_lines(case, kind, [header, *rows]), path_of(kind), column)
