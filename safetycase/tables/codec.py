"""Tables between rows and bytes: a header line of column names, then one array a line."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any, Literal, NoReturn

import msgspec

from safetycase.digest.merkle import leaf_hash, root
from safetycase.errors import SchemaViolation, TooLarge
from safetycase.tables.columns import Filling
from safetycase.tables.disclosure import (
    Classes,
    cell_types,
    classes_in,
    header_names,
    row_type,
)
from safetycase.tables.rows import ANSWER_KINDS, columns, path_of

_ENCODER = msgspec.json.Encoder()
_REPEATED = ("evaluation", "outcome")
_FEW = 64
"""Different texts of such a column up to which they are worth telling apart sooner."""
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused while a table is read."""

    max_rows: int = 2**25
    max_line: int = 2**24
    """Bytes of one row."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read: its rows, and whether they stood there in their one spelling."""

    rows: Sequence[msgspec.Struct]
    """Answers column by column; rows of other kinds in a list."""
    misspelled: int | None
    """The first line that its writer would have spelled otherwise, if there is one."""
    classes: Classes = field(default_factory=dict)
    """Its columns that are not public, and how they are disclosed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole lines of a table and what was decoded from them, a row a line or not."""

    kind: str
    classes: Classes
    first_line: int
    lines: bytes
    rows: list[Any]

    def misspelled(self) -> int | None:
        """The first line that its writer would have spelled otherwise, if there is one."""
        written = encode_rows(self.rows)
        if written == self.lines:
            return None
        self.refuse_blank_lines()
        pairs = zip(self.lines.split(b"\n"), written.split(b"\n"), strict=False)
        return next(n for n, (a, b) in enumerate(pairs, self.first_line) if a != b)

    def refuse_blank_lines(self) -> None:
        """Refuse lines without a row and rows that share one; no spelling of rows has them."""
        if len(self.rows) != self.lines.count(b"\n"):
            found = "blank or joined lines"
            raise SchemaViolation(path_of(self.kind), "one row a line", found=found)


Decoder = msgspec.json.Decoder[Any]


@cache
def _decoder_of(row: object) -> Decoder:
    return msgspec.json.Decoder(row, strict=True)


def _rows_decoder(kind: str, classes: Classes) -> Decoder:
    return _decoder_of(row_type(kind, classes))


class _Cells:
    """Takes and refuses the same rows, as tuples, from which columns are filled sooner.

    Evaluations and outcomes stand in every row, and few are different. Those that were met are
    named to a second decoder, which makes no new texts of them. Where it refuses lines, for a
    text that was not met or for any fault, the first one decides.
    """

    def __init__(self, kind: str, classes: Classes) -> None:
        """Begin without any text."""
        self._types = cell_types(kind, classes)
        self._any = _decoder_of(tuple.__class_getitem__(self._types))
        self._quick: Decoder | None = None
        self._met: dict[int, set[str]] = {columns(kind).index(n): set() for n in _REPEATED}
        self.decode = self._any.decode

    def decode_lines(self, lines: bytes) -> list[Any]:
        """The rows of some lines; refused with one of `_BROKEN`."""
        if self._quick is not None:
            with suppress(*_BROKEN):
                return self._quick.decode_lines(lines)
        rows = self._any.decode_lines(lines)
        if rows and self._met:
            self._meet(rows)
        return rows

    def _meet(self, rows: list[Any]) -> None:
        types = list(self._types)
        for place, met in self._met.items():
            met.update(map(itemgetter(place), rows))
            types[place] = Literal.__getitem__(tuple(met))
        if max(map(len, self._met.values())) > _FEW:
            self._met, self._quick = {}, None
        else:
            cells = tuple.__class_getitem__(tuple(types))
            self._quick = msgspec.json.Decoder(cells, strict=True)


def header(kind: str, classes: Classes | None = None) -> bytes:
    """The first line of a table of this kind, without its line end."""
    return msgspec.json.encode(header_names(kind, classes or {}))


def encode_rows(rows: Iterable[msgspec.Struct | Sequence[Any]]) -> bytes:
    """Rows as lines, each ended by a line feed; numbers in their shortest spelling."""
    return _ENCODER.encode_lines(rows if isinstance(rows, list) else list(rows))


def write_table(kind: str, rows: Iterable[msgspec.Struct]) -> bytes:
    """The whole table: header line and rows."""
    return header(kind) + b"\n" + encode_rows(rows)


def read_table(kind: str, data: bytes) -> list[msgspec.Struct]:
    """Rows of a table, refused as in `scan_table`; their spelling is not looked at."""
    return [row for batch in batches_of_rows(kind, [data]) for row in batch.rows]


def batches_of_rows(kind: str, pieces: Iterable[bytes]) -> Iterator[Batch]:
    """Rows of a table, some at a time, refused as in `scan_table`; first its header alone."""
    for batch in _batches(kind, pieces, DEFAULT_LIMITS, _rows_decoder):
        batch.refuse_blank_lines()
        yield batch


