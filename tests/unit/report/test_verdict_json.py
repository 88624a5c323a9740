"""Real verdicts are valid by the published schema, which is closed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from safetycase.report.verdict_json import document, spell_verdict, spell_verdicts
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from tests.kit.builder import AT, build_case, edit_record, honest_case, policy, resign
from tests.kit.trial import honest_verdict

OPTIONAL = {"model_manifest", "order", "override", "taken_on_trust"}
SCHEMA = Path(__file__).parents[3] / "schemas" / "v1" / "verdict.schema.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@cache
def _refused() -> Verdict:
    case = resign(edit_record(honest_case(), "/title", "another"))
    return verify(case.to_bytes(), policy(), at=AT)


@pytest.mark.parametrize(
    "verdict",
    [
        honest_verdict,
        _refused,
        lambda: verify(b"", policy(), at=AT),
        lambda: verify(build_case(signed=False).to_bytes(), policy(), at=AT),
        lambda: verify(honest_case().to_bytes(), policy(minimum_tier="sound"), at=AT),
    ],
)
def test_a_verdict_is_valid(validator: Any, verdict: Any) -> None:
    value = json.loads(spell_verdict(verdict(), file="x.safetycase"))
    validator.validate(value)
    assert value["verified"] is (value["exit_code"] == 0)
    assert value["file"] == "x.safetycase"


def test_the_schema_is_closed_and_complete(validator: Any) -> None:
    value = json.loads(spell_verdict(_refused(), file="x"))
    assert not validator.is_valid(value | {"more": 1})
    for field in value:
        less = {name: part for name, part in value.items() if name != field}
        assert validator.is_valid(less) is (field in OPTIONAL), field
    value["results"][0]["outcome"] = "MAYBE"
    assert not validator.is_valid(value)


def test_several_verdicts_are_a_list_of_the_same_documents() -> None:
    said = json.loads(spell_verdicts([("a", honest_verdict()), ("b", _refused())]))
    alone = json.loads(spell_verdict(_refused(), file="b"))
    assert [one["file"] for one in said] == ["a", "b"]
    assert said[1] == alone
    assert set(alone) == set(document(_refused(), file="b"))
