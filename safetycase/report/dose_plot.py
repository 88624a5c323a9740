"""The dose-response plot: what counts and what breaks, against the signed dose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from safetycase.methods import format as spell
from safetycase.record.doses import DosePoint
from safetycase.report import svg

WIDTH, _HEIGHT = 680.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 664.0, 48.0, 200.0


def dose_plot(title: str, points: Sequence[DosePoint], chosen: float, unit: str) -> Markup:
    """Counted share (solid, round) and incoherent share (dashed, square); hollow: not allowed.

    Doses are placed to scale; the chosen one has a line. Refused by the caller: no points.
    """
    ordered = sorted(points, key=lambda point: point.dose)
    across = _across([point.dose for point in ordered])
    up = svg.Scale(0.0, 1.0, _BOTTOM, _TOP)
    return svg.drawing(
        WIDTH,
        _HEIGHT,
        title,
        *_frame(ordered, across, up, unit),
        *_chosen(across, chosen),
        *_series(ordered, across, up, incoherent=True),
        *_series(ordered, across, up, incoherent=False),
        *_legend(),
    )


def _across(doses: Sequence[float]) -> svg.Scale:
    margin = 0.06 * (doses[-1] - doses[0]) or 1.0
    return svg.Scale(doses[0] - margin, doses[-1] + margin, _LEFT, _RIGHT)


def _frame(
    points: Sequence[DosePoint], across: svg.Scale, up: svg.Scale, unit: str
) -> Iterator[Markup]:
    for share, name in svg.percent_ticks((0.0, 0.25, 0.5, 0.75, 1.0)):
        y = up(share)
        yield svg.line(_LEFT, y, _RIGHT, y, stroke=svg.FAINT, stroke_width=0.6)
        yield svg.label(_LEFT - 8, y, name, text_anchor="end", fill=svg.MUTED, font_size=10)
    yield svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, stroke=svg.MUTED, stroke_width=0.8)
    taken = float("-inf")
    for point in points:
        x = across(point.dose)
        yield svg.line(x, _BOTTOM, x, _BOTTOM + 4, stroke=svg.MUTED, stroke_width=0.8)
        if x - taken >= 26:
            name = spell.number(point.dose)
            yield svg.label(x, _BOTTOM + 12, name, text_anchor="middle", font_size=10)
            taken = x
    middle = (_LEFT + _RIGHT) / 2
    yield svg.label(
        middle, _BOTTOM + 29, f"signed dose ({unit})", text_anchor="middle", fill=svg.MUTED
    )


def _chosen(across: svg.Scale, chosen: float) -> Iterator[Markup]:
    x = across(chosen)
    yield svg.line(x, _TOP - 8, x, _BOTTOM, stroke=svg.TARGET, stroke_width=1.2)
    yield svg.label(
        x, _TOP - 15, "chosen", text_anchor="middle", fill=svg.TARGET, font_weight="bold"
    )


def _series(
    points: Sequence[DosePoint], across: svg.Scale, up: svg.Scale, *, incoherent: bool
) -> Iterator[Markup]:
    colour = svg.MUTED if incoherent else svg.INK
    places = [
        (
            across(point.dose),
            up((point.incoherent if incoherent else point.counted) / max(1, point.items)),
        )
        for point in points
    ]
    yield svg.element(
        "polyline",
        points=svg.path_of(places),
        fill="none",
        stroke=colour,
        stroke_width=1.4,
        stroke_dasharray="5 3" if incoherent else "none",
    )
    for (x, y), point in zip(places, points, strict=True):
        yield _mark(x, y, colour, incoherent=incoherent, filled=point.admissible)


def _mark(x: float, y: float, colour: str, *, incoherent: bool, filled: bool) -> Markup:
    fill = colour if filled else "white"
    if incoherent:
        return svg.square(x, y, 3.2, fill=fill, stroke=colour, stroke_width=1.4)
    return svg.circle(x, y, 3.8, fill=fill, stroke=colour, stroke_width=1.4)


def _legend() -> Iterator[Markup]:
    y, x = 10.0, _LEFT
    entries = (
        ("counts for the claim", svg.INK, False, True, 140.0),
        ("incoherent", svg.MUTED, True, True, 88.0),
        ("hollow: the rule does not allow this dose", svg.INK, False, False, 0.0),
    )
    for name, colour, incoherent, filled, width in entries:
        yield _mark(x + 4, y, colour, incoherent=incoherent, filled=filled)
        yield svg.label(x + 14, y, name, font_size=10, fill=svg.MUTED)
        x += width
