"""A series of doses, and the one that the plan's rule picks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import ArmId, Count, Record, Share


class Trend(Record):
    """Whether the rate follows the dose, from the most negative to the most positive one."""

    direction: Literal["rising", "falling", "flat"]
    """Where the rate goes as the signed dose grows."""
    p: Share
    """Two-sided p against answers that do not depend on the dose."""
    method: Literal["exact", "normal"]
    """Counted out in full, or by the normal tail (many items, or items in clusters)."""


class DosePoint(Record):
    """One dose on the tuning split."""

    arm: ArmId
    """The arm."""
    dose: float
    """Signed dose in the plan's unit."""
    counted: Count
    """Items whose outcome counts for the claim's measure."""
    incoherent: Count
    """Items whose outcome is incoherent."""
    items: Count
    """Items measured."""
    admissible: bool
    """Whether the rule allows this dose."""


class DoseResponse(Record):
    """A series of doses and the one that the rule picks."""

    arm: ArmId
    """The held-out arm that the chosen dose goes to."""
    candidate: Annotated[int, Field(ge=1)] | None = None
    """Number of the axis's alternative that was tried, from 1; none: its candidate."""
    points: tuple[DosePoint, ...]
    """Doses in plan order."""
    chosen: float
    """The dose picked."""
    monotone: bool
    """Whether the counted share never turns back between the chosen dose and zero."""
    trend: Trend | None = None
    """Whether the counted share follows the dose over the whole series."""
