"""What the audit traces of an axis come to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from safetycase.record.base import Count, Record


class TraceSummary(Record):
    """Single edits that are published number by number, and how far they agree."""

    rows: Count
    """Held-out rows that are traced: target and controls in equal parts."""
    traces: Count
    """Positions traced over all of them."""
    generated: Count
    """Traces at generated tokens; the others are at prompt tokens."""
    features: Count
    """Features whose activations are published and computed again at every trace."""
    edit_gap: Annotated[float, Field(ge=0.0)]
    """Largest distance of a traced edit from its specification, as a share of its size."""
    activation_gap: Annotated[float, Field(ge=0.0)]
    """Largest distance of a traced activation from the one computed again."""
    at_threshold: Count
    """Activations that rounding alone puts on the other side of their threshold."""
