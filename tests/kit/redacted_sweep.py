"""The leaf sweep of redacted cases: ledger, marks, what stands in withheld cells, and escrow.

Each change is judged twice: *closed*, without an escrow under a policy for redacted cases, and
*opened*, with the escrow under the policy for full ones. The case is signed again with the
right key, the ledger's roots follow the tables, and the escrow is made out to the altered case.
What else stands in such a case is swept in full ones (`sweep`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

import msgspec

from safetycase.bundle.redact import Redacted
from safetycase.tables.escrow import Escrow, read_escrow, write_escrow
from safetycase.tables.rows import TABLES, path_of
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from tests.kit.builder import AT, Json, KitCase, edit_record, policy, resign
from tests.kit.redacted import (
    ANN,
    BOB,
    LENGTHS,
    PROMPTS,
    TEXTS,
    addressed,
    lines_of,
    redacted_from,
    with_lines,
)
from tests.kit.small_cases import effect_case, traced_case

Edited = Callable[[Escrow], Escrow]


@dataclass(frozen=True)
class Change:
    """One value changed, in the case or in what opens it."""

    field: str
    where: str
    altered: Callable[[], KitCase] = field(repr=False)
    escrow: bytes | None = field(repr=False)
    """What opens the case before it is altered; none: nothing does."""
    edit: Edited = field(repr=False, default=lambda whole: whole)

    def verdict(self) -> Verdict:
        """What the verifier says of the change, signed by the right key."""
        case = resign(self.altered())
        if self.escrow is None:
            closed = policy(minimum_tier="intact", must_hold="none")
            return verify(case.to_bytes(), closed, at=AT)
        escrow = self.edit(read_escrow(addressed(self.escrow, case)))
        return verify(case.to_bytes(), policy(), at=AT, escrow=write_escrow(escrow))


@cache
def texts() -> Redacted:
    """Texts withheld, their lengths coarse, for two auditors."""
    return redacted_from(effect_case(), TEXTS, coarse=LENGTHS, auditors=(ANN, BOB))


@cache
def prompts() -> Redacted:
    """Prompts withheld with all that tells of them, files among it."""
    return redacted_from(traced_case(), PROMPTS)


def bases() -> list[tuple[KitCase, bytes]]:
    """The redacted cases and what opens them."""
    opened = texts().escrow
    for_auditors = msgspec.structs.replace(read_escrow(opened), auditors=[ANN, BOB])
    return [
        (KitCase(texts().members), write_escrow(for_auditors)),
        (KitCase(prompts().members), prompts().escrow),
    ]


def one_for_each_field() -> list[Change]:
    """The first change for every field, closed and opened."""
    first: dict[str, Change] = {}
    for case, escrow in bases():
        for name, where, altered in (*_ledger(case), *_tables(case)):
            for said, opens in (("closed", None), ("opened", escrow)):
                change = Change(f"{said} {name}", where, altered, opens)
                first.setdefault(change.field, change)
        for name, edit in _escrow(read_escrow(escrow)):
            first.setdefault(name, Change(name, name, lambda case=case: case, escrow, edit))
    return list(first.values())


Named = Iterator[tuple[str, str, Callable[[], KitCase]]]


def _ledger(case: KitCase) -> Named:
    for number, entry in enumerate(case.record["redactions"]):
        sort = f"a {entry['disclosure']} column" if "column" in entry else "a file"
        for key, value in entry.items():
            place = f"/redactions/{number}/{key}"
            other = [_other(value[0]), *value[1:]] if isinstance(value, list) else _other(value)
            name = f"case.json#/redactions/*/{key} of {sort}"
            yield name, place, partial(edit_record, case, place, other)


def _other(value: Json) -> Json:
    if isinstance(value, int):
        return value + 1
    other = {"withheld": "keyed", "keyed": "coarse", "coarse": "withheld"}
    other |= {"public_safety": "privacy"}
    if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{64}", value):
        return ("0" if value[0] != "0" else "1") + value[1:]
    return other.get(value, f"{value}x")


def _tables(case: KitCase) -> Named:
    marked = [kind for kind in TABLES if path_of(kind) in case.members]
    for kind in marked:
        header, *rows = lines_of(case, kind)
        for place, mark in enumerate(header):
            _, *said = mark.split(":")
            if not said:
                continue
            here, sort = f"{path_of(kind)}: {mark}", f"a {said[0]} column"
            for part, value in enumerate(said, start=1):
                name = f"evidence/*.jsonl: {_PARTS[part]} of {sort}"
                yield name, here, partial(_marked, case, kind, place, part, _other(value))
            cell = rows[0][place]
            name = f"evidence/*.jsonl: a cell of {sort}"
            yield name, here, partial(_filled, case, kind, place, _another(cell))


_PARTS = {1: "the class", 2: "the root"}


def _marked(case: KitCase, kind: str, place: int, part: int, value: str) -> KitCase:
    lines = lines_of(case, kind)
    parts = lines[0][place].split(":")
    parts[part] = value
    lines[0][place] = ":".join(parts)
    return with_lines(case, kind, lines)


def _another(cell: Json) -> Json:
    if cell is None:
        return "x"
    return _other(cell) if isinstance(cell, (int, str)) else cell + 0.5


def _filled(case: KitCase, kind: str, place: int, value: Json) -> KitCase:
    lines = lines_of(case, kind)
    lines[1][place] = value
    return with_lines(case, kind, lines)


def _escrow(escrow: Escrow) -> Iterator[tuple[str, Edited]]:
    """Every field of what opens a case, of the first column and of the first file."""
    set_to = msgspec.structs.replace
    yield "escrow: case", lambda whole: set_to(whole, case=_other(whole.case))
    if escrow.auditors:
        yield "escrow: auditors", lambda whole: set_to(whole, auditors=[_other(ANN), BOB])
    column = escrow.columns[0]
    for name, value in (
        ("table", "items" if column.table != "items" else "choices"),
        ("column", f"{column.column}x"),
        ("key", _other(column.key)),
        ("cells", [_another(column.cells[0]), *column.cells[1:]]),
    ):
        changed = [set_to(column, **{name: value}), *escrow.columns[1:]]
        yield f"escrow: {name} of a column", partial(_with, columns=changed)
    for file in escrow.files[:1]:
        for name, value in (
            ("path", f"{file.path}x"),
            ("key", _other(file.key)),
            ("data", file.data[:-1]),
        ):
            files = [set_to(file, **{name: value}), *escrow.files[1:]]
            yield f"escrow: {name} of a file", partial(_with, files=files)


def _with(whole: Escrow, **changes: Json) -> Escrow:
    return msgspec.structs.replace(whole, **changes)
