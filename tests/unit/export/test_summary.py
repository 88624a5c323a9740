"""A summary says who verified which case, and how far its claims hold; signed, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetycase import canonical
from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope
from safetycase.errors import MalformedInput, UsageError
from safetycase.export.summary import (
    EXTENSION,
    PREDICATE,
    VERIFIER,
    read_summary,
    summary_payload,
)
from safetycase.verify.engine import verify
from tests.kit.builder import AT, build_case, honest_case, policy
from tests.kit.trial import honest_verdict


def _statement(verdict: Any = None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        summary_payload(honest_verdict() if verdict is None else verdict)
    )
    return value


def _read(statement: Any, kind: str = STATEMENT_TYPE) -> Any:
    return read_summary(Envelope(kind, canonical.write(statement), ()), where="s")


def test_it_has_the_fields_of_the_standard() -> None:
    verdict, statement = honest_verdict(), _statement()
    predicate = statement["predicate"]
    assert statement["predicateType"] == PREDICATE
    assert [s["name"] for s in statement["subject"]] == ["case", "model"]
    assert statement["subject"][0]["digest"] == {"sha256": verdict.case_id}
    assert statement["subject"][1]["digest"] == {"sha256": verdict.model_manifest}
    assert predicate["verifier"]["id"] == VERIFIER
    assert predicate["timeVerified"] == AT
    assert predicate["policy"]["digest"] == {"sha256": policy().digest()}
    assert predicate["inputAttestations"][0]["digest"] == {"sha256": verdict.case_id}
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["verifiedLevels"] == [
        "SAFETYCASE_RECOMPUTED/watched",
        "SAFETYCASE_RECOMPUTED/knowledge",
    ]
    assert predicate[EXTENSION]["exit_code"] == 0
    assert not any(level.startswith("SLSA_") for level in predicate["verifiedLevels"])


def test_the_model_is_that_of_the_record() -> None:
    record = json.loads(honest_case().members["case.json"])
    assert honest_verdict().model_manifest == record["subject"]["manifest_digest"]


def test_an_undecided_case_has_not_passed() -> None:
    verdict = verify(honest_case().to_bytes(), policy(minimum_tier="sound"), at=AT)
    predicate = _statement(verdict)["predicate"]
    assert predicate["verificationResult"] == "FAILED"
    assert predicate["verifiedLevels"] == ["FAILED"]
    assert predicate[EXTENSION]["exit_code"] == 3
    assert not _read(_statement(verdict)).passed


def test_a_case_without_a_statement_has_no_summary() -> None:
    with pytest.raises(UsageError):
        summary_payload(verify(build_case(signed=False).to_bytes(), policy(), at=AT))


def test_what_was_written_is_read() -> None:
    told = _read(_statement())
    assert (told.case_id, told.verified_at) == (honest_verdict().case_id, AT)
    assert (told.passed, told.policy_digest) == (True, policy().digest())
    assert told.levels[0] == "SAFETYCASE_RECOMPUTED/watched"


def test_unknown_fields_are_ignored() -> None:
    statement = _statement()
    statement["predicate"]["dependencyLevels"] = {}
    assert _read(statement | {"more": 1}) == _read(_statement())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["_type"], "x"),
        (["predicateType"], "https://slsa.dev/provenance/v1"),
        (["predicate", "verifier", "id"], "https://example.org"),
        (["predicate", "resourceUri"], "urn:safetycase:case:" + "0" * 64),
        (["predicate", "timeVerified"], "yesterday"),
        (["predicate", "verificationResult"], "MAYBE"),
        (["predicate", "verificationResult"], "FAILED"),
        (["predicate", "verifiedLevels"], ["FAILED"]),
        (["predicate", "verifiedLevels"], [1]),
        (["predicate", "policy"], {}),
        (["subject"], []),
        (["subject"], [{"digest": {"sha512": "0"}}]),
        (["subject"], {}),
    ],
)
def test_a_summary_that_says_something_else_is_refused(path: list[str], value: Any) -> None:
    statement = _statement()
    place = statement
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(MalformedInput):
        _read(statement)


def test_another_payload_type_is_refused() -> None:
    with pytest.raises(MalformedInput):
        _read(_statement(), "text/plain")


def test_nothing_here_reads_the_clock() -> None:
    assert summary_payload(honest_verdict()) == summary_payload(honest_verdict())
    assert Path(__file__).is_file()
