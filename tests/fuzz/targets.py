"""What any bytes may be given to, and the answers that are allowed: a value, or our error.

Used by the property tests (`tests/fuzz/test_parsers.py`), by `make fuzz` (atheris), and by
whoever wants to try a file: each target takes bytes and raises nothing but what is a bug.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from safetycase import canonical
from safetycase.bundle.reader import open_case
from safetycase.bundle.redact import Redacted
from safetycase.bundle.tensors import read_tensors
from safetycase.envelope.beacon import QUICKNET, value_of
from safetycase.envelope.dsse import decode_base64, read_envelope
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.envelope.log_proof import logged
from safetycase.envelope.signed_note import read_vkey
from safetycase.envelope.statement import read_statement
from safetycase.envelope.timestamp import TimeStampAuthority, stamped_at
from safetycase.envelope.trust import read_instant, read_signers
from safetycase.errors import SafetyCaseError
from safetycase.methods.figures_on_page import read_page
from safetycase.methods.plan_order import plan_receipt
from safetycase.run.plan_file import as_plan
from safetycase.sign.sealing import generate_auditor, read_auditor, seal, unseal
from safetycase.tables.closing import open_table, single_cells
from safetycase.tables.codec import read_table
from safetycase.tables.escrow import Escrow, read_escrow, write_escrow
from safetycase.tables.rows import TABLES, path_of
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from safetycase.verify.policy import read_policy
from tests.kit.builder import AT, Json, KitCase, policy
from tests.kit.cases import small_case
from tests.kit.redacted import PROMPTS, redacted_from
from tests.kit.seal import sealed
from tests.kit.toy_authority import ToyAuthority
from tests.kit.toy_log import ToyLog

Target = Callable[[bytes], object]


def _only_our_errors(read: Target) -> Target:
    def target(data: bytes) -> object:
        try:
            return read(data)
        except SafetyCaseError as error:
            str(error)
            return None

    return target


def _canonical(data: bytes) -> None:
    value = canonical.read(data, where="fuzz")
    spelled = canonical.write(value)
    again = canonical.read(spelled, where="fuzz")
    assert canonical.write(again) == spelled
    canonical.read_canonical(spelled, where="fuzz")


def _container(data: bytes) -> None:
    case = open_case(data)
    for name in case.names:
        case.read(name)


def _table(data: bytes) -> None:
    kind = sorted(TABLES)[data[0] % len(TABLES)] if data else "items"
    read_table(kind, data[1:])


def _tensors(data: bytes) -> None:
    for array in read_tensors(data, where="fuzz").values():
        assert np.isfinite(array).all() or array.dtype.kind == "f"


def _plan(data: bytes) -> None:
    value = canonical.read(data, where="fuzz")
    as_plan(canonical.as_object(value, where="fuzz"), where="fuzz")


def _key(data: bytes) -> None:
    for algorithm in Algorithm:
        PublicKey(algorithm, data)


def _text(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    decode_base64(text, where="fuzz")


@cache
def _redacted() -> Redacted:
    return redacted_from(small_case(), PROMPTS)


def _single_cells() -> bytes:
    """An escrow of two prompts and a name."""
    whole = read_escrow(_redacted().escrow)
    prompts, names = whole.column("items", "prompt"), whole.column("items", "item")
    if prompts is None or names is None:
        raise ValueError("escrow")
    cells = single_cells("withheld", prompts, (0, 7)) + single_cells("keyed", names, (3,))
    return write_escrow(msgspec.structs.replace(whole, columns=[], files=[], cells=cells))


@cache
def auditor_key() -> Path:
    """The private key of an auditor, made once a process."""
    folder = Path(tempfile.mkdtemp())
    generate_auditor(folder, "ann")
    return folder / "ann.auditor.key"


def _escrow(data: bytes) -> None:
    """An escrow that can be read opens tables as far as it fits, whatever else it says."""
    escrow = read_escrow(data)
    for kind in ("items", "choices"):
        opening = open_table(kind, [_redacted().members[path_of(kind)]], escrow)
        read_table(kind, b"".join(opening.pieces))


def _log_proof(data: bytes) -> None:
    """A proof of the seed's entry says what the seed says, whatever was done to it."""
    found = logged(data, b"entry", ToyLog().trust(1), where="fuzz")
    assert (found.index, found.size) == (1, 2)


