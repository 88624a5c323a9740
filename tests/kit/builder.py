"""A complete, honest, signed case of the toy model, and ways to alter one thing in it.

`build_case` measures the toy by the same functions of `methods` as the runner, in a fraction of
a second. A `KitCase` is immutable: every `edit_…` gives an altered copy whose statement is
stale, as an outsider would leave it; `resign` makes it an insider's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import open_case
from safetycase.bundle.tensors import read_tensors, write_tensors
from safetycase.bundle.writer import write_case
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import write_envelope
from safetycase.methods.grade import regrade
from safetycase.methods.stream import case_seed
from safetycase.record.plan import Plan
from safetycase.record.randomness import Randomness
from safetycase.sign.keys import SigningKeys, generate, load
from safetycase.sign.signer import case_payload, sign_payload
from safetycase.tables.codec import read_table, write_table
from safetycase.tables.evidence import Evidence, group_answers
from safetycase.tables.rows import (
    path_of,
)
from safetycase.verify.policy import Policy
from tests.kit.toy_lab import Lab
from tests.kit.toy_people import with_labels
from tests.kit.toy_plan import MODEL_FILES, manifest_of, toy_plan
from tests.kit.toy_record import assemble
from tests.kit.toy_world import ToyWorld

AT = "2026-11-22T16:00:00Z"
"""A time at which the kit's cases are verified."""

SIGNER = "kit"
OTHER_SIGNER = "stranger"
REVIEWER = "reviewer"

Json = Any


def keys(name: str = SIGNER) -> SigningKeys:
    """Fresh keys, made once a process."""
    return _made_keys(name)


@cache
def _made_keys(name: str) -> SigningKeys:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), name, roles=(name if name == REVIEWER else "developer",))
        return load(Path(folder), name)


def policy(**changes: Json) -> Policy:
    """The strictest policy that a self-made case can meet: all checks, all claims must hold."""
    fields = {
        "schema": "https://safetycase.dev/policy/v1alpha",
        "name": "kit",
        "signers": [keys().signer.to_json()],
        "signatures": [{"role": "developer", "threshold": 1}],
        "required_checks": "all",
        "minimum_tier": "recomputed",
        "must_hold": "all",
        "superseded": ["0" * 64],
        "current_model": manifest_of(MODEL_FILES),
    }
    return Policy.model_validate_json(canonical.write(fields | changes))


