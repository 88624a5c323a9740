"""Small drawings as SVG text: elements, scales and marks that survive print in grey.

Presentation attributes only: a style sheet of the page does not reach the drawing when it
becomes a PDF. Numbers have one decimal, so that a drawing is the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from safetycase.methods.figures_on_page import POINTER, visible
from safetycase.report.source import Shown

INK = "#1c1c1c"
MUTED = "#6b6b6b"
FAINT = "#d4d4d4"
SHADE = "#f1efe9"
TARGET = "#0b5394"
FONT = "Liberation Sans, Arial, Helvetica, DejaVu Sans Condensed, sans-serif"


def element(tag: str, *children: str | Markup, **attributes: str | float) -> Markup:
    """An element; text is escaped, attribute names have `-` for `_`."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
    )
    inner = "".join(escape(_shown(child)) for child in children)
    return Markup(f"<{tag}{given}>{inner}</{tag}>")  # noqa: S704  # every part is escaped


def _shown(child: str | Markup) -> str | Markup:
    return child if isinstance(child, Markup) else visible(child)


def _value(value: str | float) -> Markup:
    if isinstance(value, str):
        return escape(visible(value))
    rounded = round(float(value), 1) + 0.0
    return Markup(f"{rounded:.1f}".removesuffix(".0"))  # noqa: S704  # a number


def drawing(width: float, height: float, title: str, *children: Markup) -> Markup:
    """A drawing that fills the width of its column; the title is for those who hear it."""
    return element(
        "svg",
        element("title", title),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        font_family=FONT,
        font_size=11,
        fill=INK,
    )


def label(x: float, y: float, content: str | Markup, **attributes: str | float) -> Markup:
    """A text whose middle of the x-height stands at y."""
    return element("text", content, x=x, y=y + 3.6, **attributes)


def figure(shown: Shown) -> Markup:
    """A figure of the record inside a text."""
    return element("tspan", shown.text, **{POINTER: shown.pointer})


def line(x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def circle(x: float, y: float, radius: float, **attributes: str | float) -> Markup:
    """A round mark."""
    return element("circle", cx=x, cy=y, r=radius, **attributes)


def square(x: float, y: float, half: float, **attributes: str | float) -> Markup:
    """A square mark around a point."""
    return element(
        "rect", x=x - half, y=y - half, width=2 * half, height=2 * half, **attributes
    )


def diamond(x: float, y: float, half: float, **attributes: str | float) -> Markup:
    """A mark that stands on its tip."""
    points = ((x, y - half), (x + half, y), (x, y + half), (x - half, y))
    return element("polygon", points=path_of(points), **attributes)


def path_of(points: Iterable[tuple[float, float]]) -> str:
    """Points as SVG writes them."""
    return " ".join(f"{_value(x)},{_value(y)}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale from values to positions; values outside land on its ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The position of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


def percent_ticks(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Shares with whole per cent as their names."""
    return [(tick, f"{100 * tick:.0f} %") for tick in ticks]
