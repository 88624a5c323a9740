"""Units one after the other in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence

from safetycase.run.engines.engine import FAILURES, Attempts, told
from safetycase.run.progress import Progress
from safetycase.run.units import Store, Unit


class InProcess:
    """The engine of one worker: the process that runs everything else."""

    def run_units(self, units: Sequence[Unit], store: Store, progress: Progress) -> list[bytes]:
        """Results of all units in their order; those in the store are not done again."""
        attempts = Attempts(store, progress)
        results = []
        for unit in units:
            result = store.read(unit.key)
            if result is None:
                begun = time.monotonic()
                result = _done(unit, attempts)
                store.write(unit.key, result, seconds=time.monotonic() - begun)
            results.append(result)
            progress.advance(unit.rows)
        return results

    def close(self) -> None:
        """Nothing is held."""


def _done(unit: Unit, attempts: Attempts) -> bytes:
    while True:
        try:
            return unit.work()
        except FAILURES as error:
            attempts.failed(unit, told(error))