def _stamp(data: bytes) -> None:
    """Changed bytes may still be the stamp, which then has its time."""
    assert stamped_at(data, b"stamped", _authority(), where="fuzz") == STAMPED_AT


STAMPED_AT = datetime(2026, 11, 1, tzinfo=UTC)


@cache
def _authority() -> TimeStampAuthority:
    return ToyAuthority().authority(pinned=False)


PARSERS: dict[str, Target] = {
    name: _only_our_errors(read)
    for name, read in {
        "canonical": _canonical,
        "container": _container,
        "table": _table,
        "tensors": _tensors,
        "envelope": lambda data: read_envelope(data, where="fuzz"),
        "statement": lambda data: read_statement(data, where="fuzz"),
        "signers": lambda data: read_signers(canonical.read(data, where="f"), where="f"),
        "key": _key,
        "verifier key": lambda data: read_vkey(data.decode("latin-1"), where="fuzz"),
        "log proof": _log_proof,
        "receipt": lambda data: plan_receipt(canonical.read(data, where="fuzz"), "fuzz"),
        "base64": _text,
        "instant": lambda data: read_instant(data.decode("latin-1"), where="fuzz"),
        "policy": lambda data: read_policy(data, where="fuzz"),
        "plan": _plan,
        "page": read_page,
        "escrow": _escrow,
        "sealed escrow": lambda data: unseal(data, auditor_key()),
        "time stamp": _stamp,
        "authority": lambda data: TimeStampAuthority("fuzz", data),
        "beacon": lambda data: value_of(QUICKNET, 1000, data, where="fuzz"),
    }.items()
}
"""Every reader of bytes from outside, by name."""


def judged(data: bytes) -> Verdict:
    """The verdict on any bytes: there always is one, and no check crashes."""
    verdict = verify(data, policy(), at=AT)
    crashed = {n for n, outcome in verdict.outcomes().items() if outcome is Outcome.ERROR}
    assert not crashed, [verdict.findings[name][0].sentence for name in crashed]
    assert verdict.exit_code in {0, 1, 3}
    return verdict


ROUND_1000 = bytes.fromhex(
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125"
    "e342b73a8dd2bacbe47e4b6b63ed5e39"
)
"""Quicknet's signature over its round 1000."""

MEMBERS = (
    "case.json",
    "plan.json",
    "evidence/items.jsonl",
    "evidence/generations.jsonl",
    "evidence/choices.jsonl",
    "evidence/probes.jsonl",
    "evidence/label_words.jsonl",
    "evidence/label_checks.jsonl",
    "evidence/pooled.safetensors",
    "evidence/activations.safetensors",
    "evidence/dictionary.safetensors",
    "evidence/probes.safetensors",
    "evidence/directions.safetensors",
)

ODD: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 2**53 - 1, -(2**53) + 1, 0.5, -0.25, 1e300, 5e-324, "", "x",
    "baseline", "é\u0301", "\u202e", "9" * 400, [], [[]], {}, {"": None}, [1, "x", None],
)  # fmt: skip
"""Values that stand where something else was expected."""


def mutated(rng: np.random.Generator) -> KitCase:
    """The small case with one to three changes somewhere, signed again by the right key."""
    case = small_case()
    for _ in range(int(rng.integers(1, 4))):
        name = MEMBERS[int(rng.integers(len(MEMBERS)))]
        if not _is_json(case.members[name]) and name.endswith(".json"):
            continue
        if name.endswith(".json") and rng.uniform() < 0.8:
            case = _with_json(case, name, rng)
        elif name.endswith(".jsonl") and rng.uniform() < 0.8:
            case = _with_cells(case, name, rng)
        else:
            case = case.with_members({name: scrambled(case.members[name], rng)})
    try:
        return sealed(case)
    except SafetyCaseError:
        return case


def _is_json(data: bytes) -> bool:
    try:
        canonical.read(data, where="fuzz")
    except SafetyCaseError:
        return False
    return True


