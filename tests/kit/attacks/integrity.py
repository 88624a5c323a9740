"""Attacks on the binding between statement and files."""

from __future__ import annotations

from safetycase.digest import FileDigest
from safetycase.envelope.statement import write_statement
from tests.kit.builder import Json, KitCase, edit_record, remove_from_record
from tests.kit.register import after_stage, attack
from tests.kit.seal import STATEMENT, bound_files, sealed, statement_of

_LATER = after_stage(2)
_TABLE = "evidence/choices.jsonl"


def _subject(case: KitCase) -> str:
    digest: str = statement_of(case)["subject"][0]["digest"]["sha256"]
    return digest


@attack("integrity", "outsider", refused_by={"INT-001"}, unknown=_LATER)
def byte_of_a_table_flipped(case: KitCase) -> KitCase:
    """Flip one bit of one row.

    One answer is another.
    """
    data = bytearray(case.members[_TABLE])
    data[len(data) // 2] ^= 1
    return case.with_members({_TABLE: bytes(data)})


@attack("integrity", "outsider", refused_by={"INT-001"}, unknown=_LATER)
def byte_of_a_tensor_flipped(case: KitCase) -> KitCase:
    """Flip one bit of one activation.

    Another feature is selected.
    """
    name = "evidence/pooled.safetensors"
    data = bytearray(case.members[name])
    data[-9] ^= 1
    return case.with_members({name: bytes(data)})


@attack("integrity", "outsider", refused_by={"INT-001"}, unknown=_LATER)
def listed_file_missing(case: KitCase) -> KitCase:
    """Take a table out of the zip that the statement lists.

    Rows that speak against a claim are gone.
    """
    return case.with_members({_TABLE: None})


@attack("integrity", "outsider", refused_by={"INT-001"}, unknown=_LATER)
def two_tables_swapped(case: KitCase) -> KitCase:
    """Give the table of choices the bytes of the table of probes, and the other way round.

    Digests taken without names would not tell.
    """
    other = "evidence/probes.jsonl"
    return case.with_members({_TABLE: case.members[other], other: case.members[_TABLE]})


@attack("integrity", "outsider", refused_by={"INT-002"}, unknown=_LATER)
def unlisted_evidence(case: KitCase) -> KitCase:
    """Add a tensor file that the statement does not list.

    Evidence that nobody signed enters the computation.
    """
    name = "evidence/extra.safetensors"
    return case.with_members({name: case.members["evidence/probes.safetensors"]})


@attack("integrity", "outsider")
def second_statement(case: KitCase) -> KitCase:
    """Add a second statement, as if a reviewer had approved the case.

    A reader counts two signers. It is let through, and nothing is read from it: only
    statements/case.dsse.json is, and the verdict is that of the honest case.
    """
    return case.with_members({"statements/review.dsse.json": case.members[STATEMENT]})


@attack(
    "integrity",
    "insider",
    refused_by={"INT-001"},
    unknown=_LATER,
    as_outsider={"INT-001"},
    seals_itself=True,
)
def statement_lists_another_digest(case: KitCase) -> KitCase:
    """Sign a statement that gives another digest for the record than the file has.

    The signed case and the one that is shown differ.
    """
    files = [
        FileDigest(f.path, f.size, "0" * 64) if f.path == "case.json" else f
        for f in bound_files(case)
    ]
    return sealed(case, write_statement(_subject(case), files))


@attack(
    "integrity",
    "insider",
    refused_by={"INT-002"},
    unknown=_LATER,
    as_outsider={"INT-002"},
    seals_itself=True,
)
def statement_leaves_a_file_out(case: KitCase) -> KitCase:
    """Sign a statement that does not list the table of generated answers.

    The answers can be exchanged after signing.
    """
    files = [f for f in bound_files(case) if f.path != "evidence/generations.jsonl"]
    return sealed(case, write_statement(_subject(case), files))


@attack(
    "integrity",
    "insider",
    refused_by={"INT-001"},
    unknown=_LATER,
    as_outsider={"INT-001"},
    seals_itself=True,
)
def statement_lists_a_file_that_is_not_there(case: KitCase) -> KitCase:
    """Sign a statement that lists a table which the case does not hold.

    The verdict on a part passes for a verdict on the whole.
    """
    files = [*bound_files(case), FileDigest("evidence/redteam.jsonl", 10, "1" * 64)]
    return sealed(case, write_statement(_subject(case), files))


@attack("integrity", "insider", refused_by={"INT-003"}, as_outsider={"INT-002"})
def table_of_an_unknown_kind(case: KitCase) -> KitCase:
    """Add a table of a kind that no check reads, and sign it.

    Rows stand in a verified case that nothing has looked at.
    """
    return case.with_members({"evidence/reviews.jsonl": b'["item","good"]\n["r001",true]\n'})


@attack("integrity", "insider", refused_by={"INT-003"})
def table_not_named_by_the_record(case: KitCase) -> KitCase:
    """Take the reference to the table of probes out of the record, and sign it.

    A reader of the record does not learn that the probe was measured.
    """
    number = _table(case.record, "probes")
    return remove_from_record(case, f"/tables/{number}")


@attack("integrity", "insider", refused_by={"INT-004"})
def row_count_misstated(case: KitCase) -> KitCase:
    """State one row more than a table has, and sign it.

    A sample looks larger than it is.
    """
    number = _table(case.record, "choices")
    rows = case.record["tables"][number]["rows"]
    return edit_record(case, f"/tables/{number}/rows", rows + 1)


def _table(record: Json, kind: str) -> int:
    return next(n for n, table in enumerate(record["tables"]) if table["kind"] == kind)
