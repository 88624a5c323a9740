"""The published schemas: fresh, valid, closed, and true of what the models write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from safetycase import canonical
from safetycase.cli.schemas import published
from safetycase.record.schema import DIALECT, file_name
from safetycase.tables.rows import TABLES, columns
from safetycase.verify.policy import load_policy
from tests.kit.toy_replay import replayed_case, statement_in
from tests.unit.methods.plans import plan_data, plan_of
from tests.unit.report.sample import case_of
from tests.unit.report.sample_plan import plan_data as sample_plan_data

REPOSITORY = Path(__file__).resolve().parents[3]
SCHEMAS = REPOSITORY / "schemas" / "v1"
NAMES = sorted(published())


def _loaded(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(published()[name])
    return loaded


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from _objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _objects(part)


def test_the_set_is_every_document_and_every_table() -> None:
    documents = {
        "case",
        "escrow",
        "plan",
        "plan-receipt",
        "policy",
        "replay",
        "opened",
        "sealed-escrow",
        "verdict",
    }
    assert set(NAMES) == {file_name(stem) for stem in documents | set(TABLES)}


def test_the_folder_holds_these_files_and_no_others() -> None:
    assert sorted(path.name for path in SCHEMAS.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_checked_in_schema_is_fresh(name: str) -> None:
    assert (SCHEMAS / name).read_bytes() == published()[name], "run `make docs`"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_2020_12_and_says_where_it_lives(name: str) -> None:
    schema = _loaded(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"].endswith(f"/schemas/v1/{name}")


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_closed_or_a_named_map(name: str) -> None:
    for schema in _objects(_loaded(name)):
        closed = schema.get("additionalProperties")
        assert closed is False or ("properties" not in schema and closed is not None)


@pytest.mark.parametrize(
    "name", [file_name(n) for n in ("case", "plan", "policy", "replay", "verdict")]
)
def test_every_field_has_its_sentence(name: str) -> None:
    for schema in _objects(_loaded(name)):
        for field, part in schema.get("properties", {}).items():
            assert part.get("description", "").strip(), field


ROWS: dict[str, list[Any]] = {
    "items": ["d", "i", "c", "k", None, "tuning", None, None, "text"],
    "generations": ["e", "a", "i", 0, "out", 3, "eos", 0.5, 2, 0.1, 9.5, "unsafe"],
    "choices": ["e", "a", "i", -1.0, -2.0, -1.5, -0.5, 4, 0.5, 8.0, "matching"],
    "probes": ["e", "a", "i", -3.25, 0, 0.0, 0.0, "below"],
    "likelihoods": ["e", "a", "i", 12, 3.25, 0, 0.0, 0.0, "below"],
    "label_words": ["a", 7, "word", 2, 1.5],
    "label_checks": ["a", 7, "i", -1, 0.0, False],
    "dictionary_texts": ["d", "i", 9, 36, 0.5, 81.5],
    "human_labels": ["e", "a/target", "i", 0, "r", "unsafe"],
    "exclusions": ["e", "a/target", "i", 0, "prompt_longer_than_context"],
    "judgements": ["e", "a/target", "i", 0, "0" * 64, "I would say: unsafe", "unsafe"],
    "traces": ["a", "e", "a/target", "i", 0, 3, "prompt"],
}


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_a_row_that_the_codec_reads_is_valid_and_a_wrong_one_is_not(kind: str) -> None:
    schema = _loaded(file_name(kind))
    validator = jsonschema.Draft202012Validator(schema)
    row = ROWS[kind]
    assert msgspec.json.decode(msgspec.json.encode(row), type=TABLES[kind])
    validator.validate(row)
    assert not validator.is_valid(row[:-1])
    assert not validator.is_valid([*row, 1])
    assert not validator.is_valid([1, *row[1:]])


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_the_header_is_described(kind: str) -> None:
    schema = _loaded(file_name(kind))
    assert schema["$defs"]["header"]["const"] == list(columns(kind))
    assert [place["title"] for place in schema["prefixItems"]] == list(columns(kind))


def test_the_shipped_policies_are_valid() -> None:
    validator = jsonschema.Draft202012Validator(_loaded("policy.schema.json"))
    paths = sorted((REPOSITORY / "policies").glob("*.yaml"))
    assert paths
    for path in paths:
        dumped = load_policy(path).spelled()
        validator.validate(canonical.read(canonical.write(dumped), where=path.name))


def test_a_plan_as_dumped_is_valid_and_a_changed_one_is_not() -> None:
    validator = jsonschema.Draft202012Validator(_loaded("plan.schema.json"))
    dumped = plan_of(plan_data()).spelled()
    validator.validate(dumped)
    assert not validator.is_valid(dumped | {"extra": 1})
    assert not validator.is_valid({key: dumped[key] for key in dumped if key != "seed"})
    assert not validator.is_valid(dumped | {"schema": "https://safetycase.dev/plan/v2"})


def test_a_case_as_dumped_is_valid_and_a_changed_one_is_not() -> None:
    validator = jsonschema.Draft202012Validator(_loaded("case.schema.json"))
    dumped = case_of(plan_of(sample_plan_data())).spelled()
    validator.validate(dumped)
    assert not validator.is_valid(dumped | {"extra": 1})
    assert not validator.is_valid(dumped | {"plan_digest": "0" * 63})
    assert not validator.is_valid(dumped | {"limitations": []})


def test_a_replay_as_signed_is_valid_and_a_changed_one_is_not() -> None:
    validator = jsonschema.Draft202012Validator(_loaded("replay.schema.json"))
    _, _, stated = statement_in(replayed_case())
    validator.validate(stated)
    assert not validator.is_valid(stated | {"extra": 1})
    assert not validator.is_valid(stated | {"nonce": "too short"})
    assert not validator.is_valid(stated | {"rows": 3_001})
