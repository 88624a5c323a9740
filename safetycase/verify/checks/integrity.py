"""Stage 2: the files are those that were signed, all of them and no others."""

from __future__ import annotations

from safetycase.bundle import layout
from safetycase.tables.rows import TABLES, path_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run

FAMILY = Family(
    "INT", "Integrity", "The files must be those of the statement, and only those.",
    stage=2, tier="intact", needs=("statement",),
)  # fmt: skip


@FAMILY.check(
    1,
    proves="Every file that the statement lists is in the case, with that size and SHA-256.",
    cannot_prove="Who made the statement.",
    references=("design 3", "https://csrc.nist.gov/pubs/fips/180-4/upd1/final"),
    owns=("the bytes of all bound files",),
)
def listed_files_are_there(case: OpenedCase) -> Run:
    """Every file of the statement is there, byte for byte."""
    for file in case.statement.files:
        if file.path not in case.container:
            yield Fault(file.path, "a file that the statement lists", "none")
            continue
        found = case.digests[file.path]
        if found != file:
            expected, stands = (f"{f.size} bytes, SHA-256 {f.sha256}" for f in (file, found))
            yield Fault(file.path, expected, stands)
    return len(case.statement.files)


@FAMILY.check(
    2,
    proves="No record, plan, evidence or circuit is in the case that the statement leaves out.",
    cannot_prove="That nothing was left out before the statement was made.",
    references=("design 3",),
    owns=("the list of bound files",),
)
def no_file_is_unbound(case: OpenedCase) -> Run:
    """Every file that a claim can rest on is listed by the statement."""
    listed = {file.path for file in case.statement.files}
    bound = [name for name in case.container.names if layout.is_bound(name)]
    for name in bound:
        if name not in listed:
            yield Fault(name, "a file that the statement lists", "an unlisted file")
    return len(bound)


@FAMILY.check(
    3,
    stage=4,
    needs=("container", "record"),
    proves="The record names exactly the tables that are in the case, each with its kind.",
    cannot_prove="That the rows are all that were measured; the grid does (DES-005).",
    references=("design 3",),
    owns=("case.json#/tables/*/path", "case.json#/tables/*/kind"),
)
def tables_are_those_of_the_record(case: OpenedCase) -> Run:
    """The record's table references are the tables in the case."""
    named = [(table.path, table.kind) for table in case.record.tables]
    present = [(path_of(kind), kind) for kind in case.table_kinds]
    for reference in named:
        if reference not in present:
            yield Fault("case.json#/tables", "a table that is there", str(reference))
    for reference in present:
        if named.count(reference) != 1:
            found = f"{reference} {named.count(reference)} times"
            yield Fault("case.json#/tables", "every table once", found)
    for name in case.container.names:
        if name.endswith(".jsonl") and name not in {path_of(kind) for kind in TABLES}:
            yield Fault(name, "a table of a known kind", "an unknown one")
    return len(present)


@FAMILY.check(
    4,
    stage=4,
    needs=("record", "rows"),
    proves="Every table has as many rows as the record says.",
    cannot_prove="That they are the right rows.",
    references=("design 3",),
    owns=("case.json#/tables/*/rows",),
)
def row_counts_are_stated(case: OpenedCase) -> Run:
    """The record's row counts are those of the tables."""
    for number, table in enumerate(case.record.tables):
        rows = len(case.rows(table.kind))
        is_there = table.kind in case.table_kinds and table.path == path_of(table.kind)
        if is_there and rows != table.rows:
            yield Fault(f"case.json#/tables/{number}/rows", str(rows), str(table.rows))
    return len(case.record.tables)
