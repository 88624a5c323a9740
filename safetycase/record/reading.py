"""Bytes that strict JSON has accepted, as a model of the record."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from safetycase.errors import SchemaViolation
from safetycase.record.base import Record

Model = TypeVar("Model", bound=Record)


def read_as(model: type[Model], data: bytes, *, where: str, expected: str) -> Model:
    """The document that the bytes spell; refused with its first fault, at its place."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"/{step}" for step in first["loc"])
        found = f"{first['msg']} ({error.error_count()} in all)"
        raise SchemaViolation(f"{where}#{place}", expected, found=found) from None
