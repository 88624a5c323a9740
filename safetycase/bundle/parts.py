"""The parts of a case, read when they are asked for, each at most once.

Nothing here judges, and nobody need trust anybody to read. A part that is missing or malformed
raises the refusal that its reader raised, every time it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.limits import DEFAULT_LIMITS, Limits
from safetycase.bundle.reader import Container, open_case
from safetycase.bundle.tensors import Array, read_tensors
from safetycase.digest import FileDigest, sha256_hex
from safetycase.envelope.dsse import Envelope, read_envelope
from safetycase.envelope.statement import CaseStatement, case_id, open_statement
from safetycase.errors import (
    MalformedInput,
    MethodRefused,
    SafetyCaseError,
    TooLarge,
    Withheld,
)
from safetycase.methods.derived import Derived, DerivedAxis
from safetycase.methods.grid import arm_count
from safetycase.methods.once import once
from safetycase.methods.redaction import Opened, opened_files, opened_tables
from safetycase.methods.replay import Published
from safetycase.methods.samples import Sample, samples
from safetycase.methods.stream import case_seed
from safetycase.methods.tensors import TensorFault, planned_tensors, tensor_faults
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.record.reading import Model, read_as
from safetycase.record.redaction import Redaction
from safetycase.tables.closing import Opening
from safetycase.tables.codec import Table, scan_table
from safetycase.tables.columns import Answers
from safetycase.tables.disclosure import Held
from safetycase.tables.escrow import Escrow, read_escrow
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import ANSWER_KINDS, TABLES, path_of


class CaseParts:
    """The bytes of a case, and what they say when read as record, plan, rows and tensors."""

    def __init__(
        self,
        source: Path | bytes,
        limits: Limits = DEFAULT_LIMITS,
        escrow: bytes | None = None,
    ) -> None:
        """Keep where the bytes are, the limits, and what opens withheld cells."""
        self.kept: dict[str, Any] = {}
        self.limits = limits
        self._source = source
        self._escrow = escrow

    @once
    def container(self) -> Container:
        """The members, by name."""
        return open_case(self._source, limits=self.limits.container)

    @once
    def archive_sha256(self) -> str:
        """SHA-256 of exactly the bytes that were read."""
        if isinstance(self._source, bytes):
            return sha256_hex(self._source)
        return self.container.archive_sha256

    @once
    def digests(self) -> dict[str, FileDigest]:
        """Path, size and SHA-256 of every member, each inflated to its end.

        Tables are decoded from the very bytes that are hashed, in the same reading. A refusal
        of their rows is kept for whoever asks for the rows; it is none of the bytes.
        """
        with suppress(SafetyCaseError):
            _ = self.signed_tables
        return {name: self.container.digest(name) for name in self.container.names}

    @once
    def envelope(self) -> Envelope:
        """The envelope of the case's statement."""
        name = layout.CASE_STATEMENT_NAME
        return read_envelope(self.container.read(name), where=name)

    @once
    def statement(self) -> CaseStatement:
        """What the signatures are over: the model and every file, by digest."""
        return open_statement(self.envelope, where=layout.CASE_STATEMENT_NAME)

    @once
    def case_id(self) -> str:
        """SHA-256 of the statement's payload: the name of the case in any zip."""
        return case_id(self.envelope.payload)

    @once
    def record_json(self) -> canonical.JsonValue:
        """case.json as plain values, as spelled."""
        data = self.container.read(layout.RECORD_NAME)
        return canonical.read(data, where=layout.RECORD_NAME)

    @once
    def record(self) -> Case:
        """case.json as the record's model."""
        return self._read(Case, layout.RECORD_NAME, self.record_json)

    @once
    def plan_json(self) -> canonical.JsonValue:
        """plan.json as plain values, as spelled."""
        data = self.container.read(layout.PLAN_NAME)
        return canonical.read(data, where=layout.PLAN_NAME)

    @once
    def plan(self) -> Plan:
        """plan.json as the plan's model."""
        plan = self._read(Plan, layout.PLAN_NAME, self.plan_json)
        arms = arm_count(plan)
        if arms > self.limits.arms:
            expected = f"a plan of at most {self.limits.arms} arms"
            raise TooLarge(layout.PLAN_NAME, expected, found=str(arms), limit="arms")
        return plan

    @once
    def plan_digest(self) -> str:
        """SHA-256 of plan.json."""
        return sha256_hex(self.container.read(layout.PLAN_NAME))

    @once
    def case_seed(self) -> str:
        """What all draws and splits derive from; refused without the value the plan awaits."""
        if self.plan.randomness is None:
            return self.plan_digest
        stated, where = self.record.randomness, f"{layout.RECORD_NAME}#/randomness"
        if stated is None:
            raise MethodRefused(where, "the value that the plan waits for", found="none")
        return case_seed(self.plan_digest, stated.value)

    def _read(self, model: type[Model], name: str, _strict: canonical.JsonValue) -> Model:
        """Bytes that strict JSON has accepted, as a model; so they have one reading only."""
        return read_as(
            model, self.container.read(name), where=name, expected="the record's schema"
        )

    @once
    def table_kinds(self) -> tuple[str, ...]:
        """Kinds of tables that the case holds, in schema order."""
        return tuple(kind for kind in TABLES if path_of(kind) in self.container)

    @once
    def redactions(self) -> tuple[Redaction, ...]:
        """The ledger of what is withheld; empty where the record has none or is unreadable."""
        try:
            return self.record.redactions or ()
        except SafetyCaseError:
            return ()

    @once
    def escrow(self) -> Escrow | None:
        """What the user opens this case with; refused if it is the escrow of another."""
        if self._escrow is None:
            return None
        escrow = read_escrow(self._escrow)
        if escrow.case != self.case_id:
            expected = f"that of the case {self.case_id}"
            raise MalformedInput("escrow", expected, found=escrow.case)
        return escrow

    def _opens_with(self) -> Escrow:
        try:
            return self.escrow or Escrow.empty()
        except SafetyCaseError:
            return Escrow.empty()

    @once
    def opened_tables(self) -> dict[str, Opening]:
        """Tables with withheld columns, as far as they are open."""
        return opened_tables(self._opens_with(), self.signed_tables, self.container.stream)

    @once
    def opened_files(self) -> Opened:
        """Files that the case leaves out, as far as they are open."""
        return opened_files(self._opens_with(), self.redactions)

    @once
    def tables(self) -> dict[str, Table]:
        """Every table, by kind; what is withheld in it, as far as the escrow opens it."""
        opened = {} if self._escrow is None else self.opened_tables
        return self.signed_tables | {
            kind: scan_table(kind, o.pieces, size=o.size, limits=self.limits.tables)
            for kind, o in opened.items()
        }

    @once
    def signed_tables(self) -> dict[str, Table]:
        """Every table as it was signed, by kind."""
        return {
            kind: scan_table(
                kind,
                self.container.hashed(path_of(kind)),
                size=self.container.size(path_of(kind)),
                limits=self.limits.tables,
            )
            for kind in self.table_kinds
        }

    def rows(self, kind: str) -> Sequence[Any]:
        """Rows of a table; none if the case has no such table."""
        return self.tables[kind].rows if kind in self.tables else ()

    def lines(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Rows of a table, each with its place in the file; the first line names columns."""
        for number, row in enumerate(self.rows(kind), start=2):
            yield f"{path_of(kind)} line {number}", row

    def answers(self, kind: str) -> Answers:
        """A table of answers, column by column; refused if the case has none of that kind."""
        rows = self.rows(kind)
        if not isinstance(rows, Answers):
            raise MethodRefused(path_of(kind), "a table of answers", found="none")
        return rows

    @once
    def tensor_files(self) -> dict[str, dict[str, Array]]:
        """Arrays of every file of tensors, by the file's name in the case."""
        names = [
            name
            for name in self.container.names
            if layout.is_bound(name) and name.endswith(".safetensors")
        ]
        names += [name for name in self.opened_files.files if name.endswith(".safetensors")]
        return {name: read_tensors(self.member(name), where=name) for name in names}

    def member(self, name: str) -> bytes:
        """A file of the case, or one that it leaves out and the escrow opens."""
        return self.opened_files.files.get(name) or self.container.read(name)

    @once
    def tensors(self) -> dict[str, Array]:
        """All arrays by name; a name that occurs in two files is refused."""
        merged: dict[str, Array] = {}
        for path, arrays in self.tensor_files.items():
            twice = sorted(set(arrays) & set(merged))
            if twice:
                raise MalformedInput(path, "every tensor once", found=f"{twice[0]} twice")
            merged |= arrays
        return merged

    @once
    def tensor_faults(self) -> list[TensorFault]:
        """Where the tensors are not those that the plan asks for, withheld files aside."""
        widths, most = self._model_widths(), self.limits.activations
        faults = tensor_faults(self.plan, widths, self.tensor_files, activations=most)
        return [fault for fault in faults if fault.tensor not in self.withheld_tensors]

    @once
    def withheld_tensors(self) -> dict[str, str]:
        """Tensors in files that the ledger names and that are not there, each with its file."""
        gone = {entry.path for entry in self.redactions} - set(self.tensor_files)
        return {t.name: t.path for t in planned_tensors(self.plan, {}) if t.path in gone}

    @once
    def sound_tensors(self) -> Mapping[str, Array]:
        """The arrays of planned name, type and shape; methods never meet any others."""
        try:
            bad = {fault.tensor for fault in self.tensor_faults}
            sound = {n: a for n, a in self.tensors.items() if n not in bad}
            return Held(sound, self.withheld_tensors)
        except SafetyCaseError:
            return {}

    def _model_widths(self) -> dict[str, int]:
        try:
            return {entry.id: entry.model_width for entry in self.record.dictionaries}
        except SafetyCaseError:
            return {}

    @once
    def evidence(self) -> Evidence:
        """Tables and tensors as published."""
        return Evidence(
            items=Items(self.rows("items")),
            answers=group_answers(*map(self.rows, ANSWER_KINDS)),
            label_words=self.rows("label_words"),
            label_checks=self.rows("label_checks"),
            tensors=self.sound_tensors,
            traces=self.rows("traces"),
            human_labels=self.rows("human_labels"),
            exclusions=self.rows("exclusions"),
            dictionary_texts=self.rows("dictionary_texts"),
            judgements=self.rows("judgements"),
        )

    @once
    def derived(self) -> Derived:
        """What follows from plan and evidence.

        Of the record is read who is shipped, and the value in the seeds.
        """
        return Derived(self.plan, self.case_seed, self.evidence, self._shipped)

    @once
    def published(self) -> Published:
        """The case as a re-execution reads it."""
        tables = {kind: self.rows(kind) for kind in ANSWER_KINDS}
        return Published(self.case_id, self.plan, self.derived.evidence, tables)

    def _shipped(self) -> frozenset[str]:
        return frozenset(guard.axis for guard in self.record.subject.safeguards)

    @once
    def samples(self) -> tuple[Sample, ...]:
        """Rows for a reader to look at, drawn by the case's id."""
        return samples(self.case_id, self.plan, self.evidence.items, self.evidence.answers)

    @once
    def published_samples(self) -> tuple[Sample, ...] | None:
        """Those that a page may show, with or without an escrow; none if they are withheld."""
        published = self if self._escrow is None else CaseParts(self._source, self.limits)
        try:
            return published.samples
        except Withheld:
            return None

    def axis(self, name: str) -> DerivedAxis:
        """What follows for one axis."""
        return self.derived.axes[name]
