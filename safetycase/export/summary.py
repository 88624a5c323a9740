"""A verification summary (SLSA VSA v1): who verified which case under which policy, and how.

An in-toto Statement with the predicate https://slsa.dev/spec/v1.2/verification_summary. Levels
are those of the claims: `SAFETYCASE_RECOMPUTED/evaluation_awareness`. What was neither passed
nor failed stands in an extension field under our own name, since the format has no word for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from safetycase import __version__, canonical
from safetycase.digest import as_sha256
from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope
from safetycase.envelope.statement import STATEMENT_SCHEMA
from safetycase.envelope.trust import read_instant
from safetycase.errors import SchemaViolation, UsageError
from safetycase.verify.outcome import Verdict

PREDICATE = "https://slsa.dev/verification_summary/v1"
VERIFIER = "https://safetycase.dev/verifier"
EXTENSION = "https://safetycase.dev/verdict/v1alpha"
ROLE = "verifier"
"""The role in which a summary is signed; a developer's keys do not have it."""

_LIMITS = canonical.JsonLimits(max_bytes=2**20, max_depth=8)
_MAX_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Summary:
    """What a summary says."""

    case_id: str
    """The case that was verified."""
    verified_at: str
    """The time as of which it was judged."""
    verifier: str
    """Version of the verifier."""
    policy_digest: str
    """The policy that it was judged by."""
    passed: bool
    """Whether it was verified."""
    levels: tuple[str, ...]
    """The tier of every claim, or `FAILED`."""


def summary_payload(verdict: Verdict) -> bytes:
    """The statement to sign, in RFC 8785; refused for a case without a readable statement."""
    if verdict.case_id is None:
        remedy = "A summary names a case by its signed statement: sign the case first."
        raise UsageError("summary", "a signed case", found="no statement", remedy=remedy)
    subjects = [{"name": "case", "digest": {"sha256": verdict.case_id}}]
    if verdict.model_manifest is not None:
        subjects.append({"name": "model", "digest": {"sha256": verdict.model_manifest}})
    return canonical.write(
        {
            "_type": STATEMENT_SCHEMA,
            "subject": subjects,
            "predicateType": PREDICATE,
            "predicate": _predicate(verdict, verdict.case_id),
        }
    )


def _predicate(verdict: Verdict, case_id: str) -> dict[str, object]:
    return {
        "verifier": {"id": VERIFIER, "version": {"safetycase": __version__}},
        "timeVerified": verdict.at,
        "resourceUri": resource_uri(case_id),
        "policy": {
            "uri": f"urn:safetycase:policy:{verdict.policy_name}",
            "digest": {"sha256": verdict.policy_digest},
        },
        "inputAttestations": [
            {"uri": "statements/case.dsse.json#/payload", "digest": {"sha256": case_id}}
        ],
        "verificationResult": "PASSED" if verdict.verified else "FAILED",
        "verifiedLevels": levels(verdict),
        EXTENSION: {
            "exit_code": verdict.exit_code,
            "reason": verdict.reason,
            "signers": verdict.signers,
            "failed": verdict.failing(),
            "claims": [
                {"axis": claim.axis, "tier": claim.tier, "holds": claim.holds}
                for claim in verdict.claims
            ],
        },
    }


def resource_uri(case_id: str) -> str:
    """The name of a case as a URI."""
    return f"urn:safetycase:case:{case_id}"


def levels(verdict: Verdict) -> list[str]:
    """The tier of every claim; `FAILED`, and nothing else, unless the case was verified."""
    if not verdict.verified:
        return ["FAILED"]
    return [f"SAFETYCASE_{claim.tier.upper()}/{claim.axis}" for claim in verdict.claims]


def read_summary(envelope: Envelope, *, where: str) -> Summary:
    """What the summary in an envelope says; whose signatures it bears is not looked at.

    As in-toto demands, unknown fields are ignored. Refused: another type, another verifier's
    summary, a case that is named in two ways, a result that its levels contradict.
    """
    _require(envelope.payload_type, STATEMENT_TYPE, f"{where}#/payloadType")
    place = f"{where}#/payload"
    statement = canonical.read(envelope.payload, where=place, limits=_LIMITS)
    _require(_at(statement, "/_type", place), STATEMENT_SCHEMA, f"{place}/_type")
    _require(_at(statement, "/predicateType", place), PREDICATE, f"{place}/predicateType")
    _require(_at(statement, "/predicate/verifier/id", place), VERIFIER, f"{place}/verifier")
    case_id = _case_of(statement, place)
    uri = _text(statement, "/predicate/resourceUri", place)
    _require(uri, resource_uri(case_id), f"{place}/predicate/resourceUri")
    at = _text(statement, "/predicate/timeVerified", place)
    read_instant(at, where=f"{place}/predicate/timeVerified")
    result = _text(statement, "/predicate/verificationResult", place)
    if result not in {"PASSED", "FAILED"}:
        raise SchemaViolation(f"{place}/predicate/verificationResult", "PASSED or FAILED")
    told = _levels(statement, place)
    if (result == "FAILED") != (told == ("FAILED",)):
        raise SchemaViolation(f"{place}/predicate/verifiedLevels", f"levels of {result}")
    digest = _at(statement, "/predicate/policy/digest/sha256", place)
    return Summary(
        case_id=case_id,
        verified_at=at,
        verifier=_text(statement, "/predicate/verifier/version/safetycase", place),
        policy_digest=as_sha256(digest, where=f"{place}/predicate/policy"),
        passed=result == "PASSED",
        levels=told,
    )


def _case_of(statement: canonical.JsonValue, place: str) -> str:
    where = f"{place}/subject"
    subjects = canonical.as_array(
        _at(statement, "/subject", place), where=where, max_items=_MAX_ENTRIES
    )
    if not subjects:
        raise SchemaViolation(where, "the case as first subject", found="no subject")
    digest = canonical.at(subjects[0], "/digest/sha256", where=f"{where}/0")
    return as_sha256(digest, where=f"{where}/0/digest/sha256")


def _levels(statement: canonical.JsonValue, place: str) -> tuple[str, ...]:
    where = f"{place}/predicate/verifiedLevels"
    value = _at(statement, "/predicate/verifiedLevels", place)
    entries = canonical.as_array(value, where=where, max_items=_MAX_ENTRIES)
    return tuple(canonical.as_text(entry, where=where) for entry in entries)


def _at(statement: canonical.JsonValue, pointer: str, place: str) -> canonical.JsonValue:
    return canonical.at(statement, pointer, where=place)


def _text(statement: canonical.JsonValue, pointer: str, place: str) -> str:
    return canonical.as_text(_at(statement, pointer, place), where=f"{place}{pointer}")


def _require(value: canonical.JsonValue, expected: str, where: str) -> None:
    if value != expected:
        raise SchemaViolation(where, expected, found=ascii(value)[:80])
