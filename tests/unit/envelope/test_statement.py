from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from safetycase import canonical
from safetycase.digest import FileDigest
from safetycase.envelope import statement
from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope
from safetycase.errors import MalformedInput, SafetyCaseError

MODEL = "ab" * 32
FILES = (FileDigest.of("case.json", b"{}"), FileDigest.of("evidence/rows.jsonl", b"[]"))


def test_the_statement_is_what_is_published() -> None:
    payload = statement.write_statement(MODEL, reversed(FILES))
    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": MODEL}}],
        "predicateType": "https://safetycase.dev/case/v1alpha",
        "predicate": {
            "files": [
                {"path": "case.json", "size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
                {
                    "path": "evidence/rows.jsonl",
                    "size": 2,
                    "sha256": hashlib.sha256(b"[]").hexdigest(),
                },
            ]
        },
    }
    assert statement.read_statement(payload, where="x") == statement.CaseStatement(MODEL, FILES)
    assert statement.case_id(payload) == hashlib.sha256(payload).hexdigest()


@pytest.mark.parametrize("digest", ["", "AB" * 32, "sha256:" + "ab" * 32])
def test_a_model_digest_in_another_spelling_is_not_written(digest: str) -> None:
    with pytest.raises(MalformedInput):
        statement.write_statement(digest, FILES)


def test_no_files_and_repeated_files_are_not_written() -> None:
    for files in ((), (FILES[0], FILES[0])):
        with pytest.raises(MalformedInput):
            statement.write_statement(MODEL, files)


def change(path: str, value: object) -> bytes:
    """The payload with the value at a path replaced; a new key is added."""
    fields: Any = json.loads(statement.write_statement(MODEL, FILES))
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
    node = fields
    for step in parents:
        node = node[step]
    node[last] = value
    return json.dumps(fields).encode()


ENTRY = FILES[0].to_json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("_type", "https://in-toto.io/Statement/v1/"),
        ("predicateType", "https://safetycase.dev/case/v1alpha/"),
        ("predicateType", "https://safetycase.dev/case/v1"),
        ("predicateType", None),
        ("extra", 1),
        ("subject", []),
        ("subject", [{"name": "a", "digest": {"sha256": MODEL}}] * 2),
        ("subject/0/digest", {}),
        ("subject/0/digest", {"sha1": "00" * 20}),
        ("subject/0/digest", {"sha256": MODEL, "sha512": "00" * 64}),
        ("subject/0/digest", {"sha256": MODEL.upper()}),
        ("subject/0/name", 1),
        ("subject/0/uri", "x"),
        ("predicate/extra", 1),
        ("predicate/files", []),
        ("predicate/files", [ENTRY, ENTRY]),
        ("predicate/files", [f.to_json() for f in reversed(FILES)]),
        ("predicate/files/0/path", "../case.json"),
        ("predicate/files/0/size", True),
        ("predicate/files/0/size", "2"),
        ("predicate/files/0/size", 2.5),
        ("predicate/files/0/mode", 1),
        ("predicate/files/0/sha256", "AB" * 32),
    ],
)
def test_any_other_statement_is_refused(path: str, value: object) -> None:
    with pytest.raises(SafetyCaseError):
        statement.read_statement(change(path, value), where="x")


def test_a_repeated_key_is_refused() -> None:
    payload = statement.write_statement(MODEL, FILES)
    twice = payload.replace(b'"predicateType"', b'"predicateType":"x","predicateType"')
    with pytest.raises(MalformedInput, match="every key once"):
        statement.read_statement(twice, where="x")


@pytest.mark.parametrize("kind", ["application/json", STATEMENT_TYPE.upper(), ""])
def test_the_payload_type_is_asked_before_the_payload(kind: str) -> None:
    with pytest.raises(MalformedInput, match="payloadType"):
        statement.open_statement(Envelope(kind, b"not json", ()), where="x")
    payload = statement.write_statement(MODEL, FILES)
    found = statement.open_statement(Envelope(STATEMENT_TYPE, payload, ()), where="x")
    assert found.files == FILES


CASE = "cd" * 32
TYPE = "https://safetycase.dev/replay/v1alpha"


def about(**changes: object) -> Envelope:
    """An envelope with a statement about a case, some of its fields changed."""
    fields = json.loads(statement.write_statement_about(CASE, TYPE, {"rows": 3})) | changes
    return Envelope(STATEMENT_TYPE, canonical.write(fields), ())


