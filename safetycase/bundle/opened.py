"""What an escrow opens of a redacted case, place by place, each held against its commitment.

A place is a column (`generations.output`), one cell of it (`generations.output:17`, rows from
0) or a file that the case leaves out. It is given whole and as it was committed to, or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from typing_extensions import override

from safetycase.bundle import layout
from safetycase.bundle.parts import CaseParts
from safetycase.errors import NotVerified, UsageError, Withheld
from safetycase.tables.closing import Opening, single_cells
from safetycase.tables.escrow import Escrow, OpenedCell, OpenedColumn, OpenedFile, Spelled
from safetycase.tables.rows import columns, path_of

State = Literal["open", "cells", "closed", "refused"]
"""Open as a whole, in single cells, not at all; or not what was committed to."""

OPENED_SCHEMA: Literal["https://safetycase.dev/opened/v1alpha"] = (
    "https://safetycase.dev/opened/v1alpha"
)


class ShownCell(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An opened cell, as a program reads it."""

    place: Annotated[str, Meta(description="table.column:row, rows from 0.")]
    cell: Annotated[Spelled, Meta(description="What was withheld.")]
    published: Annotated[
        dict[str, Spelled],
        Meta(description="What the case shows of its row; of cells asked for one by one."),
    ] = msgspec.field(default_factory=dict)


class ListedPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column or file that the case withholds."""

    place: Annotated[str, Meta(description="table.column, or the path of a file.")]
    state: Annotated[
        State,
        Meta(
            description="Open as a whole, in single cells, not at all (closed), or not as "
            "committed to (refused)."
        ),
    ]
    cells: Annotated[int, Meta(description="Cells that are open.", ge=0)]
    of: Annotated[int, Meta(description="Cells that are withheld; 1 of a file.", ge=0)]


class OpenedDocument(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What `safetycase open --json` writes: the cells asked for, or else all places."""

    schema: Annotated[
        Literal["https://safetycase.dev/opened/v1alpha"], Meta(description="This version.")
    ]
    case: Annotated[str, Meta(description="Id of the redacted case.")]
    cells: Annotated[list[ShownCell], Meta(description="Cells, in the order asked for.")] = (
        msgspec.field(default_factory=list)
    )
    places: Annotated[
        list[ListedPlace],
        Meta(description="Every place of the ledger, where none is asked for."),
    ] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a table, or one cell of it."""

    table: str
    column: str
    row: int | None = None

    @classmethod
    def read(cls, text: str) -> Place:
        """The place that `table.column` or `table.column:row` names; refused: other texts."""
        name, mark, row = text.partition(":")
        table, _, column = name.partition(".")
        if not column or (mark and not (row.isdecimal() and row.isascii())):
            expected = "table.column, or table.column:row for one cell"
            raise UsageError("place", expected, found=text)
        return cls(table, column, int(row) if mark else None)

    @override
    def __str__(self) -> str:
        """As it is read."""
        return f"{self.table}.{self.column}" + ("" if self.row is None else f":{self.row}")


@dataclass(frozen=True, slots=True)
class Shown:
    """An opened cell, and what the case publishes of its row."""

    place: Place
    cell: Spelled
    published: dict[str, Spelled]


class OpenedPlaces:
    """A redacted case and an escrow of it, whose files are those of the case's statement.

    Who signed the statement is not looked at: `verify` does. Refused with NotVerified: files
    other than those that were signed; with MalformedInput: no escrow, or another case's.
    """

    def __init__(self, case: CaseParts) -> None:
        """Keep case and escrow, once the case is known to be as it was signed."""
        _require_as_signed(case)
        if case.escrow is None:
            raise UsageError("--escrow", "what opens this case")
        if not case.redactions:
            raise UsageError(case.container.where, "a redacted case", found="a full one")
        self._case = case
        self._escrow: Escrow = case.escrow
        self._lines: dict[str, list[bytes]] = {}

    @property
    def case_id(self) -> str:
        """Id of the case."""
        return self._case.case_id

    def standings(self) -> Iterator[ListedPlace]:
        """Every place of the ledger, in its order."""
        files = self._case.opened_files
        for entry in self._case.redactions:
            if entry.column is None:
                bad = entry.path in files.refused
                state: State = "refused" if bad else "closed"
                state = "open" if entry.path in files.files else state
                yield ListedPlace(entry.path, state, int(state == "open"), 1)
                continue
            kind = next((k for k in self._case.opened_tables if path_of(k) == entry.path), "")
            opening = self._case.opened_tables.get(kind, Opening([]))
            state, count = _state_of(opening, entry.column)
            count = entry.count if state == "open" else count
            yield ListedPlace(f"{kind}.{entry.column}", state, count, entry.count)

    def cells(self, place: Place) -> list[Shown]:
        """The cells of a place; all of a column, or the one that is asked for.

        Refused: NotVerified, if the escrow has something else than was committed to; Withheld,
        if it does not open the place; UsageError, if nothing is withheld there.
        """
        opening, size = self._opening(place)
        whole = self._column(place, opening)
        if whole is not None:
            rows = range(size) if place.row is None else [place.row]
            return [self._shown(place, row, whole.cells[row]) for row in rows]
        one = self._cell(place, opening)
        return [self._shown(place, one.row, one.cell)]

    def file(self, path: str) -> bytes:
        """The bytes of a file that the case leaves out; refused as `cells` are."""
        files = self._case.opened_files
        if path in files.files:
            return files.files[path]
        if path in files.refused:
            raise NotVerified(path, "the file that was committed to", found="another one")
        if path in files.closed:
            raise _closed(path)
        raise UsageError("--file", "a file that this case leaves out", found=path)

    def part(self, places: Sequence[Place], files: Sequence[str]) -> Escrow:
        """An escrow of these places alone, each refused as `cells` and `file` refuse them."""
        opened: list[OpenedColumn] = []
        single: list[OpenedCell] = []
        rows: dict[tuple[str, str], list[int]] = {}
        for place in dict.fromkeys(places):
            opening, _ = self._opening(place)
            whole = self._column(place, opening)
            if whole is None:
                single.append(self._cell(place, opening))
            elif place.row is None:
                opened.append(whole)
            else:
                rows.setdefault((place.table, place.column), []).append(place.row)
        for (table, name), chosen in rows.items():
            mark = self._case.signed_tables[table].classes[name]
            column = self._escrow.column(table, name)
            single += single_cells(mark.disclosure, column, chosen) if column else []
        for path in files:
            self.file(path)
        given: list[OpenedFile] = [one for one in self._escrow.files if one.path in files]
        return msgspec.structs.replace(
            self._escrow, columns=opened, files=given, cells=single, auditors=[]
        )

    def require_named(self, part: Escrow, auditors: Sequence[str]) -> None:
        """Refuse auditors whom the ledger does not name, for what is opened as a whole."""
        places = {(path_of(one.table), one.column) for one in part.columns}
        whole = places | {(one.path, None) for one in part.files}
        for entry in self._case.redactions:
            strangers = sorted(set(auditors) - set(entry.auditors or ()))
            if strangers and (entry.path, entry.column) in whole:
                expected = "auditors whom the ledger names for whole columns and files"
                remedy = "Give single cells, or redact anew for this auditor."
                raise UsageError("--to", expected, found=strangers[0], remedy=remedy)

    def _opening(self, place: Place) -> tuple[Opening, int]:
        table = self._case.signed_tables.get(place.table)
        if table is None or place.column not in table.classes:
            listed = [one.place for one in self.standings()]
            expected = f"a column that this case withholds ({', '.join(listed)})"
            raise UsageError("place", expected, found=str(place))
        if place.row is not None and place.row >= len(table.rows):
            raise UsageError("place", f"a row below {len(table.rows)}", found=str(place))
        return self._case.opened_tables[place.table], len(table.rows)

    def _column(self, place: Place, opening: Opening) -> OpenedColumn | None:
        held = self._escrow.column(place.table, place.column)
        return held if place.column in opening.opened else None

    def _cell(self, place: Place, opening: Opening) -> OpenedCell:
        for one in opening.cells:
            if (one.column, one.row) == (place.column, place.row):
                return one
        for line, column in opening.refused:
            if column == place.column and (place.row is None or self._tells_of(place, line)):
                where = f"{path_of(place.table)} line {line}: {column}"
                raise NotVerified(where, "what was committed to", found="another value")
        raise _closed(str(place))

    def _tells_of(self, place: Place, line: int) -> bool:
        """Whether a refused line is this cell's, or that of its whole column."""
        whole = self._escrow.column(place.table, place.column)
        return whole is not None or line - 2 == place.row

    def _shown(self, place: Place, row: int, cell: Spelled) -> Shown:
        one = Place(place.table, place.column, row)
        return Shown(one, cell, {} if place.row is None else self._published(place.table, row))

    def _published(self, kind: str, row: int) -> dict[str, Any]:
        classes = self._case.signed_tables[kind].classes
        if kind not in self._lines:
            self._lines[kind] = self._case.container.read(path_of(kind)).split(b"\n")
        line = self._lines[kind][row + 1]
        cells = zip(columns(kind), msgspec.json.decode(line), strict=True)
        hidden = {name for name, one in classes.items() if one.disclosure == "withheld"}
        return {name: cell for name, cell in cells if name not in hidden}


def _state_of(opening: Opening, column: str) -> tuple[State, int]:
    count = sum(one.column == column for one in opening.cells)
    if column in opening.opened:
        return "open", count
    if any(name == column for _, name in opening.refused):
        return "refused", count
    return ("cells" if count else "closed"), count


def _closed(place: str) -> Withheld:
    remedy = "Ask whoever gave you the escrow for one that opens it."
    return Withheld(place, "an opening", found="none in this escrow", remedy=remedy)


def _require_as_signed(case: CaseParts) -> None:
    """Refuse a case whose bound files are not exactly those of its statement."""
    listed = {file.path: file for file in case.statement.files}
    bound = [name for name in case.container.names if layout.is_bound(name)]
    for name in sorted({*listed, *bound}):
        found = case.container.digest(name) if name in case.container else None
        if found != listed.get(name):
            raise NotVerified(name, "the file that was signed", found="another, or none")
