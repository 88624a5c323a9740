"""What the model's number format does to an edit, and to what is measured twice.

A hook leaves round(h + Δ) in the place of h. Rounding moves every element by at most u of
itself, and so ‖Δh‖ by at most u·‖h + Δ‖ ≤ u·(‖h‖ + ‖Δ‖); means over positions move no further.
That is a bound: no honest row lies outside it, however few its dimensions.
"""

from __future__ import annotations

from typing import overload

from safetycase.tables.columns import Numbers

UNIT = {"float32": 2.0**-22, "bfloat16": 2.0**-8}
"""How far a sum may lie from its rounded value, as a share of it, by number format."""
SAME_SCORE = {"float32": 1e-3, "bfloat16": 0.1}
"""Largest difference of a log-probability between two equal computations in batches of
different shape, in nats and as a share, by number format."""
SAME_NORM = {"float32": 1e-3, "bfloat16": 2e-2}
"""Largest difference of a norm between two such computations, as a share of it."""
LOST = 0.25
"""Share of an edit that rounding may take or add before nobody can say that it was given."""
_MADE = 4.0
"""Where the dictionary's error is dropped, what it makes of h is rounded as well, before the
edit and with it; that is taken to be at most twice as long as h."""


@overload
def moved_by(residual: float, size: float, dtype: str, *, made: bool) -> float: ...
@overload
def moved_by(residual: Numbers, size: float, dtype: str, *, made: bool) -> Numbers: ...
def moved_by(
    residual: float | Numbers, size: float, dtype: str, *, made: bool
) -> float | Numbers:
    """How far rounding may move ‖Δh‖ of an edit of some size, from its mean ‖h‖ [rows].

    `made`: the edit is added to what the dictionary makes of h.
    """
    return UNIT[dtype] * ((_MADE if made else 1.0) * residual + size)