def test_a_statement_about_a_case_reads_back() -> None:
    payload = statement.write_statement_about(CASE, TYPE, {"rows": 3})
    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "case", "digest": {"sha256": CASE}}],
        "predicateType": TYPE,
        "predicate": {"rows": 3},
    }
    assert statement.open_statement_about(about(), TYPE, where="x") == (CASE, {"rows": 3})
    with pytest.raises(MalformedInput):
        statement.write_statement_about(CASE.upper(), TYPE, {})


def test_a_statement_of_another_type_or_about_something_else_is_refused() -> None:
    with pytest.raises(SafetyCaseError, match="x#/payload#/predicateType"):
        statement.open_statement_about(about(), TYPE + "/", where="x")
    for refused in (
        about(_type="https://in-toto.io/Statement/v0.1"),
        about(subject=[]),
        about(extra=1),
        Envelope("application/json", about().payload, ()),
    ):
        with pytest.raises(SafetyCaseError):
            statement.open_statement_about(refused, TYPE, where="x")


def test_a_statement_about_a_case_has_one_spelling() -> None:
    loose = Envelope(STATEMENT_TYPE, about().payload + b" ", ())
    with pytest.raises(MalformedInput, match="x#/payload"):
        statement.open_statement_about(loose, TYPE, where="x")


def test_a_predicate_goes_sixteen_deep_at_most() -> None:
    """The statement's own object is the first level."""
    for depth, fits in ((14, True), (16, False)):
        nested: object = {}
        for _ in range(depth):
            nested = {"a": nested}
        envelope = Envelope(
            STATEMENT_TYPE, statement.write_statement_about(CASE, TYPE, nested), ()
        )
        if fits:
            assert statement.open_statement_about(envelope, TYPE, where="x") == (CASE, nested)
        else:
            with pytest.raises(SafetyCaseError):
                statement.open_statement_about(envelope, TYPE, where="x")


@pytest.mark.parametrize(
    ("path", "value", "where", "expected"),
    [
        ("_type", "x", "x#/_type", "https://in-toto.io/Statement/v1"),
        ("predicateType", "x", "x#/predicateType", "https://safetycase.dev/case/v1alpha"),
        ("extra", 1, "x", "only known keys"),
        ("subject", 1, "x#/subject", "an array"),
        ("subject", [], "x#/subject", "one subject"),
        ("subject", [1, 1], "x#/subject", "at most 1 items"),
        ("subject/0", 1, "x#/subject/0", "an object"),
        ("subject/0/name", 1, "x#/subject/0/name", "a string"),
        ("subject/0/digest", 1, "x#/subject/0/digest", "an object"),
        ("subject/0/digest/sha256", 1, "x#/subject/0/digest/sha256", "a string"),
        ("predicate", 1, "x#/predicate", "an object"),
        ("predicate/files", 1, "x#/predicate/files", "an array"),
        ("predicate/files/1", 1, "x#/predicate/files/1", "an object"),
        ("predicate/files", [ENTRY, ENTRY], "x#/predicate/files", "every path once"),
        (
            "predicate/files", [f.to_json() for f in reversed(FILES)],
            "x#/predicate/files", "files in code point order of paths",
        ),
        ("predicate/files", [ENTRY] * 4097, "x#/predicate/files", "at most 4096 items"),
    ],
)  # fmt: skip
def test_a_refusal_of_a_statement_names_the_place(
    path: str, value: object, where: str, expected: str
) -> None:
    with pytest.raises(SafetyCaseError) as refusal:
        statement.read_statement(change(path, value), where="x")
    assert (refusal.value.where, refusal.value.expected) == (where, expected)


def test_a_field_of_another_value_is_shown_in_part() -> None:
    with pytest.raises(SafetyCaseError) as refusal:
        statement.read_statement(change("_type", "é" * 90), where="x")
    assert refusal.value.found == ascii("é" * 90)[:80]
    with pytest.raises(MalformedInput, match="model manifest digest"):
        statement.write_statement("", FILES)
    with pytest.raises(MalformedInput, match="case id"):
        statement.write_statement_about("", TYPE, {})


def test_a_statement_may_hold_as_many_files_as_are_allowed() -> None:
    files = [FileDigest.of(f"evidence/{number:04}", b"") for number in range(4096)]
    payload = statement.write_statement(MODEL, files)
    assert len(statement.read_statement(payload, where="x").files) == 4096