@dataclass(frozen=True)
class KitCase:
    """The members of a case by name, the statement's envelope among them."""

    members: Mapping[str, bytes]

    @property
    def record(self) -> Json:
        """case.json as plain values."""
        return canonical.read(self.members["case.json"], where="case.json")

    @property
    def plan(self) -> Json:
        """plan.json as plain values."""
        return canonical.read(self.members["plan.json"], where="plan.json")

    def rows(self, kind: str) -> list[Any]:
        """Rows of a table."""
        return read_table(kind, self.members[path_of(kind)])

    def tensors(self, stem: str) -> dict[str, np.ndarray]:
        """Arrays of `evidence/STEM.safetensors`, free to change."""
        path = f"evidence/{stem}.safetensors"
        return {k: v.copy() for k, v in read_tensors(self.members[path], where=path).items()}

    def with_members(self, changes: Mapping[str, bytes | None]) -> KitCase:
        """The case with these members put in, or taken out where None."""
        merged = {**self.members, **changes}
        return replace(
            self, members={n: data for n, data in merged.items() if data is not None}
        )

    def to_bytes(self) -> bytes:
        """The zip."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "toy.safetycase"
            write_case(path, dict(self.members))
            return path.read_bytes()


def resign(case: KitCase, signer: str = SIGNER) -> KitCase:
    """The case as an insider leaves it: a statement of its present files, rightly signed."""
    bare = case.with_members({layout.CASE_STATEMENT_NAME: None})
    payload = case_payload(open_case(bare.to_bytes()))
    envelope = sign_payload(payload, keys(signer))
    return bare.with_members({layout.CASE_STATEMENT_NAME: write_envelope(envelope)})


def edit_record(case: KitCase, pointer: str, value: Json) -> KitCase:
    """The case with the value at a pointer of case.json set; `-` appends to a list."""
    return _edit_json(case, "case.json", pointer, value)


def edit_plan(case: KitCase, pointer: str, value: Json) -> KitCase:
    """The case with the value at a pointer of plan.json set; nothing is measured again."""
    return _edit_json(case, "plan.json", pointer, value)


def remove_from_record(case: KitCase, pointer: str) -> KitCase:
    """The case without the field or entry at a pointer of case.json."""
    record = case.record
    parent, last = _parent(record, pointer)
    del parent[int(last) if isinstance(parent, list) else last]
    return case.with_members({"case.json": canonical.write(record)})


def _edit_json(case: KitCase, name: str, pointer: str, value: Json) -> KitCase:
    document: Json = canonical.read(case.members[name], where=name)
    parent, last = _parent(document, pointer)
    if isinstance(parent, list) and last == "-":
        parent.append(value)
    else:
        parent[int(last) if isinstance(parent, list) else last] = value
    return case.with_members({name: canonical.write(document)})


def _parent(document: Json, pointer: str) -> tuple[Json, str]:
    *steps, last = pointer.split("/")[1:]
    for step in steps:
        document = document[int(step) if isinstance(document, list) else step]
    return document, last


def edit_row(case: KitCase, kind: str, number: int, /, **columns: Json) -> KitCase:
    """The case with some cells of one row of a table set."""
    rows = case.rows(kind)
    rows[number] = msgspec.structs.replace(rows[number], **columns)
    return with_rows(case, kind, rows)


def edit_rows(case: KitCase, kind: str, change: Callable[[Any], Any]) -> KitCase:
    """The case with every row of a table put through a function; None drops the row."""
    return with_rows(
        case, kind, [row for row in map(change, case.rows(kind)) if row is not None]
    )


def with_rows(case: KitCase, kind: str, rows: list[Any]) -> KitCase:
    """The case with other rows; the record's row count follows."""
    tables = case.record["tables"]
    place = next(n for n, table in enumerate(tables) if table["kind"] == kind)
    counted = edit_record(case, f"/tables/{place}/rows", len(rows))
    return counted.with_members({path_of(kind): write_table(kind, rows)})


def edit_tensor(
    case: KitCase, stem: str, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> KitCase:
    """The case with one tensor of `evidence/STEM.safetensors` put through a function."""
    arrays = case.tensors(stem)
    arrays[name] = change(arrays[name])
    return case.with_members({f"evidence/{stem}.safetensors": write_tensors(arrays)})


@cache
def honest_case() -> KitCase:
    """The honest case, built once a process."""
    return build_case()


def build_case(
    plan: Json = None,
    *,
    world: ToyWorld | None = None,
    requests_count: int = 120,
    quiz_count: int = 110,
    ship: bool = True,
    signed: bool = True,
    tamper: Callable[[Evidence], Evidence] | None = None,
    regraded: bool = True,
    seed: str | None = None,
    value: Randomness | None = None,
) -> KitCase:
    """An honest case of the toy model under a plan, all figures derived from its rows.

    `tamper` alters the evidence after measuring and before anything is derived from it: a
    forger's case, consistent in itself; unless `regraded`, with grades of his own.
    `seed` makes the draws from another seed than the case's own; `value` is what the plan
    waited for. Without `ship`, no safeguard is named.
    """
    data = canonical.write(toy_plan() if plan is None else plan)
    frozen = Plan.model_validate_json(data)
    toy = world or ToyWorld(7)
    digest = sha256_hex(data)
    lab = Lab(frozen, seed or case_seed(digest, value and value.value), toy)
    items = lab.items(requests_count, quiz_count)
    evidence = lab.measure(items)
    if tamper is not None:
        tampered = tamper(evidence)
        answers = group_answers(*map(list, tampered.answers.values()))
        evidence = replace(tampered, answers=answers)
        evidence = regrade(frozen, evidence) if regraded else evidence
    evidence = with_labels(frozen, lab.seed, evidence)
    head = {"plan_digest": digest} | ({"randomness": value.spelled()} if value else {})
    members = assemble(lab, evidence, head, ship=ship) | {"plan.json": data}
    case = KitCase(members)
    return resign(case) if signed else case