def line_root(pieces: Iterable[bytes]) -> str:
    """The RFC 6962 root over the lines of a table, the first included, line ends left out."""
    lines = _whole_lines("table", pieces, DEFAULT_LIMITS)
    every = (line for part in lines for line in part.split(b"\n")[:-1])
    return root(map(leaf_hash, every)).hex()


def scan_table(
    kind: str, pieces: Iterable[bytes], *, size: int, limits: Limits = DEFAULT_LIMITS
) -> Table:
    """A table of about `size` bytes, read piece by piece and never held as bytes as a whole.

    Refused unless header, types and line ends are those of its kind; a refused table names the
    first line at fault. Nothing is said about the values beyond their type and range.
    """
    with uncollected():
        return _scanned(kind, pieces, size, limits)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles of objects meanwhile: rows of texts and numbers have none.

    Memory is given back as always, when nothing refers to it; cycles wait until afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _scanned(kind: str, pieces: Iterable[bytes], size: int, limits: Limits) -> Table:
    filling: Filling | None = None
    kept: list[msgspec.Struct] = []
    misspelled: int | None = None
    classes: Classes = {}
    rows = read = 0
    decoder = _Cells if kind in ANSWER_KINDS else _rows_decoder
    for batch in _batches(kind, pieces, limits, decoder):
        if not batch.lines:
            classes = batch.classes
            filling = Filling(kind, classes) if kind in ANSWER_KINDS else None
            continue
        rows, read = rows + len(batch.rows), read + len(batch.lines)
        if misspelled is None:
            misspelled = batch.misspelled()
        else:
            batch.refuse_blank_lines()
        if filling is None:
            kept += batch.rows
        else:
            filling.extend(batch.rows, rows * size // read)
            batch.rows.clear()  # The next are decoded into the memory that these had.
    return Table(kept if filling is None else filling.answers(), misspelled, classes)


def _batches(
    kind: str,
    pieces: Iterable[bytes],
    limits: Limits,
    decoder: Callable[[str, Classes], Decoder | _Cells],
) -> Iterator[Batch]:
    """Rows of a table under its header, some at a time; first none, for the header."""
    where = path_of(kind)
    line = 1
    classes: Classes = {}
    reading: Decoder | _Cells | None = None
    for lines in _whole_lines(where, pieces, limits):
        body = lines
        if line == 1:
            first, _, body = lines.partition(b"\n")
            classes = _classes(kind, first)
            yield Batch(kind, classes, 2, b"", [])
            line = 2
        reading = reading or decoder(kind, classes)
        rows = _decode(kind, body, line, reading)
        if line - 2 + len(rows) > limits.max_rows:
            expected, found = f"at most {limits.max_rows} rows", "more"
            raise TooLarge(where, expected, found=found, limit="rows")
        begun, line = line, line + len(rows)
        if body:
            yield Batch(kind, classes, begun, body, rows)
    if line == 1:
        raise SchemaViolation(where, header(kind).decode(), found="nothing")


def _classes(kind: str, first: bytes) -> Classes:
    """What the first line says of the columns; refused unless it is that of a table."""
    if first == header(kind):
        return {}
    found = first[:200].decode("utf-8", "replace")
    try:
        classes = classes_in(kind, msgspec.json.decode(first))
    except _BROKEN:
        classes = None
    if classes is None or header(kind, classes) != first:
        raise SchemaViolation(path_of(kind), header(kind).decode(), found=found)
    return classes


def _whole_lines(where: str, pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    """The bytes again, cut at line feeds; refused unless they end with one."""
    begun = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        lines, begun = (begun + piece[:end], piece[end:]) if end else (b"", begun + piece)
        if max(len(begun), _longest(lines, limits.max_line)) > limits.max_line:
            expected, found = f"rows of at most {limits.max_line} bytes", "a longer one"
            raise TooLarge(where, expected, found=found, limit="row")
        if lines:
            yield lines
    if begun:
        found = begun[:200].decode("utf-8", "replace")
        raise SchemaViolation(where, "a line feed after the last row", found=found)


def _longest(lines: bytes, limit: int) -> int:
    """Bytes of the longest line; looked for only where one could be over the limit."""
    return max(map(len, lines.split(b"\n"))) if len(lines) > limit else 0


def _decode(kind: str, lines: bytes, first_line: int, decoder: Decoder | _Cells) -> list[Any]:
    try:
        return decoder.decode_lines(lines)
    except _BROKEN:
        _blame(kind, decoder, lines, first_line)


def _blame(kind: str, decoder: Decoder | _Cells, lines: bytes, first_line: int) -> NoReturn:
    for number, line in enumerate(lines.split(b"\n")[:-1], start=first_line):
        try:
            decoder.decode(line)
        except _BROKEN as error:
            where = f"{path_of(kind)} line {number}"
            raise SchemaViolation(where, "a row of this table", found=str(error)) from error
    raise SchemaViolation(path_of(kind), "one row a line", found="joined rows")
