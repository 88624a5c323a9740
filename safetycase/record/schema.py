"""The models of the record as JSON Schema 2020-12, for readers in other languages.

A schema says which fields there are, of which types, within which ranges. It cannot say that
references resolve, that figures follow from rows or that JSON is strict: the verifier does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.record.randomness import PlanReceipt
from safetycase.record.replay import Replay
from safetycase.record.sentences import sentences

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = "https://safetycase.dev/schemas/v1"

DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "case": Case,
    "plan": Plan,
    "plan-receipt": PlanReceipt,
    "replay": Replay,
}
"""Documents that people and other programs read, by the stem of their schema's file."""

Schema = dict[str, Any]


class WithSentences(GenerateJsonSchema):
    """A field has a name and a sentence; a title made from the name adds nothing."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, sentence in sentences(model).items():
            made["properties"][model.model_fields[name].alias or name] |= {
                "description": sentence
            }
        return made


def file_name(stem: str) -> str:
    """The name of a schema's file."""
    return f"{stem}.schema.json"


def document_schema(stem: str, model: type[BaseModel]) -> bytes:
    """The schema of a model: closed objects, one sentence a field, two spaces of indent."""
    schema = model.model_json_schema(schema_generator=WithSentences)
    return spell(stem, schema)


def row_schema(stem: str, row: type[msgspec.Struct], names: tuple[str, ...]) -> bytes:
    """The schema of every line of a table but the first; `$defs/header` is that of the first.

    A row is a JSON array; each of its places has the column's name as its title.
    """
    made = msgspec.json.schema(row)
    schema: Schema = made["$defs"][row.__name__]
    places = zip(names, schema["prefixItems"], strict=True)
    schema["prefixItems"] = [{"title": name} | place for name, place in places]
    schema["items"] = False
    schema["$defs"] = {
        "header": {"description": "The first line of the table.", "const": list(names)}
    }
    return spell(stem, schema)


def spell(stem: str, schema: Schema) -> bytes:
    """A schema with its dialect and address, in the one spelling that is checked in."""
    named = {"$schema": DIALECT, "$id": f"{BASE}/{file_name(stem)}"} | schema
    return msgspec.json.format(msgspec.json.encode(named), indent=2) + b"\n"


def record_schemas() -> dict[str, bytes]:
    """The schemas of the record's documents, by file name."""
    return {file_name(stem): document_schema(stem, model) for stem, model in DOCUMENTS.items()}