def scrambled(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with a stretch overwritten, cut out, doubled or moved."""
    start = int(rng.integers(len(data) + 1))
    length = int(rng.integers(1, 40))
    piece = data[start : start + length]
    other = int(rng.integers(len(data) + 1))
    changes = (
        data[:start] + rng.bytes(len(piece)) + data[start + length :],
        data[:start] + data[start + length :],
        data[:start] + piece + data[start:],
        data[:other] + piece + data[other:],
        data[:start],
    )
    return changes[int(rng.integers(len(changes)))]


def _with_json(case: KitCase, name: str, rng: np.random.Generator) -> KitCase:
    document: Json = canonical.read(case.members[name], where=name)
    document = copy.deepcopy(document)
    node, key = _somewhere(document, rng)
    kind = int(rng.integers(4))
    if kind == 0:
        del node[key]
    elif kind == 1:
        other, place = _somewhere(document, rng)
        node[key] = copy.deepcopy(other[place])
    elif kind == 2 and isinstance(node, list):
        node.insert(int(rng.integers(len(node) + 1)), copy.deepcopy(node[key]))
    else:
        node[key] = ODD[int(rng.integers(len(ODD)))]
    return case.with_members({name: canonical.write(document)})


def _somewhere(document: Json, rng: np.random.Generator) -> tuple[Json, Any]:
    """A container inside a document and a key of it, at a random depth."""
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[int(rng.integers(len(keys)))]
        deeper = isinstance(node[key], (dict, list)) and node[key]
        if not deeper or rng.uniform() < 0.15:
            return node, key
        node = node[key]


def _with_cells(case: KitCase, name: str, rng: np.random.Generator) -> KitCase:
    header, *rows = case.members[name].split(b"\n")[:-1]
    if not rows:
        return case
    kind = int(rng.integers(5))
    place = int(rng.integers(len(rows)))
    other = int(rng.integers(len(rows)))
    if kind == 0:
        del rows[place]
    elif kind == 1:
        rows[place], rows[other] = rows[other], rows[place]
    elif kind == 2:
        rows.insert(place, rows[other])
    else:
        try:
            cells: Json = canonical.read(rows[place], where=name)
            cells[int(rng.integers(len(cells)))] = ODD[int(rng.integers(len(ODD)))]
            rows[place] = canonical.write(cells)
        except (SafetyCaseError, TypeError, ValueError):
            del rows[place]
    return case.with_members({name: b"\n".join([header, *rows]) + b"\n"})


def seeds() -> dict[str, list[bytes]]:
    """Valid input for every parser, from which fuzzing starts."""
    case = small_case()
    envelope = case.members["statements/case.dsse.json"]
    keys = [decode_base64(key.public, where="seed") for key in policy().signers[0].keys]
    return {
        "canonical": [case.members["plan.json"], b'{"a":[1,2.5e3,"\\u00e9",null,true]}'],
        "container": [case.to_bytes()],
        "table": [
            bytes([n]) + case.members[path_of(kind)][:2000]
            for n, kind in enumerate(sorted(TABLES))
            if path_of(kind) in case.members
        ]
        + [
            bytes([sorted(TABLES).index("items")])
            + _redacted().members["evidence/items.jsonl"][:2000]
        ],
        "tensors": [case.members["evidence/dictionary.safetensors"]],
        "envelope": [envelope],
        "statement": [read_envelope(envelope, where="seed").payload],
        "signers": [canonical.write([policy().signers[0].spelled()])],
        "key": keys,
        "verifier key": [hand.vkey.encode() for hand in (ToyLog().log, *ToyLog().witnesses)],
        "log proof": [ToyLog().add([b"another", b"entry"])],
        "receipt": [canonical.write({"nonce": "0" * 64, "received": AT})],
        "base64": [b"AAECAwQ="],
        "instant": [AT.encode()],
        "policy": [canonical.write(policy().spelled())],
        "plan": [case.members["plan.json"]],
        "page": [b'<p data-pointer="/title">x</p>', b"<p>x</p><![/ p>"],
        "escrow": [_redacted().escrow, _single_cells()],
        "sealed escrow": [
            seal(data, "0" * 64, [read_auditor(auditor_key().with_suffix(".json"))])
            for data in (b"{}", write_escrow(Escrow.empty()))
        ],
        "time stamp": [
            ToyAuthority().stamp(b"stamped", STAMPED_AT),
            ToyAuthority().stamp(b"stamped", STAMPED_AT, imprint="sha512", accuracy=1),
        ],
        "authority": [_authority().root],
        "beacon": [ROUND_1000],
    }
