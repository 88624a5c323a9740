"""An interval of a difference against its margin, small enough to stand in a table."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from safetycase.report import svg

_WIDTH, _HEIGHT = 230.0, 30.0


def reach_of(extremes: list[float]) -> float:
    """Half the width of a scale that holds all these differences, in steps of 10 points."""
    largest = max((abs(value) for value in extremes), default=0.0)
    return max(0.1, min(1.0, 0.1 * -(-largest * 1.05 // 0.1)))


def interval_plot(
    title: str,
    difference: float,
    interval: tuple[float, float],
    *,
    margin: float,
    beyond_is_wanted: bool,
    reach: float,
) -> Markup:
    """The interval on a scale from -reach to +reach.

    `margin` is signed. The interval must stay out of the shaded part: beyond a tolerance, or
    short of what is asked (`beyond_is_wanted`).
    """
    scale = svg.Scale(-reach, reach, 6.0, _WIDTH - 6.0)
    return svg.drawing(
        _WIDTH,
        _HEIGHT,
        title,
        *_ground(scale, margin, reach, beyond_is_wanted=beyond_is_wanted),
        *_interval(scale, difference, interval),
    )


def _ground(
    scale: svg.Scale, margin: float, reach: float, *, beyond_is_wanted: bool
) -> Iterator[Markup]:
    edge = reach if (margin > 0) == (not beyond_is_wanted) else -reach
    start, end = sorted((scale(margin), scale(edge)))
    yield svg.element("rect", x=start, y=2, width=end - start, height=17, fill="#e4e0d8")
    yield svg.line(scale(-reach), 19, scale(reach), 19, stroke=svg.MUTED, stroke_width=0.7)
    zero = scale(0.0)
    yield svg.line(zero, 2, zero, 19, stroke=svg.MUTED, stroke_width=0.7)
    x = scale(margin)
    yield svg.line(x, 0, x, 21, stroke=svg.INK, stroke_width=1.6, stroke_dasharray="3 2")
    for value, anchor in ((-reach, "start"), (0.0, "middle"), (reach, "end")):
        name = f"{100 * value:+.0f}" if value else "0"
        yield svg.label(
            scale(value), 25, name, text_anchor=anchor, font_size=8.5, fill=svg.MUTED
        )


def _interval(
    scale: svg.Scale, difference: float, interval: tuple[float, float]
) -> Iterator[Markup]:
    low, high = (scale(bound) for bound in interval)
    yield svg.line(low, 10.5, high, 10.5, stroke=svg.TARGET, stroke_width=2)
    for end in (low, high):
        yield svg.line(end, 7, end, 14, stroke=svg.TARGET, stroke_width=1.6)
    yield svg.diamond(scale(difference), 10.5, 4.6, fill=svg.TARGET, stroke="white")
