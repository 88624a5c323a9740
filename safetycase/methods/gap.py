"""What a method finds that is not as it must be; the verifier makes findings of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not as it must be, or is not said at all."""

    where: str
    """A JSON pointer, a row of a table, or another place in words."""
    expected: str
    found: str
    sentence: str = ""
    """The same in words, where place, expected and found do not say enough."""
    silent: bool = False
    """Nothing is said: the question stays open, and nothing contradicts anything."""
    axis: str | None = None
    """The axis that it is about; none if it bears on all of them, or on the one asked of."""
