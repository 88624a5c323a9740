"""What a run says while it goes on; the command line draws it, tests listen to it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener: steps begin, rows are done, notes are made."""

    def begin(self, step: str, total: int) -> None:
        """A named step of so many parts begins; 0 parts if it has no length."""

    def advance(self, parts: int) -> None:
        """So many more parts of the current step are done."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """Says nothing."""

    def begin(self, step: str, total: int) -> None:
        """Nothing is said."""

    def advance(self, parts: int) -> None:
        """Nothing is said."""

    def note(self, text: str) -> None:
        """Nothing is said."""
