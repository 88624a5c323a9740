"""Clauses 13.1a and 13.7: what an edit adds at a trace, and how far rounding may move it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul

from tests.spec.second.directions import single
from tests.spec.second.json_types import Json, Row

ROUNDING = 2.0**-19


@dataclass(frozen=True)
class Activation:
    """Clause 13.8: what an activation may be."""

    exact: float
    other: float
    """What it is on the other side of its threshold."""
    error: float
    near: bool
    """Whether it may be on either side."""

    @property
    def slack(self) -> float:
        """How far what is read may lie from it."""
        return self.error + (max(self.exact, self.other) if self.near else 0.0)


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """A scalar product."""
    return sum(map(mul, one, other))


def basis(rows: Sequence[Row]) -> list[Row]:
    """Clause 13.1a: Gram and Schmidt, each row twice; rows inside the span add nothing."""
    found: list[list[float]] = []
    for row in rows:
        rest = list(row)
        for _ in range(2):
            for known in found:
                along = dot(known, rest)
                rest = [r - along * k for r, k in zip(rest, known, strict=True)]
        if math.hypot(*rest) > 1e-4 * math.hypot(*row):
            size = math.hypot(*rest)
            found.append([r / size for r in rest])
    return [single(row) for row in found]


Edit = Callable[[Row, Sequence[float], Sequence[Activation]], tuple[Row, Row]]
"""From what stands before, the stated activations and those made again: v and r of 13.7."""


def edit_of(
    arm: Json, direction: Row, decoder: Sequence[Row], units: Sequence[float], where: str
) -> Edit:
    """The edit of an arm; decoder rows and units in the order of its features."""
    operation, c, g = arm.get("operation", "add"), arm["coefficient"], arm.get("gain", 1)
    if operation == "add":
        size = single([c])[0]
        constant = single([size * x for x in direction])
        return lambda *_: (constant, (0.0,) * len(direction))
    if operation == "project_out":
        rows = basis(decoder if arm["features"] else [direction])
        return lambda before, *_: _projected(before, rows, single([g * c])[0])
    if operation == "clamp":
        slope = single([-g if c else 0.0])[0]
        offsets = single([(g if c else 0.0) * c * t for t in units])
    else:
        slope, offsets = single([g * c])[0], (0.0,) * len(decoder)
    only = where == "where_active"
    return lambda _, read, again: _of_features(decoder, slope, offsets, read, again, only=only)


def _projected(before: Row, rows: Sequence[Row], size: float) -> tuple[Row, Row]:
    added, slack = [0.0] * len(before), [0.0] * len(before)
    for row in rows:
        along = size * dot(before, row)
        error = ROUNDING * abs(size) * dot([abs(x) for x in before], [abs(x) for x in row])
        added = [a + along * x for a, x in zip(added, row, strict=True)]
        slack = [s + error * abs(x) for s, x in zip(slack, row, strict=True)]
    return single(added), tuple(slack)


def _of_features(
    decoder: Sequence[Row],
    slope: float,
    offsets: Sequence[float],
    read: Sequence[float],
    again: Sequence[Activation],
    *,
    only: bool,
) -> tuple[Row, Row]:
    added, slack = [0.0] * len(decoder[0]), [0.0] * len(decoder[0])
    for row, offset, z, one in zip(decoder, offsets, read, again, strict=True):
        amount = 0.0 if only and not z else z * slope + offset
        error = one.slack * abs(slope) + ROUNDING * abs(offset)
        error += abs(offset) if only and one.near else 0.0
        added = [a + amount * x for a, x in zip(added, row, strict=True)]
        slack = [s + error * abs(x) for s, x in zip(slack, row, strict=True)]
    return single(added), tuple(slack)
