"""The rows of a dataset file as JSON objects: JSON lines, or CSV or Parquet by its ending.

Says nothing of what the columns mean. An empty cell is one that is not there.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.errors import MalformedInput, RunFailed

Row = tuple[str, JsonValue]
"""Where a row stands, and what it says: an object, if the file is right."""

_NO_ITEMS = "Leave the dataset out of the plan if it has no items."
_RENAME = "Name the file's own columns under `columns` of the dataset."


def read_rows(file: Path, wanted: Collection[str] | None) -> Iterator[Row]:
    """The rows of a file in its order, with their places; only the wanted columns of a table.

    Lines of JSON are counted from 1; rows of CSV from its header, which is row 1; rows of
    Parquet from 1. None wanted: all columns. Refused: no rows, files that are not what their
    ending says, a wanted column that the table has not.
    """
    kinds = {".csv": _csv_rows, ".parquet": _parquet_rows}
    count = 0
    for row in kinds.get(file.suffix.lower(), _json_rows)(file, wanted):
        count += 1
        yield row
    if not count:
        raise MalformedInput(
            file.name, "at least one item", found="an empty file", remedy=_NO_ITEMS
        )


def _json_rows(file: Path, _wanted: Collection[str] | None) -> Iterator[Row]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        where = f"{file.name} line {number}"
        yield where, canonical.read(line, where=where)


def _csv_rows(file: Path, wanted: Collection[str] | None) -> Iterator[Row]:
    number = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text, strict=True)
            names = next(lines, [])
            _require_columns(file.name, names, wanted)
            for number, cells in enumerate(lines, start=2):
                where = f"{file.name} row {number}"
                if len(cells) != len(names):
                    expected = f"{len(names)} cells, as in the header"
                    raise MalformedInput(where, expected, found=str(len(cells)))
                yield where, _kept(zip(names, cells, strict=True), wanted)
    except (csv.Error, UnicodeDecodeError) as error:
        where = f"{file.name} after row {number}"
        raise MalformedInput(where, "CSV in UTF-8", found=str(error)) from None


def _parquet_rows(file: Path, wanted: Collection[str] | None) -> Iterator[Row]:
    # an extra, and only for files of this kind
    try:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise RunFailed(
            file.name,
            "pyarrow, which reads Parquet",
            found="not installed",
            remedy="Run `pip install 'safetycase[parquet]'`, or save the file as JSONL or CSV.",
        ) from None
    numbers = itertools.count(1)
    try:
        with parquet.ParquetFile(file) as held:
            names = held.schema_arrow.names
            _require_columns(file.name, names, wanted)
            columns = [n for n in names if wanted is None or n in wanted]
            for batch in held.iter_batches(columns=columns):
                for row in batch.to_pylist():
                    yield f"{file.name} row {next(numbers)}", _kept(row.items(), wanted)
    except (pa.ArrowException, OSError) as error:
        raise MalformedInput(file.name, "a Parquet file", found=str(error)) from None


def _kept(cells: Iterable[tuple[str, Any]], wanted: Collection[str] | None) -> JsonValue:
    kept = {
        name: value
        for name, value in cells
        if value is not None and value != "" and (wanted is None or name in wanted)
    }
    return cast("JsonValue", kept)


def _require_columns(where: str, names: list[str], wanted: Collection[str] | None) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MalformedInput(where, "every column once", found=f"{', '.join(twice)} twice")
    missing = sorted(set(wanted or ()) - set(names))
    if missing:
        expected = f"the columns {', '.join(missing)}"
        raise MalformedInput(
            where, expected, found=", ".join(names) or "no header", remedy=_RENAME
        )
