"""A reason in the place of a figure: never a zero, never NaN."""

from __future__ import annotations

from safetycase.record.base import Record, Text


class Unavailable(Record):
    """A figure that does not exist for these rows."""

    reason: Text
    """Why there is no figure."""
