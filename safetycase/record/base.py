"""The strict, frozen base of every model of the record, and the types its fields share.

A model is built when the first document is read with it: most processes need few of them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hexadecimal."""

Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
"""A short name: lower-case letters, digits, dot, dash and underscore."""

ArmId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_./+-]{0,127}$")]
"""The name of an arm: `baseline`, or the axis, a slash, the role and its number."""

Utc = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
"""A moment in UTC, to the second, as RFC 3339 writes it."""

Text = Annotated[str, Field(min_length=1, max_length=8000)]
"""Prose for people; never read by a rule."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share or a probability, 0 to 1."""

Count = Annotated[int, Field(ge=0)]
"""How many; never negative."""


class Record(BaseModel):
    """A part of a record: unknown fields, wrong types, NaN and infinities are refused."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        defer_build=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def spelled(self) -> dict[str, Any]:
        """The JSON object that stands in a file: what is not there is left out, never null.

        So a field that a later version adds changes no document that does not use it, nor the
        digests from which splits and draws derive.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
