"""The ledger of what a redacted case withholds: one entry a column, one a file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Count, Identifier, Record, Sha256, Text

Ground = Literal[
    "public_safety",
    "cybersecurity",
    "national_security",
    "trade_secret",
    "privacy",
    "licence",
]
"""What kind of harm publishing would do."""


class Redaction(Record):
    """A column of a table, or a file, of which the case publishes only a commitment."""

    path: Text
    """Name of the table in the case, or of the file that is left out of it."""
    column: Identifier | None = None
    """The column, none of whose cells is published exactly; none for a file."""
    disclosure: Literal["withheld", "coarse", "keyed"]
    """What stands in its place: nothing, a coarser number, or an id that equal texts share."""
    count: Annotated[Count, Field(ge=1)]
    """Cells withheld; 1 for a file."""
    ground: Ground
    """What kind of harm publishing would do."""
    reason: Text
    """Why it is withheld, in words."""
    commitment: Sha256
    """RFC 6962 root over the lines of the redacted table, whose first line holds the roots over
    the commitments to cells; of a file, its salted commitment."""
    auditors: Annotated[tuple[Sha256, ...], Field(min_length=1)] | None = None
    """SHA-256 of the public keys to which the escrow was encrypted, in ascending order; none if
    it was not: whoever is given it can read it."""
