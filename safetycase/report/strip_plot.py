"""The strip plot: one rate under every arm, on one scale, with the target's line through it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from safetycase.report import svg
from safetycase.report.source import Shown

WIDTH = 680.0
_LEFT, _RIGHT = 132.0, 470.0
_NOTE = 484.0
_ROW = 21.0
_DOT = 2.5
_APART = 2 * _DOT + 0.3
_STEP = 1.3
_REACH = 18.0


@dataclass(frozen=True, slots=True)
class StripRow:
    """One arm, or a family of arms, as a row of the plot."""

    role: str
    name: str
    shares: tuple[float, ...]
    """One share an arm."""
    interval: tuple[float, float] | None
    """Interval of a single arm's share."""
    notes: tuple[str | Shown, ...]
    """What stands on the right: words and figures."""


def strip_plot(title: str, rows: Sequence[StripRow]) -> Markup:
    """The rows from top to bottom, shares from 0 to 100 % from left to right."""
    scale = svg.Scale(0.0, 1.0, _LEFT, _RIGHT)
    heights = [_height(row, scale) for row in rows]
    bottom = 8.0 + sum(heights)
    parts = [*_frame(scale, bottom), *_reference_lines(rows, scale, bottom)]
    top = 8.0
    for row, height in zip(rows, heights, strict=True):
        parts += _row(row, scale, top + height / 2)
        top += height
    return svg.drawing(WIDTH, bottom + 20.0, title, *parts)


def _frame(scale: svg.Scale, bottom: float) -> Iterator[Markup]:
    for share, name in svg.percent_ticks((0.0, 0.25, 0.5, 0.75, 1.0)):
        x = scale(share)
        yield svg.line(x, 6, x, bottom, stroke=svg.FAINT, stroke_width=0.6)
        yield svg.label(
            x, bottom + 11, name, text_anchor="middle", fill=svg.MUTED, font_size=10
        )
    yield svg.line(scale(0.0), bottom, scale(1.0), bottom, stroke=svg.MUTED, stroke_width=0.8)


def _reference_lines(
    rows: Sequence[StripRow], scale: svg.Scale, bottom: float
) -> Iterator[Markup]:
    for row in rows:
        if not row.shares:
            continue
        x = scale(row.shares[0])
        if row.role == "target":
            yield svg.line(x, 6, x, bottom, stroke=svg.TARGET, stroke_width=1.2)
        if row.role == "baseline":
            yield svg.line(
                x, 6, x, bottom, stroke=svg.MUTED, stroke_width=1, stroke_dasharray="2 3"
            )


def _row(row: StripRow, scale: svg.Scale, y: float) -> Iterator[Markup]:
    weight = "bold" if row.role == "target" else "normal"
    yield svg.label(_LEFT - 12, y, row.name, text_anchor="end", font_weight=weight)
    if len(row.shares) > 1:
        for x, offset in swarm([scale(share) for share in row.shares]):
            yield svg.circle(
                x, y + offset, _DOT, fill=svg.MUTED, stroke="white", stroke_width=0.5
            )
    elif row.shares:
        yield from _single(row, scale, y)
    notes = (svg.figure(note) if isinstance(note, Shown) else note for note in row.notes)
    content = Markup("").join(notes)
    yield svg.label(_NOTE, y, content, font_weight=weight, font_size=10.5)


def _single(row: StripRow, scale: svg.Scale, y: float) -> Iterator[Markup]:
    colour = svg.TARGET if row.role == "target" else svg.INK
    if row.interval is not None:
        low, high = (scale(bound) for bound in row.interval)
        yield svg.line(low, y, high, y, stroke=colour, stroke_width=1.6)
        for end in (low, high):
            yield svg.line(end, y - 3, end, y + 3, stroke=colour, stroke_width=1.2)
    x = scale(row.shares[0])
    if row.role == "target":
        yield svg.diamond(x, y, 5.5, fill=colour, stroke="white", stroke_width=0.8)
    elif row.role in {"baseline", "sham"}:
        yield svg.circle(x, y, 3.6, fill="white", stroke=colour, stroke_width=1.5)
    else:
        yield svg.circle(x, y, 3.6, fill=colour, stroke="white", stroke_width=0.8)


def swarm(positions: Sequence[float]) -> list[tuple[float, float]]:
    """Positions with offsets from the row's middle, so that dots stand apart.

    Each dot takes the free place nearest to the middle. Where none is free within reach, dots
    of that place overlap, more and more evenly: none is ever left out.
    """
    placed: list[tuple[float, float]] = []
    for x in sorted(positions):
        near = [(px, py) for px, py in placed if abs(px - x) < _APART]
        placed.append((x, max(_places(), key=lambda y: (_room(x, y, near), -abs(y)))))
    return placed


def _places() -> Iterator[float]:
    yield 0.0
    for number in range(1, int(_REACH / _STEP) + 1):
        yield number * _STEP
        yield -number * _STEP


def _room(x: float, y: float, near: Sequence[tuple[float, float]]) -> float:
    """Distance to the nearest dot, where any that is enough is as good as any other."""
    distances = (math.hypot(px - x, py - y) for px, py in near)
    return min(_APART, min(distances, default=_APART))


def _height(row: StripRow, scale: svg.Scale) -> float:
    if len(row.shares) <= 1:
        return _ROW
    reach = max(abs(offset) for _, offset in swarm([scale(share) for share in row.shares]))
    return max(_ROW, 2 * (reach + _DOT) + 8)
