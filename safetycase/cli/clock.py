"""The only place that asks for the time; everything below gets it as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, to the second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)  # noqa: TID251  # the one clock


def spell(moment: datetime) -> str:
    """A moment as the record writes it: 2026-11-22T16:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
