"""The target beside controls that damage the model as much, as the pages show it."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase.record.results import AxisResult
from safetycase.report.source import Shown, Source


@dataclass(frozen=True, slots=True)
class Damage:
    """The comparison at matched degradation."""

    measure: Shown
    tolerance: Shown
    test: Shown
    matched: tuple[Shown, ...]
    """Controls that match, those as large, their p."""
    line: tuple[Shown, ...]
    """Slope, the target's residual, its p."""
    arms: tuple[tuple[str, Shown, Shown], ...]
    """Every arm with its damage and its effect."""


def damage_view(source: Source, number: int, result: AxisResult, here: str) -> Damage | None:
    """The comparison at matched degradation of the axis of that number; none if not asked."""
    found = result.degradation
    if found is None:
        return None
    place, asked = f"{here}/degradation", f"/axes/{number}/matched_degradation"

    def shown(*names: str) -> tuple[Shown, ...]:
        given = (source.show_stated(f"{place}/{name}") for name in names)
        return tuple(one for one in given if one is not None)

    return Damage(
        measure=source.planned(f"{asked}/damage"),
        tolerance=source.planned(f"{asked}/tolerance"),
        test=source.planned(f"{asked}/test"),
        matched=shown("matched", "as_large", "p"),
        line=shown("slope", "residual", "p_residual"),
        arms=tuple(
            (
                arm.arm.partition("/")[2],
                source.show(f"{place}/arms/{i}/damage"),
                source.show(f"{place}/arms/{i}/effect"),
            )
            for i, arm in enumerate(found.arms)
        ),
    )
