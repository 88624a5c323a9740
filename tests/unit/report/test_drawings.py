"""Drawings place what they are given, leave nothing out and escape all text."""

from __future__ import annotations

import re
from itertools import combinations
from math import hypot

import pytest

from safetycase.record.doses import DosePoint
from safetycase.report import svg
from safetycase.report.dose_plot import dose_plot
from safetycase.report.interval_plot import interval_plot, reach_of
from safetycase.report.source import Shown
from safetycase.report.strip_plot import StripRow, strip_plot, swarm


def _attributes(drawing: str, tag: str, name: str) -> list[str]:
    return re.findall(rf"<{tag}[^>]* {name}=\"([^\"]*)\"", drawing)


def test_a_swarm_keeps_every_position_and_sets_dots_apart() -> None:
    positions = [10.0, 10.0, 11.0, 30.0, 10.5, 10.0]
    placed = swarm(positions)
    assert sorted(x for x, _ in placed) == sorted(positions)
    assert all(hypot(a[0] - b[0], a[1] - b[1]) >= 5.0 for a, b in combinations(placed, 2))
    assert (30.0, 0.0) in placed


def test_a_crowd_too_large_for_its_row_is_still_drawn() -> None:
    assert len(swarm([50.0] * 99)) == 99
    assert len(set(swarm([50.0] * 99))) > 20


def test_a_strip_has_a_dot_for_each_control_and_a_line_for_the_target() -> None:
    rows = [
        StripRow("baseline", "Baseline", (0.2,), (0.1, 0.3), (Shown("/a", "1 of 5"),)),
        StripRow("target", "Target", (0.8,), (0.7, 0.9), ()),
        StripRow("random_live", "Random features", (0.1, 0.2, 0.2), None, ("largest ",)),
    ]
    drawn = strip_plot("Rate <of>", rows)
    assert _attributes(drawn, "circle", "fill").count(svg.MUTED) == 3
    assert drawn.count("<polygon") == 1
    assert '<tspan data-pointer="/a">1 of 5</tspan>' in drawn
    assert "<title>Rate &lt;of&gt;</title>" in drawn
    target = 132 + (470 - 132) * 0.8
    lines = _attributes(drawn, "line", "x1")
    assert f"{target:.1f}" in lines


def _point(dose: float, counted: int, *, admissible: bool) -> DosePoint:
    return DosePoint(
        arm=f"a/dose/{counted:02d}",
        dose=dose,
        counted=counted,
        incoherent=1,
        items=10,
        admissible=admissible,
    )


def test_doses_that_the_rule_refuses_are_hollow() -> None:
    points = [
        _point(0.5, 2, admissible=False),
        _point(-1.0, 9, admissible=True),
        _point(0.0, 3, admissible=False),
    ]
    drawn = dose_plot("Dose", points, -1.0, "norms")
    in_plot = drawn.rpartition("polyline")[2].partition("counts for")[0]
    assert _attributes(in_plot, "circle", "fill")[:3] == [svg.INK, "white", "white"]
    xs = [float(x) for x in _attributes(in_plot, "circle", "cx")[:3]]
    assert xs == sorted(xs)
    assert f'x1="{xs[0]:.1f}"'.replace(".0", "") in drawn


@pytest.mark.parametrize(
    ("margin", "wanted", "left"),
    [(0.1, False, False), (-0.1, False, True), (0.1, True, True), (-0.1, True, False)],
)
def test_the_refused_side_is_shaded(margin: float, wanted: bool, left: bool) -> None:
    drawn = interval_plot(
        "x", 0.0, (-0.05, 0.05), margin=margin, beyond_is_wanted=wanted, reach=0.2
    )
    x, width = (float(_attributes(drawn, "rect", name)[0]) for name in ("x", "width"))
    end = 6.0 if left else 224.0
    assert end in (pytest.approx(x, abs=0.1), pytest.approx(x + width, abs=0.1))


@pytest.mark.parametrize(
    ("values", "reach"),
    [([], 0.1), ([0.05], 0.1), ([-0.12], 0.2), ([0.679], 0.8), ([1.0], 1.0)],
)
def test_the_reach_holds_every_value(values: list[float], reach: float) -> None:
    assert reach_of(values) == pytest.approx(reach)


def test_numbers_have_one_spelling() -> None:
    assert svg.line(1, 2.04, -0.01, 3.0) == '<line x1="1" y1="2" x2="0" y2="3"></line>'
