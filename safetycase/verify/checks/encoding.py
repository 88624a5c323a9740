"""Stage 1: every signed byte has one spelling, so that no two readers see different values."""

from __future__ import annotations

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.tensors import write_tensors
from safetycase.tables.rows import path_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run

FAMILY = Family(
    "ENC", "Encoding", "Every value has one spelling, and no spelling two readings.",
    stage=1, tier="intact", needs=("container",),
)  # fmt: skip

_CANNOT = "That the values are true, or that they follow a schema."


def _canonical(case: OpenedCase, name: str, value: canonical.JsonValue) -> Run:
    canonical.require_canonical(case.container.read(name), value, where=name)
    yield from ()
    return 1


@FAMILY.check(
    1,
    proves="case.json is strict JSON in its RFC 8785 spelling: no duplicate keys, no NaN, no "
    "lone surrogates, nothing after the value.",
    cannot_prove=_CANNOT,
    references=("https://www.rfc-editor.org/rfc/rfc8785", "design 3"),
    owns=("the spelling of case.json",),
)
def record_has_one_spelling(case: OpenedCase) -> Run:
    """case.json is canonical JSON."""
    return (yield from _canonical(case, layout.RECORD_NAME, case.record_json))


@FAMILY.check(
    2,
    proves="plan.json is strict JSON in its RFC 8785 spelling, so that a plan has one digest.",
    cannot_prove=_CANNOT,
    references=("https://www.rfc-editor.org/rfc/rfc8785", "design 4"),
    owns=("the spelling of plan.json",),
)
def plan_has_one_spelling(case: OpenedCase) -> Run:
    """plan.json is canonical JSON."""
    return (yield from _canonical(case, layout.PLAN_NAME, case.plan_json))


@FAMILY.check(
    3,
    proves="The envelope is a DSSE envelope of the in-toto type, and its payload a closed "
    "statement of our predicate type in its RFC 8785 spelling.",
    cannot_prove="Who signed it, or that its list of files is right.",
    references=("https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md",
                "https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md"),
    owns=("the spelling of the statement's payload",),
)  # fmt: skip
def statement_has_one_spelling(case: OpenedCase) -> Run:
    """The signed statement is canonical JSON of the known types."""
    name = layout.CASE_STATEMENT_NAME
    if name not in case.container:
        yield Fault.unknown(name, "a signed statement", "none", "The case is not signed.")
        return 0
    canonical.read_canonical(case.envelope.payload, where=f"{name}#/payload")
    return len(case.statement.files)


@FAMILY.check(
    4,
    stage=4,
    needs=("container", "rows"),
    proves="Every table is spelled as its writer spells it: column names first, one array a "
    "line, numbers in their shortest spelling, a line feed after every row.",
    cannot_prove=_CANNOT,
    references=("design 3", "https://jcristharif.com/msgspec/"),
    owns=("the spelling of evidence/*.jsonl",),
)
def tables_have_one_spelling(case: OpenedCase) -> Run:
    """Every evidence table has the one spelling of its rows."""
    for kind, table in case.tables.items():
        if table.misspelled is not None:
            where = f"{path_of(kind)} line {table.misspelled}"
            yield Fault(where, "the one spelling of its row", "another")
    return len(case.tables)


@FAMILY.check(
    5,
    stage=4,
    needs=("container", "tensors"),
    proves="Every tensor file is spelled as its writer spells it: names in order, no metadata, "
    "no holes.",
    cannot_prove=_CANNOT,
    references=("https://github.com/huggingface/safetensors#format",),
    owns=("the spelling of evidence/*.safetensors",),
)
def tensors_have_one_spelling(case: OpenedCase) -> Run:
    """Every tensor file has the one spelling of its arrays."""
    for path, arrays in case.tensor_files.items():
        if case.member(path) != write_tensors(arrays):
            yield Fault(path, "the one spelling of its arrays", "another")
    return len(case.tensor_files)
