"""From a full case to a redacted one, and the escrow that opens it.

The redacted case is a new one, to be signed by whoever signed the full one: a statement over
other bytes. Statements and renderings stay behind, since they may quote what is withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import Container
from safetycase.digest import FileDigest, sha256_hex
from safetycase.envelope.statement import write_statement
from safetycase.errors import UsageError
from safetycase.record.case import Case
from safetycase.record.redaction import Ground, Redaction
from safetycase.tables.closing import close_table
from safetycase.tables.codec import line_root, read_table
from safetycase.tables.commitment import EVERY_TABLE, FILE, column_key, keyed_id
from safetycase.tables.disclosure import (
    class_of,
    may_be_coarse,
    may_be_withheld,
    withheld_with,
)
from safetycase.tables.escrow import (
    ESCROW_SCHEMA,
    Escrow,
    OpenedColumn,
    OpenedFile,
    write_escrow,
)
from safetycase.tables.rows import TABLES, columns, path_of


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redacted case, not signed yet, and what opens it."""

    case_id: str
    """The id that it has once it is signed."""
    members: dict[str, bytes]
    """Its files, by name."""
    escrow: bytes
    """What opens it; never a member."""
    ledger: tuple[Redaction, ...]
    """What was withheld."""


def redact(
    full: Container,
    withhold: Sequence[str],
    *,
    ground: Ground,
    reason: str,
    secret: bytes,
    coarse: Sequence[str] = (),
    auditors: Sequence[str] = (),
) -> Redacted:
    """The case with these columns (`table.column`) withheld, and all that tells of them.

    Of the columns `coarse`, coarser numbers stay. `auditors` are the fingerprints of the keys
    to which the escrow will be encrypted. Refused with UsageError: columns that the case does
    not have, a case that is redacted already. `secret` is 32 random bytes, made for this
    redaction alone.
    """
    record = Case.model_validate_json(full.read(layout.RECORD_NAME))
    if record.redactions is not None:
        raise UsageError(full.where, "a full case", found="a redacted one")
    _require_there(full, withhold, coarse)
    withheld = withheld_with([*withhold, *coarse], full.names)
    named = tuple(sorted(set(auditors))) or None
    entry = partial(Redaction, ground=ground, reason=reason, auditors=named)
    members = {name: full.read(name) for name in full.names if layout.is_bound(name)}
    ledger: list[Redaction] = []
    opened: list[OpenedColumn] = []
    for kind in TABLES:
        names = [name for name in columns(kind) if f"{kind}.{name}" in withheld]
        rows = read_table(kind, members[path_of(kind)]) if path_of(kind) in members else []
        if not names or not rows:
            continue
        openings = {name: _opening(secret, kind, name, rows) for name in names}
        opened += openings.values()
        classes = {name: class_of(f"{kind}.{name}", coarse) for name in names}
        closed = members[path_of(kind)] = close_table(kind, rows, classes, openings)
        of_table = partial(
            entry, path=path_of(kind), count=len(rows), commitment=line_root([closed])
        )
        ledger += [of_table(column=name, disclosure=d) for name, d in classes.items()]
    _require_distinct_ids(opened)
    files = [_leave_out(name, members, secret) for name in sorted(withheld) if name in members]
    ledger += [
        entry(path=one.path, disclosure="withheld", count=1, commitment=one.commitment())
        for one in files
    ]
    if not ledger:
        raise UsageError(full.where, "rows to withhold", found="none")
    redacted = record.model_copy(update={"redactions": tuple(ledger)})
    members[layout.RECORD_NAME] = canonical.write(redacted.spelled())
    digests = [FileDigest.of(name, data) for name, data in members.items()]
    case = sha256_hex(write_statement(record.subject.manifest_digest, digests))
    escrow = write_escrow(Escrow(ESCROW_SCHEMA, case, opened, files))
    members |= {name: full.read(name) for name in full.names if layout.is_about_plan(name)}
    return Redacted(case, members, escrow, tuple(ledger))


def _require_there(full: Container, withhold: Sequence[str], coarse: Sequence[str]) -> None:
    known = ", ".join(kind for kind in TABLES if path_of(kind) in full)
    for option, names, may_be in (
        ("--columns", withhold, may_be_withheld),
        ("--coarse", coarse, may_be_coarse),
    ):
        for name in names:
            kind, _, column = name.partition(".")
            if kind in TABLES and path_of(kind) in full and may_be(kind, column):
                continue
            numbers = "of numbers " if may_be is may_be_coarse else ""
            expected = f"a column {numbers}of this case that may be withheld (tables: {known})"
            raise UsageError(option, expected, found=name)


def _opening(
    secret: bytes, kind: str, column: str, rows: Sequence[msgspec.Struct]
) -> OpenedColumn:
    keyed = class_of(f"{kind}.{column}") == "keyed"
    key = column_key(secret, EVERY_TABLE if keyed else kind, column)
    return OpenedColumn(kind, column, key.hex(), [getattr(row, column) for row in rows])


def _require_distinct_ids(opened: Sequence[OpenedColumn]) -> None:
    """Refuse a secret under which two names share an id: one in 10^13 for a million names."""
    keyed = [one for one in opened if class_of(f"{one.table}.{one.column}") == "keyed"]
    names = {(one.key, str(cell)) for one in keyed for cell in one.cells}
    ids = {keyed_id(bytes.fromhex(key), name) for key, name in names}
    if len(ids) != len(names):
        remedy = "Redact again: a new secret gives other ids."
        raise UsageError("secret", "an id of its own for every name", remedy=remedy)


def _leave_out(name: str, members: dict[str, bytes], secret: bytes) -> OpenedFile:
    """Takes a file out of the members; what opens it."""
    return OpenedFile(name, column_key(secret, name, FILE).hex(), members.pop(name))
