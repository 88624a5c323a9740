"""in-toto Statements: the case's own (one model, every file by digest), and those about a case.

Our predicate type is closed: a field we do not know is refused, at every level, since this
version could not say what it changes. Later versions take another predicate type.
Format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from safetycase import canonical
from safetycase.digest import FileDigest, as_sha256, sha256_hex, sort_unique
from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope
from safetycase.errors import MalformedInput, SchemaViolation

STATEMENT_SCHEMA = "https://in-toto.io/Statement/v1"
CASE_PREDICATE = "https://safetycase.dev/case/v1alpha"
REPLAY_PREDICATE = "https://safetycase.dev/replay/v1alpha"
RECEIPT_PREDICATE = "https://safetycase.dev/plan-receipt/v1alpha"
SUBJECT_NAME = "model"
CASE_SUBJECT_NAME = "case"
PLAN_SUBJECT_NAME = "plan.json"

_MAX_FILES = 4096
_LIMITS = canonical.JsonLimits(max_bytes=8 * 2**20, max_depth=8)
_ABOUT_LIMITS = canonical.JsonLimits(max_bytes=16 * 2**20, max_depth=16)


@dataclass(frozen=True, slots=True)
class CaseStatement:
    """The model's manifest digest, and the files that the case consists of, by path."""

    model_manifest_digest: str
    files: tuple[FileDigest, ...]


def write_statement(model_manifest_digest: str, files: Iterable[FileDigest]) -> bytes:
    """The payload to sign: a Statement in RFC 8785, files in code point order of paths."""
    as_sha256(model_manifest_digest, where="model manifest digest")
    predicate = {"files": [file.to_json() for file in sort_unique(files)]}
    return _write(SUBJECT_NAME, model_manifest_digest, CASE_PREDICATE, predicate)


def write_statement_about(case: str, predicate_type: str, predicate: object) -> bytes:
    """The payload to sign: a Statement about the case of this id, in RFC 8785."""
    as_sha256(case, where="case id")
    return _write(CASE_SUBJECT_NAME, case, predicate_type, predicate)


def write_receipt(plan_digest: str, predicate: object) -> bytes:
    """The payload to sign: a Statement about the plan of this digest, in RFC 8785."""
    as_sha256(plan_digest, where="plan digest")
    return _write(PLAN_SUBJECT_NAME, plan_digest, RECEIPT_PREDICATE, predicate)


def read_statement(payload: bytes, *, where: str) -> CaseStatement:
    """The statement in a payload; its bytes are looked at, never written anew.

    Exactly one subject with a sha256 and no other digest; every path once, in order. The
    subject's name carries no weight. Says nothing of who signed it, or whether the files match.
    """
    value = canonical.read(payload, where=where, limits=_LIMITS)
    subject, stated = _read(value, CASE_PREDICATE, where)
    predicate = canonical.as_object(stated, where=f"{where}#/predicate", required=("files",))
    place = f"{where}#/predicate/files"
    items = canonical.as_array(predicate["files"], where=place, max_items=_MAX_FILES)
    files = tuple(
        FileDigest.from_json(item, where=f"{place}/{index}") for index, item in enumerate(items)
    )
    if files != sort_unique(files, where=place):
        raise SchemaViolation(place, "files in code point order of paths")
    return CaseStatement(subject, files)


def open_statement(envelope: Envelope, *, where: str) -> CaseStatement:
    """The case statement in an envelope; the payload type is looked at before the payload.

    Call it on an envelope whose signatures were verified: it does not do that itself.
    """
    _require(envelope.payload_type, STATEMENT_TYPE, f"{where}#/payloadType")
    return read_statement(envelope.payload, where=f"{where}#/payload")


def open_statement_about(
    envelope: Envelope, predicate_type: str, *, where: str
) -> tuple[str, canonical.JsonValue]:
    """What a statement is about, by its digest, and its predicate, of a known type.

    Refused unless the payload is in its RFC 8785 spelling. Says nothing of the predicate's
    fields, of who signed it, or whether it is about the case it lies in.
    """
    _require(envelope.payload_type, STATEMENT_TYPE, f"{where}#/payloadType")
    place = f"{where}#/payload"
    value = canonical.read_canonical(envelope.payload, where=place, limits=_ABOUT_LIMITS)
    return _read(value, predicate_type, place)


def case_id(payload: bytes) -> str:
    """What names a case: the SHA-256 of its signed payload, in whatever zip or envelope."""
    return sha256_hex(payload)


def _write(name: str, digest: str, predicate_type: str, predicate: object) -> bytes:
    return canonical.write(
        {
            "_type": STATEMENT_SCHEMA,
            "subject": [{"name": name, "digest": {"sha256": digest}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def _read(
    value: canonical.JsonValue, predicate_type: str, where: str
) -> tuple[str, canonical.JsonValue]:
    fields = canonical.as_object(
        value, where=where, required=("_type", "subject", "predicateType", "predicate")
    )
    _require(fields["_type"], STATEMENT_SCHEMA, f"{where}#/_type")
    _require(fields["predicateType"], predicate_type, f"{where}#/predicateType")
    return _read_subject(fields["subject"], f"{where}#/subject"), fields["predicate"]


def _read_subject(value: canonical.JsonValue, where: str) -> str:
    subjects = canonical.as_array(value, where=where, max_items=1)
    if not subjects:
        raise MalformedInput(where, "one subject")
    subject = canonical.as_object(subjects[0], where=f"{where}/0", required=("name", "digest"))
    canonical.as_text(subject["name"], where=f"{where}/0/name")
    place = f"{where}/0/digest"
    digests = canonical.as_object(subject["digest"], where=place, required=("sha256",))
    return as_sha256(digests["sha256"], where=f"{place}/sha256")


def _require(value: canonical.JsonValue, expected: str, where: str) -> None:
    if value != expected:
        raise SchemaViolation(where, expected, found=ascii(value)[:80])
