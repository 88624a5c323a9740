"""Units one after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.run.progress import Progress
from safetycase.run.units import Store, Unit


def run_units(units: Sequence[Unit], store: Store, progress: Progress) -> list[bytes]:
    """Results of all units in their order; those that are in the store are not done again."""
    results = []
    for unit in units:
        result = store.read(unit.key)
        if result is None:
            result = unit.work()
            store.write(unit.key, result)
        results.append(result)
        progress.advance(unit.rows)
    return results
