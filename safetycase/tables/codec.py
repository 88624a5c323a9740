"""Tables between rows and bytes: a header line of column names, then one array a line."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

import msgspec

from safetycase.errors import SchemaViolation
from safetycase.tables.rows import TABLES, columns

R = TypeVar("R", bound=msgspec.Struct)


@cache
def _decoder(row: type[R]) -> msgspec.json.Decoder[R]:
    return msgspec.json.Decoder(row, strict=True)


def header(kind: str) -> bytes:
    """The first line of a table of this kind, without its line end."""
    return msgspec.json.encode(columns(kind))


def encode_rows(rows: Iterable[msgspec.Struct]) -> bytes:
    """Rows as lines, each ended by a line feed; numbers in their shortest spelling."""
    return msgspec.json.Encoder().encode_lines(list(rows))


def write_table(kind: str, rows: Iterable[msgspec.Struct]) -> bytes:
    """The whole table: header line and rows."""
    return header(kind) + b"\n" + encode_rows(rows)


def read_table(kind: str, data: bytes) -> list[msgspec.Struct]:
    """Rows of a table, refused unless header, types and line ends are those of its kind.

    A refused table names the first line at fault. Nothing is said about the values beyond
    their type and range.
    """
    where = f"evidence/{kind}.jsonl"
    first, feed, body = data.partition(b"\n")
    if not feed or first != header(kind):
        found = first[:200].decode("utf-8", "replace")
        raise SchemaViolation(where, header(kind).decode(), found=found)
    if body and not body.endswith(b"\n"):
        raise SchemaViolation(where, "a line feed after the last row", found="none")
    decoder = _decoder(TABLES[kind])
    try:
        rows = decoder.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = []
        _blame(kind, decoder, body)
    if len(rows) != body.count(b"\n"):
        raise SchemaViolation(where, "one row a line", found="blank lines or joined rows")
    return rows


def _blame(kind: str, decoder: msgspec.json.Decoder[R], body: bytes) -> None:
    for number, line in enumerate(body.split(b"\n")[:-1], start=2):
        try:
            decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            where = f"evidence/{kind}.jsonl line {number}"
            raise SchemaViolation(where, "a row of this table", found=str(error)) from error
    raise SchemaViolation(f"evidence/{kind}.jsonl", "one row a line", found="joined rows")
