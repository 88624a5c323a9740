"""SARIF is valid by the schema of OASIS, and says each fault with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from safetycase.export.sarif import spell_sarif
from safetycase.verify.checks import all_checks
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from tests.kit.builder import AT, edit_record, honest_case, policy, resign
from tests.kit.cases import failing_case
from tests.kit.trial import honest_verdict

SCHEMA = Path(__file__).parents[2] / "vectors" / "sarif" / "sarif-schema-2.1.0.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


def _run(*verdicts: tuple[str, Verdict]) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(spell_sarif(verdicts))["runs"][0]
    return run


def _renamed() -> Verdict:
    case = resign(edit_record(honest_case(), "/title", "another"))
    return verify(case.to_bytes(), policy(), at=AT)


def _unread() -> Verdict:
    return verify(b"PK", policy(), at=AT)


@pytest.mark.parametrize(
    "verdicts",
    [
        lambda: [("honest case.safetycase", honest_verdict())],
        lambda: [("renamed.safetycase", _renamed())],
        lambda: [("a", honest_verdict()), ("ü#?", _unread()), ("c", _renamed())],
        list,
    ],
)
def test_it_is_valid_by_the_schema_of_the_standard(validator: Any, verdicts: Any) -> None:
    validator.validate(json.loads(spell_sarif(verdicts())))


def test_the_schema_can_refuse(validator: Any) -> None:
    log = json.loads(spell_sarif([("a", _renamed())]))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert not validator.is_valid(log)


def test_every_check_is_a_rule_that_says_what_it_proves_and_cannot() -> None:
    rules = _run(("a", honest_verdict()))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(all_checks())
    for rule, check in zip(rules, all_checks().values(), strict=True):
        assert f"Proves: {check.proves}" in rule["help"]["text"]
        assert f"Cannot prove: {check.cannot_prove}" in rule["help"]["text"]


def test_a_fault_has_its_rule_its_pointer_and_both_sides() -> None:
    run = _run(("x.safetycase", _renamed()))
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
    assert (result["ruleId"], result["kind"], result["level"]) == ("SCH-005", "fail", "error")
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "x.safetycase"
    assert place["logicalLocations"] == [
        {"fullyQualifiedName": "case.json#/title", "kind": "object"}
    ]
    assert result["properties"]["found"] == "another"


def test_a_verified_case_has_no_results_and_its_digest() -> None:
    run = _run(("x.safetycase", honest_verdict()))
    assert run["results"] == []
    assert run["artifacts"][0]["hashes"]["sha-256"] == honest_verdict().archive_sha256


def test_what_is_required_and_unknown_is_open_and_what_was_not_asked_is_not_told() -> None:
    undecided = verify(honest_case().to_bytes(), policy(minimum_tier="sound"), at=AT)
    results = _run(("x", undecided))["results"]
    assert {result["ruleId"] for result in results} == {"ORD-001", "GRD-001", "GRD-002"}
    assert {(result["kind"], result["level"]) for result in results} == {("open", "none")}
    assert [one["ruleId"] for one in _run(("x", _unread()))["results"]] == ["CON-001"]


def test_a_claim_that_must_hold_and_fails_is_about_its_axis() -> None:
    verdict = verify(failing_case().to_bytes(), policy(), at=AT)
    results = _run(("x", verdict))["results"]
    assert {result["ruleId"] for result in results} == {"CLM-007"}
    assert all(result["properties"]["axis"] for result in results)
