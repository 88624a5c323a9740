"""What the functions of the second verifier hand to each other."""

from typing import Any

Json = Any
"""A value of JSON, or an object made of such values."""

Row = tuple[float, ...]
"""A vector."""

Estimate = tuple[float, float, float]
"""A figure with the ends of its interval."""
