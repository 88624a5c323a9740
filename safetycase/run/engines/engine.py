"""What every engine does: results of units in their order, three tries each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from safetycase.errors import RunFailed, SafetyCaseError
from safetycase.run.progress import Progress
from safetycase.run.units import Store, Unit

TRIES = 3
"""A unit that failed so often stops the run."""

FAILURES = (SafetyCaseError, RuntimeError, ValueError, ArithmeticError, OSError, MemoryError)
"""What a unit can fail by; anything else is a fault of this program."""


class Engine(Protocol):
    """Does units somewhere; what they give does not depend on where."""

    def run_units(self, units: Sequence[Unit], store: Store, progress: Progress) -> list[bytes]:
        """Results of all units in their order; those in the store are not done again.

        Every result is in the store as soon as it is there. A unit that fails three times is
        refused with RunFailed; what was done by then is kept.
        """

    def close(self) -> None:
        """Give back what the engine holds."""


class Attempts:
    """How often each unit has failed, and by what."""

    def __init__(self, store: Store, progress: Progress) -> None:
        """Nothing has failed."""
        self._store = store
        self._progress = progress
        self._problems: dict[str, list[str]] = {}

    def failed(self, unit: Unit, problem: str) -> None:
        """Note a failure; refused if it was the last try."""
        problems = self._problems.setdefault(unit.key, [])
        problems.append(problem)
        if len(problems) < TRIES:
            self._progress.note(f"{_named(unit)} failed and is tried again: {problem}")
            return
        place = self._store.keep_failed(unit, problems)
        raise RunFailed(
            _named(unit),
            f"a result within {TRIES} tries",
            found=f"none: {problem.rstrip('.')}",
            remedy=f"Its specification is in {place}. What was done is kept: the same command "
            "goes on from there.",
        )


def told(error: BaseException) -> str:
    """An error on one line; ours say where by themselves."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SafetyCaseError) else f"{type(error).__name__}: {text}"


def _named(unit: Unit) -> str:
    evaluation = unit.specification.get("evaluation")
    of = f" of evaluation {evaluation['id']}" if isinstance(evaluation, dict) else ""
    return f"unit {unit.key[:12]}{of}, {unit.rows} rows"
