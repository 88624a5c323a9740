"""Graders against people, as the pages show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safetycase.record.calibration import Calibration
from safetycase.record.unavailable import Unavailable
from safetycase.report.source import Shown, Source


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """A grader in one arm, for one thing that counts."""

    arm: Shown
    outcomes: tuple[Shown, ...]
    answers: Shown
    sensitivity: tuple[Shown, ...]
    """Counted, answers, low and high; the reason alone where there is no figure."""
    specificity: tuple[Shown, ...]
    """The same, of answers that do not count for people."""
    kappa: Shown
    corrected: tuple[Shown, ...]
    """Rate, low and high; the reason alone where there is no figure."""
    confusion: tuple[tuple[Shown, Shown, Shown], ...]
    """People, grader and how many answers."""


@dataclass(frozen=True, slots=True)
class GraderView:
    """The grader of one evaluation against people."""

    evaluation: Shown
    rows: tuple[CalibrationRow, ...]


def graders_view(source: Source) -> tuple[GraderView, ...]:
    """Every labelled evaluation, arm by arm; nothing if nobody labelled answers."""
    stated = source.case.results.calibration or ()
    return tuple(
        GraderView(
            evaluation=source.show(f"/results/calibration/{number}/evaluation"),
            rows=tuple(_rows(source, f"/results/calibration/{number}/arms", one.arms)),
        )
        for number, one in enumerate(stated)
    )


def _rows(source: Source, here: str, arms: tuple[Calibration, ...]) -> Iterator[CalibrationRow]:
    for number, one in enumerate(arms):
        place = f"{here}/{number}"
        share = ("counted", "answers", "low", "high")
        yield CalibrationRow(
            arm=source.show(f"{place}/arm"),
            outcomes=source.show_each(f"{place}/measure/outcomes"),
            answers=source.show(f"{place}/answers"),
            sensitivity=_parts(source, f"{place}/sensitivity", one.sensitivity, share),
            specificity=_parts(source, f"{place}/specificity", one.specificity, share),
            kappa=source.show(
                f"{place}/kappa/reason"
                if isinstance(one.kappa, Unavailable)
                else f"{place}/kappa"
            ),
            corrected=_parts(
                source, f"{place}/corrected", one.corrected, ("rate", "low", "high")
            ),
            confusion=tuple(
                (
                    source.show(f"{place}/confusion/{n}/people"),
                    source.show(f"{place}/confusion/{n}/grader"),
                    source.show(f"{place}/confusion/{n}/answers"),
                )
                for n in range(len(one.confusion))
            ),
        )


def _parts(
    source: Source, place: str, value: object, names: tuple[str, ...]
) -> tuple[Shown, ...]:
    if isinstance(value, Unavailable):
        return (source.show(f"{place}/reason"),)
    return tuple(source.show(f"{place}/{name}") for name in names)
