"""What stands beside the claim of an axis, as the pages show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safetycase.record.results import AxisResult
from safetycase.report.source import Shown, Source
from safetycase.report.words import ROLE_NAMES


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """Where the answers went under an arm."""

    arm: str
    counts: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ShrunkRow:
    """A figure where it was chosen, and on held-out items."""

    feature: Shown | None
    """The feature whose AUROC it is; none for the effect of the dose."""
    figures: tuple[Shown, ...]
    """Chosen, held out, difference, its bounds."""
    large: bool


@dataclass(frozen=True, slots=True)
class StratumRow:
    """The effect in a stratum."""

    mediator: Shown
    counted: bool
    counts: tuple[Shown, ...]
    """Items, counted before, counted after."""
    change: tuple[Shown, ...]
    """Change and its bounds; empty in an empty stratum."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Outcomes, shrinkage and strata of an axis."""

    outcomes: tuple[str, ...]
    rows: tuple[OutcomeRow, ...]
    shrunk: tuple[ShrunkRow, ...]
    strata: tuple[StratumRow, ...]


def beside_view(source: Source, number: int) -> Beside:
    """What stands beside the claim of the axis of that number, from 0."""
    result = source.case.results.axes[number]
    here = f"/results/axes/{number}"
    return Beside(
        outcomes=tuple(dict.fromkeys(entry.outcome for entry in result.outcomes or ())),
        rows=tuple(_outcomes(source, result, here)),
        shrunk=tuple(_shrunk(source, result, f"{here}/shrinkage")),
        strata=tuple(_strata(source, result, f"{here}/strata")),
    )


def _outcomes(source: Source, result: AxisResult, here: str) -> Iterator[OutcomeRow]:
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(result.outcomes or ()):
        places.setdefault(entry.arm, []).append(place)
    for arm, found in places.items():
        role = arm.partition("/")[2] or arm
        counts = tuple(source.show(f"{here}/outcomes/{place}") for place in found)
        yield OutcomeRow(ROLE_NAMES.get(role, arm), counts)


def _shrunk(source: Source, result: AxisResult, here: str) -> Iterator[ShrunkRow]:
    shrinkage = result.shrinkage
    if shrinkage is None:
        return
    rest = ("held_out", "difference", "low", "high")
    if shrinkage.effect is not None:
        figures = tuple(source.show(f"{here}/effect/{name}") for name in ("tuning", *rest))
        yield ShrunkRow(None, figures, shrinkage.effect.large)
    for place, feature in enumerate(shrinkage.features):
        at = f"{here}/features/{place}"
        figures = tuple(source.show(f"{at}/{name}") for name in ("discovery", *rest))
        yield ShrunkRow(source.show(f"{at}/feature"), figures, feature.large)


def _strata(source: Source, result: AxisResult, here: str) -> Iterator[StratumRow]:
    for place, stratum in enumerate(result.strata or ()):
        at = f"{here}/{place}"
        names = () if stratum.difference is None else ("difference", "low", "high")
        yield StratumRow(
            mediator=source.show(f"{at}/mediator"),
            counted=stratum.counted,
            counts=tuple(source.show(f"{at}/{name}") for name in ("items", "before", "after")),
            change=tuple(source.show(f"{at}/{name}") for name in names),
        )
