"""Closes columns of a table, and opens them again as far as an escrow goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from safetycase.digest.merkle import inclusion_proof, leaf_hash, root, verify_inclusion
from safetycase.errors import MalformedInput
from safetycase.tables.codec import Batch, batches_of_rows, encode_rows, header
from safetycase.tables.commitment import (
    cell_salt,
    coarse,
    commitment,
    keyed_id,
    leaves,
    salt_key,
)
from safetycase.tables.disclosure import Closed, Disclosure
from safetycase.tables.escrow import Escrow, OpenedCell, OpenedColumn, Spelled
from safetycase.tables.rows import columns

ON_NO_LINE = 1
"""The first line, which holds the roots: where a column differs of which no row is known to."""


@dataclass(slots=True)
class Opening:
    """What became of the closed columns of one table."""

    pieces: list[bytes]
    """The table with all columns in it that were opened, cut at line ends."""
    opened: list[str] = field(default_factory=list)
    """Columns that the escrow opens, every cell of them."""
    closed: list[str] = field(default_factory=list)
    """Columns that the escrow does not open as a whole."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Columns and single cells that do not match, each after a line."""
    cells: list[OpenedCell] = field(default_factory=list)
    """Single cells that match."""

    @property
    def size(self) -> int:
        """Bytes of the table."""
        return sum(map(len, self.pieces))


def shown(disclosed: Disclosure, key: bytes, cell: Spelled) -> Spelled:
    """What a redacted table shows in the place of a cell."""
    if disclosed == "keyed":
        return keyed_id(key, str(cell))
    return coarse(cell) if disclosed == "coarse" and isinstance(cell, (int, float)) else None


def column_leaves(disclosed: Disclosure, opened: OpenedColumn) -> Iterator[bytes]:
    """The leaf hashes of an opened column's tree, in row order."""
    key, place = bytes.fromhex(opened.key), (opened.table, opened.column)
    salts = salt_key(key, *place, keyed=disclosed == "keyed")
    return leaves(salts, *place, opened.cells)


def single_cells(
    disclosed: Disclosure, opened: OpenedColumn, rows: Iterable[int]
) -> list[OpenedCell]:
    """What opens these cells of an opened column, and no others."""
    place = (opened.table, opened.column)
    salts = salt_key(bytes.fromhex(opened.key), *place, keyed=disclosed == "keyed")
    hashes = list(column_leaves(disclosed, opened))
    return [
        OpenedCell(
            *place,
            row,
            cell_salt(salts, row).hex(),
            opened.cells[row],
            [node.hex() for node in inclusion_proof(hashes, row)],
        )
        for row in rows
    ]


def close_table(
    kind: str,
    rows: Sequence[msgspec.Struct],
    classes: Mapping[str, Disclosure],
    opened: Mapping[str, OpenedColumn],
) -> bytes:
    """The redacted table; of each column to be closed, its class and what will open it."""
    marks = {
        name: Closed(disclosed, root(column_leaves(disclosed, opened[name])).hex())
        for name, disclosed in classes.items()
    }
    instead = [
        (columns(kind).index(name), classes[name], bytes.fromhex(opened[name].key))
        for name in classes
    ]

    def closed() -> Iterator[list[Any]]:
        for row in rows:
            cells: list[Any] = list(msgspec.structs.astuple(row))
            for place, disclosed, key in instead:
                cells[place] = shown(disclosed, key, cells[place])
            yield cells

    return header(kind, marks) + b"\n" + encode_rows(list(closed()))


def open_table(kind: str, pieces: Iterable[bytes], escrow: Escrow) -> Opening:
    """The table as far as the escrow opens it; a column with a cell that does not match stays.

    Refused as a table is; what is wrong with the escrow is said in the result.
    """
    read = list(batches_of_rows(kind, pieces))
    rows = [msgspec.structs.astuple(row) for batch in read for row in batch.rows]
    classes = read[0].classes
    opening = Opening([])
    cells: dict[str, list[Any]] = {}
    for name, mark in classes.items():
        given = escrow.column(kind, name)
        if given is None:
            opening.closed.append(name)
            continue
        stand = [row[columns(kind).index(name)] for row in rows]
        wrong = _first_mismatch(mark, stand, given)
        if wrong is None:
            opening.opened.append(name)
            cells[name] = given.cells
        else:
            opening.refused.append((wrong, name))
    for one in escrow.cells:
        if one.table == kind:
            fits = one.column in classes and _fits(classes[one.column], rows, one)
            place = (one.row + 2, one.column)
            opening.cells += [one] if fits else []
            opening.refused += [] if fits else [place]
    still = {name: mark for name, mark in classes.items() if name not in cells}
    opening.pieces = [header(kind, still) + b"\n", *_rewritten(kind, read, cells)]
    return opening


def _first_mismatch(mark: Closed, stand: list[Any], given: OpenedColumn) -> int | None:
    """The line from which on an opened column is not the one that stands there."""
    if len(given.cells) != len(stand):
        return min(len(given.cells), len(stand)) + 2
    key = bytes.fromhex(given.key)
    if mark.disclosure != "withheld":
        pairs = enumerate(zip(stand, given.cells, strict=True), start=2)
        for line, (there, cell) in pairs:
            if shown(mark.disclosure, key, cell) != there:
                return line
    same = root(column_leaves(mark.disclosure, given)).hex() == mark.root
    return None if same else ON_NO_LINE


def _fits(mark: Closed, rows: Sequence[tuple[Any, ...]], one: OpenedCell) -> bool:
    """Whether a single cell is the one that was committed to at its place."""
    data = commitment(bytes.fromhex(one.salt), one.table, one.column, one.cell)
    path, whole = map(bytes.fromhex, one.path), bytes.fromhex(mark.root)
    try:
        verify_inclusion(leaf_hash(data), one.row, len(rows), tuple(path), whole)
    except MalformedInput:
        return False
    there = rows[one.row][columns(one.table).index(one.column)]
    return mark.disclosure != "coarse" or shown("coarse", b"", one.cell) == there


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
