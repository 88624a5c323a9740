"""Which items the target moved which way, and how much of a rate is the luck of sampling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safetycase.record.results import AxisResult
from safetycase.report.axis_rates import role_of
from safetycase.report.source import Shown, Source
from safetycase.report.words import ROLE_NAMES


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """How an arm's rate depends on the sample."""

    arm: str
    rates: tuple[Shown, ...]
    figures: tuple[Shown, ...]
    """Deviation between samples, variance within and between items."""


def moved(source: Source, result: AxisResult, here: str) -> Iterator[Shown]:
    """Items that moved as intended, against it, and not at all."""
    if result.steering is not None:
        for name in ("toward", "against", "unmoved"):
            yield source.show(f"{here}/steering/{name}")


def spread(source: Source, result: AxisResult, here: str) -> Iterator[SpreadRow]:
    """How far the rate moves from sample to sample, under baseline and target."""
    spread = () if result.steering is None else result.steering.spread or ()
    for number, one in enumerate(spread):
        place = f"{here}/steering/spread/{number}"
        names = ("deviation", "within", "between")
        figures = tuple(source.show(f"{place}/{name}") for name in names)
        arm = ROLE_NAMES[role_of(one.arm)]
        yield SpreadRow(arm, source.show_each(f"{place}/rates"), figures)
