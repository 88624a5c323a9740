"""What a case says that it withholds against what it withholds, and what an escrow opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from safetycase.methods.gap import Gap
from safetycase.record.redaction import Redaction
from safetycase.tables.closing import Opening, open_table
from safetycase.tables.codec import Table, batches_of_rows, line_root
from safetycase.tables.commitment import coarse
from safetycase.tables.disclosure import GRAPHS, withheld_with
from safetycase.tables.escrow import Escrow
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
        auditors = entry.auditors or ()
        if list(auditors) != sorted(set(auditors)):
            yield Gap(f"{where}/auditors", "each auditor once, in order", ", ".join(auditors))
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
            for name, closed in table.classes.items():
                marked[path, name] = f"{closed.disclosure} / {rest}"
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
    ledger: Sequence[Redaction],
    tables: Mapping[str, Table],
    present: Collection[str],
    stream: Stream,
) -> Iterator[Gap]:
    """Columns and files that are published though they tell of a withheld text.

    A coarse column is closed if its numbers are coarse.
    """
    withheld = {entry.path for entry in ledger if entry.column is None}
    there = set(present)
    for kind, table in tables.items():
        withheld |= {f"{kind}.{name}" for name in table.classes}
        there |= {f"{kind}.{name}" for name in columns(kind) if table.rows}
    for name, cause in withheld_with(withheld, present).items():
        if name in there - withheld:
            yield Gap(name, f"withheld with {cause}", "published")
    for kind, table in tables.items():
        names = [n for n, closed in table.classes.items() if closed.disclosure == "coarse"]
        if names:
            yield from _too_fine(kind, names, stream(path_of(kind)))


def _too_fine(kind: str, names: Sequence[str], pieces: Iterable[bytes]) -> Iterator[Gap]:
    """Of each of these coarse columns the first number that is not a coarse one."""
    places = {name: columns(kind).index(name) for name in names}
    line = 2
    for batch in batches_of_rows(kind, pieces):
        for number, row in enumerate(map(msgspec.structs.astuple, batch.rows), start=line):
            for name in [n for n, place in places.items() if coarse(row[place]) != row[place]]:
                there = row[places.pop(name)]
                where = f"{path_of(kind)} line {number}: {name}"
                yield Gap(where, repr(coarse(there)), repr(there))
        line += len(batch.rows)


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


def unopened(
    escrow: Escrow,
    ledger: Sequence[Redaction],
    tables: Mapping[str, Opening],
    files: Opened,
) -> Iterator[Gap]:
    """What an escrow has otherwise than it was committed to, for others, or not at all."""
    refused = [
        f"{path_of(kind)} line {line}: {column}"
        for kind, opening in tables.items()
        for line, column in opening.refused
    ]
    stray = [f"{one.table}.{one.column}" for one in escrow.cells if one.table not in tables]
    for place in [*refused, *stray, *files.refused]:
        yield Gap(place, "what was committed to", "another value in the escrow")
    closed = [f"{path_of(kind)}: {name}" for kind, one in tables.items() for name in one.closed]
    closed += files.closed
    yield from _other_auditors(escrow, ledger, tables, files, whole=not closed)
    for place in closed:
        text = f"The escrow does not open {place}."
        yield Gap("escrow", f"an opening of {place}", "none", text, silent=True)


def _other_auditors(
    escrow: Escrow,
    ledger: Sequence[Redaction],
    tables: Mapping[str, Opening],
    files: Opened,
    *,
    whole: bool,
) -> Iterator[Gap]:
    """Entries whose auditors are not those to whom what opens them was encrypted.

    An escrow of everything is for all of them, one of some columns or files for some. Single
    cells may be opened to others later; and of what was never encrypted nothing can be said.
    """
    given = set(escrow.auditors)
    opened: set[tuple[str, str | None]] = {(path, None) for path in files.files}
    opened |= {(path_of(kind), name) for kind, one in tables.items() for name in one.opened}
    for number, entry in enumerate(ledger):
        named = set(entry.auditors or ())
        strangers = given - named or (named - given if whole else set())
        if given and strangers and (entry.path, entry.column) in opened:
            where = f"{LEDGER}/{number}/auditors"
            yield Gap(where, _listed(given), _listed(named))


def _listed(fingerprints: Collection[str]) -> str:
    return ", ".join(sorted(fingerprints)) or "nobody"
