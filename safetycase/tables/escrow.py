"""The escrow of a redacted case: what was withheld, and what opens the commitments to it.

A JSON document in one spelling (`schemas/v1/escrow.schema.json`). It opens whole columns and
files; with a column taken out of it, the rest. Its reader trusts nothing: what does not match
its commitment opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from safetycase.errors import MalformedInput, SchemaViolation
from safetycase.tables.codec import Batch, batches_of_rows, encode_rows, header
from safetycase.tables.commitment import FILE, Cell, cell_salt, commitment, keyed_id
from safetycase.tables.disclosure import Classes
from safetycase.tables.rows import columns

ESCROW_SCHEMA: Literal["https://safetycase.dev/escrow/v1alpha"] = (
    "https://safetycase.dev/escrow/v1alpha"
)

_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class OpenedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a table: its key and all its cells."""

    table: Annotated[str, Meta(description="Kind of the table.")]
    column: Annotated[str, Meta(description="The column.")]
    key: Annotated[_Digest, Meta(description="Key of the column, in hexadecimal.")]
    cells: Annotated[
        list[str | int | float | bool | None],
        Meta(description="What was withheld, in row order, as the full table spells it."),
    ]


class OpenedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the redacted case leaves out."""

    path: Annotated[str, Meta(description="Its name in the full case.")]
    key: Annotated[_Digest, Meta(description="Key of the file, in hexadecimal.")]
    data: Annotated[bytes, Meta(description="Its bytes, in standard base64.")]

    def commitment(self) -> str:
        """What the ledger states of the file."""
        return commitment(cell_salt(bytes.fromhex(self.key), 0), self.path, FILE, self.data)


class Escrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a redacted case."""

    schema: Annotated[
        Literal["https://safetycase.dev/escrow/v1alpha"], Meta(description="This version.")
    ]
    case: Annotated[_Digest, Meta(description="Id of the redacted case that it opens.")]
    columns: Annotated[list[OpenedColumn], Meta(description="Columns that it opens.")]
    files: Annotated[list[OpenedFile], Meta(description="Files that it opens.")]

    @classmethod
    def empty(cls) -> Self:
        """One that opens nothing."""
        return cls(ESCROW_SCHEMA, "0" * 64, [], [])

    def column(self, table: str, name: str) -> OpenedColumn | None:
        """What opens a column of a table; none if the escrow does not."""
        places = (one for one in self.columns if (one.table, one.column) == (table, name))
        return next(places, None)


@dataclass(slots=True)
class Opening:
    """What became of the withheld columns of one table."""

    pieces: list[bytes]
    """The table with all columns in it that were opened, cut at line ends."""
    closed: list[str] = field(default_factory=list)
    """Columns that the escrow does not open."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Columns of which a cell does not match, each after the first such line."""

    @property
    def size(self) -> int:
        """Bytes of the table."""
        return sum(map(len, self.pieces))


def write_escrow(escrow: Escrow) -> bytes:
    """The document, in its one spelling."""
    return msgspec.json.encode(escrow) + b"\n"


def read_escrow(data: bytes) -> Escrow:
    """The escrow that these bytes spell; refused if they are not its one spelling."""
    try:
        escrow = msgspec.json.decode(data, type=Escrow, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SchemaViolation("escrow", "an escrow", found=str(error)) from None
    if write_escrow(escrow) != data:
        raise MalformedInput("escrow", "the one spelling of an escrow", found="another")
    return escrow


def closed_cell(disclosed: str, key: bytes, place: tuple[str, str, int], cell: Cell) -> str:
    """What stands for a cell in the redacted table; its place is table, column and row."""
    if disclosed == "keyed":
        return keyed_id(key, str(cell))
    table, column, row = place
    return commitment(cell_salt(key, row), table, column, cell)


def close_table(
    kind: str, rows: Iterable[msgspec.Struct], classes: Classes, keys: Mapping[str, bytes]
) -> bytes:
    """The redacted table: commitments or keyed ids in the place of what is withheld."""
    places = [(columns(kind).index(name), name) for name in classes]

    def closed() -> Iterator[list[Cell]]:
        for number, row in enumerate(rows):
            cells: list[Any] = list(msgspec.structs.astuple(row))
            for place, name in places:
                where = (kind, name, number)
                cells[place] = closed_cell(classes[name], keys[name], where, cells[place])
            yield cells

    return header(kind, classes) + b"\n" + encode_rows(list(closed()))


def open_table(kind: str, pieces: Iterable[bytes], escrow: Escrow) -> Opening:
    """The table as far as the escrow opens it; a column with a cell that does not match stays.

    Refused as a table is; what is wrong with the escrow is said in the result.
    """
    read = list(batches_of_rows(kind, pieces))
    rows = [row for batch in read for row in batch.rows]
    classes = read[0].classes
    opening = Opening([])
    cells: dict[str, list[Any]] = {}
    for name, disclosed in classes.items():
        given = escrow.column(kind, name)
        if given is None:
            opening.closed.append(name)
            continue
        wrong = _first_mismatch(kind, rows, disclosed, given)
        if wrong is None:
            cells[name] = given.cells
        else:
            opening.refused.append((wrong + 2, name))
    still = {name: disclosed for name, disclosed in classes.items() if name not in cells}
    opening.pieces = [header(kind, still) + b"\n", *_rewritten(kind, read, cells)]
    return opening


def _first_mismatch(
    kind: str, rows: list[msgspec.Struct], disclosed: str, given: OpenedColumn
) -> int | None:
    place = columns(kind).index(given.column)
    key = bytes.fromhex(given.key)
    if len(given.cells) != len(rows):
        return min(len(given.cells), len(rows))
    for number, (row, cell) in enumerate(zip(rows, given.cells, strict=True)):
        closed = closed_cell(disclosed, key, (kind, given.column, number), cell)
        if msgspec.structs.astuple(row)[place] != closed:
            return number
    return None


def _rewritten(
    kind: str, read: list[Batch], opened: Mapping[str, list[Any]]
) -> Iterator[bytes]:
    places = [(columns(kind).index(name), cells) for name, cells in opened.items()]
    done = 0
    for batch in filter(lambda batch: batch.rows, read):
        rows = [list(msgspec.structs.astuple(row)) for row in batch.rows]
        for place, cells in places:
            for number, row in enumerate(rows, start=done):
                row[place] = cells[number]
        done += len(rows)
        yield encode_rows(rows)
