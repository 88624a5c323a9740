"""What a case says that it withholds against what it withholds, and what an escrow opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetycase.methods.gap import Gap
from safetycase.record.redaction import Redaction
from safetycase.tables.codec import Table, line_root
from safetycase.tables.disclosure import GRAPHS, withheld_with
from safetycase.tables.escrow import Escrow, Opening, open_table
from safetycase.tables.rows import columns, path_of

LEDGER = "case.json#/redactions"

Stream = Callable[[str], Iterable[bytes]]
"""The bytes of a file of the case, by its name."""


def ledger_gaps(
    ledger: Sequence[Redaction], tables: Mapping[str, Table], stream: Stream
) -> Iterator[Gap]:
    """Where the ledger's entries are not those of the withheld columns, each once."""
    marked = _marked(tables, stream)
    times = Counter((entry.path, entry.column) for entry in ledger)
    for path, column in marked.keys() - times.keys():
        yield Gap(LEDGER, f"an entry for {path}: {column}", "none")
    for number, entry in enumerate(ledger):
        where, place = f"{LEDGER}/{number}", (entry.path, entry.column)
        if times[place] > 1:
            yield Gap(where, f"one entry for {entry.path}", str(times[place]))
        if not entry.reason.strip():
            yield Gap(f"{where}/reason", "a reason in words", repr(entry.reason))
        stated = f"{entry.disclosure} / {entry.count} / {entry.commitment}"
        if entry.column is not None and stated != marked.get(place):
            yield Gap(where, marked.get(place, "a column that is withheld"), stated)


def _marked(tables: Mapping[str, Table], stream: Stream) -> dict[tuple[str, str | None], str]:
    """Withheld columns by table and name: class, number of cells and root of the table."""
    marked: dict[tuple[str, str | None], str] = {}
    for kind, table in tables.items():
        if table.classes:
            path = path_of(kind)
            rest = f"{len(table.rows)} / {line_root(stream(path))}"
            marked |= {(path, name): f"{d} / {rest}" for name, d in table.classes.items()}
    return marked


def file_gaps(
    ledger: Sequence[Redaction], planned: Collection[str], present: Collection[str]
) -> Iterator[Gap]:
    """Where an entry is of a file that a case would not hold, or that this one holds still."""
    for number, entry in enumerate(ledger):
        where = f"{LEDGER}/{number}"
        if entry.column is not None:
            continue
        if entry.path not in planned and not entry.path.startswith(GRAPHS):
            yield Gap(where, "a file that the plan asks for", entry.path)
        if entry.path in present:
            yield Gap(where, f"a case without {entry.path}", "the file")
        if (entry.disclosure, entry.count) != ("withheld", 1):
            yield Gap(where, "withheld / 1", f"{entry.disclosure} / {entry.count}")


def leaks(
    ledger: Sequence[Redaction], tables: Mapping[str, Table], present: Collection[str]
) -> Iterator[Gap]:
    """Columns and files that are published though they tell of a withheld text."""
    withheld = {entry.path for entry in ledger if entry.column is None}
    there = set(present)
    for kind, table in tables.items():
        withheld |= {f"{kind}.{name}" for name in table.classes}
        there |= {f"{kind}.{name}" for name in columns(kind) if table.rows}
    for name, cause in withheld_with(withheld, present).items():
        if name in there - withheld:
            yield Gap(name, f"withheld with {cause}", "published")


@dataclass(frozen=True, slots=True)
class Opened:
    """Files that the case leaves out, as far as an escrow opens them."""

    files: Mapping[str, bytes]
    """Those that are what was committed to, by name."""
    closed: tuple[str, ...]
    """Those that the escrow does not have."""
    refused: tuple[str, ...]
    """Those of which it has something else than was committed to."""


def opened_files(escrow: Escrow, ledger: Sequence[Redaction]) -> Opened:
    """The files of the ledger; what does not match its commitment stays closed."""
    listed = {entry.path: entry.commitment for entry in ledger if entry.column is None}
    held = {file.path: file for file in escrow.files if file.path in listed}
    good = {p: file.data for p, file in held.items() if file.commitment() == listed[p]}
    closed = [path for path in listed if path not in held]
    return Opened(good, tuple(closed), tuple(path for path in held if path not in good))


def opened_tables(
    escrow: Escrow, tables: Mapping[str, Table], stream: Stream
) -> dict[str, Opening]:
    """Tables with withheld columns by kind, each as far as the escrow opens it."""
    return {
        kind: open_table(kind, stream(path_of(kind)), escrow)
        for kind, table in tables.items()
        if table.classes
    }


def unopened(tables: Mapping[str, Opening], files: Opened) -> Iterator[Gap]:
    """Every place that stays closed: the escrow has something else for it, or nothing."""
    refused = [
        f"{path_of(kind)} line {line}: {column}"
        for kind, opening in tables.items()
        for line, column in opening.refused
    ]
    for place in [*refused, *files.refused]:
        yield Gap(place, "what was committed to", "another value in the escrow")
    closed = [f"{path_of(kind)}: {name}" for kind, one in tables.items() for name in one.closed]
    for place in [*closed, *files.closed]:
        text = f"The escrow does not open {place}."
        yield Gap("escrow", f"an opening of {place}", "none", text, silent=True)
