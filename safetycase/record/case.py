"""The root of a case: what is argued about, with which instruments, and what follows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from safetycase.record.base import Count, Identifier, Record, Sha256, Text, Utc
from safetycase.record.equations import Equation
from safetycase.record.governance import Configuration, Override
from safetycase.record.randomness import Randomness
from safetycase.record.redaction import Redaction
from safetycase.record.results import Results

CASE_SCHEMA = "https://safetycase.dev/case/v1alpha"


class ModelFile(Record):
    """One file of the model, by name and bytes."""

    path: Text
    """Name relative to the model's folder."""
    size: Count
    """Bytes."""
    sha256: Sha256
    """Digest of the bytes."""
    role: Literal["weights", "tokenizer", "configuration", "chat_template", "other"]
    """What the file does."""


class Safeguard(Record):
    """An intervention that the released product carries."""

    axis: Identifier
    """Axis on which it was measured."""
    intervention: Sha256
    """Digest of the intervention's specification, as the axis gives it."""


class Subject(Record):
    """The model that the case is about, as tested and as it will be released."""

    name: Text
    """The model's public name."""
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    """Its files, sorted by path."""
    manifest_digest: Sha256
    """Digest of the list of files: binds names, sizes and bytes."""
    tensor_root: Sha256
    """Digest over the tensors alone, in name order: survives re-sharding."""
    safeguards: tuple[Safeguard, ...]
    """Interventions in the release configuration."""
    tested: Configuration | None = None
    """The model as it was measured; none in cases of the first version."""
    released: Configuration | None = None
    """The model as it will be released, as the plan says; none: the plan does not say."""


class DictionaryRecord(Record):
    """A dictionary as it was used."""

    id: Identifier
    """Short name, as in the plan."""
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    """Its files, sorted by path."""
    manifest_digest: Sha256
    """Digest of the list of files."""
    equation: Equation
    """Encode and decode equations."""
    hook: Text
    """Path of the activation that it reads."""
    width: Annotated[int, Field(ge=1)]
    """Number of features."""
    model_width: Annotated[int, Field(ge=1)]
    """Width of the activation it reads, and of that which it writes."""
    declared_l0: Annotated[float, Field(gt=0.0)]
    """Mean number of active features per token, as its files or the plan say."""
    hook_out: Text | None = None
    """Path of the activation that it writes; none: the one that it reads."""


class JudgeRecord(Record):
    """A judge as it was asked."""

    evaluation: Identifier
    """The evaluation whose answers it read."""
    files: Annotated[tuple[ModelFile, ...], Field(min_length=1)]
    """Its files, sorted by path."""
    manifest_digest: Sha256
    """Digest of the list of files."""
    tensor_root: Sha256
    """Digest over its tensors alone; not that of the model that is judged."""


class SelfTest(Record):
    """A test of the instruments on this model, made before measuring."""

    id: Literal[
        "hook_identity",
        "error_term_identity",
        "zero_dose_identity",
        "batch_parity",
        "dictionary_l0",
        "dictionary_fvu",
    ]
    """Which test."""
    subject: Identifier
    """The dictionary tested, or `model`."""
    question: Text
    """What was asked, in words."""
    value: float
    """What was measured."""
    at_least: float | None = None
    """Smallest accepted value, if there is one."""
    at_most: float | None = None
    """Largest accepted value, if there is one."""


class Environment(Record):
    """The machine and the libraries of the run."""

    python: Text
    """Version of Python."""
    platform: Text
    """Operating system and processor architecture."""
    packages: dict[str, str]
    """Versions of the packages that bear on the numbers."""
    device: Text
    """Where the model ran."""
    threads: Annotated[int, Field(ge=1)]
    """Threads of the numeric library."""
    attention: Text
    """Attention implementation."""
    deterministic: bool
    """Whether deterministic algorithms were enforced."""
    batch_rows: Annotated[int, Field(ge=1)]
    """Largest number of rows in a batch; part of every unit's key."""
    batch_rows_by: Literal["trial"] | None = None
    """Whether that number was found by trying on the machine; absent if it was fixed."""
    device_map: dict[str, str] | None = None
    """Device of every part of the model, or `disk`, where it was spread over several."""
    flags: dict[str, str] | None = None
    """Settings of a GPU's kernels that can change a number; absent on processors."""


class Times(Record):
    """When the run took place, by the runner's own clock: proves nothing by itself."""

    started: Utc
    """When the run was first started."""
    finished: Utc
    """When the record was assembled."""


class TableReference(Record):
    """An evidence table of the case."""

    path: Text
    """Name in the case."""
    kind: Identifier
    """Which published table schema it follows."""
    rows: Count
    """Number of rows."""


class Deviation(Record):
    """Something that was not done as planned."""

    what: Text
    """What differs from the plan."""
    why: Text
    """The reason."""


class Node(Record):
    """A node of the argument."""

    id: Identifier
    """Short name."""
    kind: Literal["goal", "strategy", "solution", "defeater"]
    """GSN element; a defeater is a reason to doubt what it attacks."""
    text: Text
    """The statement."""
    supports: Identifier | None = None
    """The node it supports or, for a defeater, attacks; none for the root."""
    claim: Identifier | None = None
    """Axis whose claim this node stands on, if it does."""
    state: Literal["holds", "open", "mitigated", "residual"]
    """`holds`/`open`: by the claim; defeaters: `mitigated` by a condition, or `residual`."""
    condition: Identifier | None = None
    """Condition of the claim that mitigates the defeater, if one does."""


class Case(Record):
    """The whole case: canonical JSON of this is case.json."""

    schema_: Annotated[Literal["https://safetycase.dev/case/v1alpha"], Field(alias="schema")]
    """Version of this document."""
    id: Identifier
    """Short name, as in the plan."""
    title: Text
    """What the case is about, in one line."""
    plan_digest: Sha256
    """Digest of plan.json."""
    deviations: tuple[Deviation, ...]
    """What was not done as planned."""
    subject: Subject
    """The model."""
    dictionaries: tuple[DictionaryRecord, ...]
    """Dictionaries as they were used."""
    self_tests: tuple[SelfTest, ...]
    """Tests of the instruments."""
    environment: Environment
    """Machine and libraries."""
    randomness: Randomness | None = None
    """The value that the plan waited for; none where it waited for nothing."""
    times: Times
    """When the run took place."""
    tables: tuple[TableReference, ...]
    """Evidence tables; tensors are listed by the signed statement."""
    results: Results
    """Everything that follows from plan and rows; the verifier derives it again."""
    override: Override | None = None
    """Who sets another release tier, and why; the derived one stays. None: nobody does."""
    argument: tuple[Node, ...]
    """Why the decision follows from the claims, and what speaks against it."""
    limitations: Annotated[tuple[Text, ...], Field(min_length=1)]
    """What this case does not show."""
    judges: Annotated[tuple[JudgeRecord, ...], Field(min_length=1)] | None = None
    """Models that read answers, in plan order; none if the plan has no judge."""
    redactions: Annotated[tuple[Redaction, ...], Field(min_length=1)] | None = None
    """What is withheld from this case, and why; none where everything is published."""
    extensions: dict[str, JsonValue]
    """Anything else; shown as unverified."""
