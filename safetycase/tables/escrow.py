"""The escrow of a redacted case: what was withheld, and what opens the commitments to it.

A JSON document in one spelling (`schemas/v1/escrow.schema.json`). It opens whole columns,
single cells and files; with some of them taken out, the rest. Its reader trusts nothing: what
does not match its commitment opens nothing (`tables/closing.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from safetycase.errors import MalformedInput, SchemaViolation
from safetycase.tables.commitment import FILE, cell_salt, commitment

ESCROW_SCHEMA: Literal["https://safetycase.dev/escrow/v1alpha"] = (
    "https://safetycase.dev/escrow/v1alpha"
)

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Spelled = str | int | float | bool | None
"""A cell, as the full table spells it."""


class OpenedColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a table: its key and all its cells."""

    table: Annotated[str, Meta(description="Kind of the table.")]
    column: Annotated[str, Meta(description="The column.")]
    key: Annotated[Digest, Meta(description="Key of the column, in hexadecimal.")]
    cells: Annotated[
        list[Spelled],
        Meta(description="What was withheld, in row order, as the full table spells it."),
    ]


class OpenedCell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cell of a column whose other cells stay closed."""

    table: Annotated[str, Meta(description="Kind of the table.")]
    column: Annotated[str, Meta(description="The column.")]
    row: Annotated[int, Meta(description="The row, from 0; it stands on line 2.", ge=0)]
    salt: Annotated[Digest, Meta(description="Salt of the cell, in hexadecimal.")]
    cell: Annotated[
        Spelled, Meta(description="What was withheld, as the full table spells it.")
    ]
    path: Annotated[
        list[Digest],
        Meta(description="Audit path from its commitment to the column's root (RFC 9162)."),
    ]


class OpenedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the redacted case leaves out."""

    path: Annotated[str, Meta(description="Its name in the full case.")]
    key: Annotated[Digest, Meta(description="Key of the file, in hexadecimal.")]
    data: Annotated[bytes, Meta(description="Its bytes, in standard base64.")]

    def commitment(self) -> str:
        """What the ledger states of the file."""
        salt = cell_salt(bytes.fromhex(self.key), 0)
        return commitment(salt, self.path, FILE, self.data).hex()


class Escrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a redacted case."""

    schema: Annotated[
        Literal["https://safetycase.dev/escrow/v1alpha"], Meta(description="This version.")
    ]
    case: Annotated[Digest, Meta(description="Id of the redacted case that it opens.")]
    columns: Annotated[list[OpenedColumn], Meta(description="Columns that it opens.")]
    files: Annotated[list[OpenedFile], Meta(description="Files that it opens.")]
    cells: Annotated[list[OpenedCell], Meta(description="Single cells that it opens.")] = (
        msgspec.field(default_factory=list)
    )
    auditors: Annotated[
        list[Digest],
        Meta(
            description="SHA-256 of the public keys to which it was encrypted, put here by "
            "whoever decrypted it; empty before, and if it never was."
        ),
    ] = msgspec.field(default_factory=list)

    @classmethod
    def empty(cls) -> Self:
        """One that opens nothing."""
        return cls(ESCROW_SCHEMA, "0" * 64, [], [])

    def column(self, table: str, name: str) -> OpenedColumn | None:
        """What opens a column of a table; none if the escrow does not."""
        places = (one for one in self.columns if (one.table, one.column) == (table, name))
        return next(places, None)


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
