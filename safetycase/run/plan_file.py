"""A plan as people write it: its faults told in their words.

Knows the shape of a plan and nothing of files or digests.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.errors import PlanRefused
from safetycase.methods.refusal_lexicon import LEXICONS
from safetycase.record.plan import Plan

Place = Sequence[str | int]


def as_plan(value: dict[str, JsonValue], *, where: str) -> Plan:
    """The plan that a document states; its first fault is told with its place and remedy.

    Unknown keys go first: a misspelt key is also a missing one.
    """
    try:
        return Plan.model_validate_json(canonical.write(value, where=where))
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        raise _told(faults[0], value, where) from None


def with_lexicons(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The document with the phrases of every list that a grader's rule names and leaves empty.

    Changes the document in place; what has another shape than a plan's is left as it is.
    """
    evaluations = value.get("evaluations")
    for evaluation in evaluations if isinstance(evaluations, list) else ():
        rules = _at(evaluation, "measure", "grader", "rules")
        for rule in rules if isinstance(rules, list) else ():
            match = _at(rule, "match")
            if isinstance(rule, dict) and isinstance(match, str) and match in LEXICONS:
                rule["phrases"] = rule.get("phrases") or list[JsonValue](LEXICONS[match])
    return value


def _at(value: JsonValue, *keys: str) -> JsonValue:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _told(fault: ErrorDetails, value: JsonValue, where: str) -> PlanRefused:
    place = list(_in_document(fault["loc"], value))
    pointer = "".join(f"/{step}" for step in place)
    known = sorted(_keys_at(place[:-1]))
    if fault["type"] == "extra_forbidden":
        expected, found = "only known keys", str(place[-1])
        near = difflib.get_close_matches(found, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
    elif fault["type"] == "missing":
        expected, found, remedy = "a value", "none", "Every field of the plan is stated."
    else:
        expected, found, remedy = fault["msg"], _shown(fault["input"]), None
    return PlanRefused(f"{where}#{pointer}", expected, found=found, remedy=remedy)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _in_document(place: Place, value: JsonValue) -> Iterator[str | int]:
    """The steps of a place that stand in the document; names of union members do not."""
    for number, step in enumerate(place):
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
            yield step
        elif isinstance(value, dict) and step in value:
            value = value[str(step)]
            yield step
        elif number == len(place) - 1:
            yield step


def _keys_at(place: Place) -> set[str]:
    """Every key that a plan may have at a place."""
    kinds: set[type[BaseModel]] = {Plan}
    for step in place:
        if isinstance(step, str):
            kinds = {kind for model in kinds for kind in _models_of_field(model, step)}
    return {
        field.alias or name for model in kinds for name, field in model.model_fields.items()
    }


def _models_of_field(model: type[BaseModel], key: str) -> Iterator[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if key in {name, field.alias}:
            yield from _models_in(field.annotation)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)
