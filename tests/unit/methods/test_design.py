from __future__ import annotations

import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.design import Sample, design_figures, items_for_margin
from safetycase.methods.paired import Pairs, tango_interval
from tests.unit.methods.plans import plan_data, plan_of

KEPT = {
    "id": "kept",
    "title": "kept",
    "measure": {"evaluation": "ask", "outcomes": ["other"]},
    "worse": "up",
    "margin": 0.05,
}


def test_the_fewest_items_that_keep_a_margin() -> None:
    # z^2 / (n + z^2) < 0.05 with z^2 = 3.8415: n > 72.99
    assert items_for_margin(0.05, 0.95) == 73
    assert tango_interval(Pairs(0, 0, 0, 72), 0.95).high >= 0.05


@pytest.mark.parametrize(("items", "attainable"), [(72, False), (73, True)])
def test_a_margin_that_no_result_could_keep_is_said_so(items: int, attainable: bool) -> None:
    data = plan_data()
    data["axes"][0]["side_effects"] = [KEPT]
    figures = design_figures(plan_of(data), {"items": Sample.independent(items)})
    assert {f.what: f.attainable for f in figures}["kept"] is attainable


def test_too_few_controls_are_said_so() -> None:
    data = plan_data()
    data["controls"]["random_directions"] = 18
    (figure,) = [
        f
        for f in design_figures(plan_of(data), {"items": Sample.independent(200)})
        if f.what == "controls"
    ]
    assert not figure.attainable


def test_no_held_out_item_is_refused_with_the_remedy() -> None:
    with pytest.raises(MethodRefused) as refusal:
        design_figures(plan_of(plan_data()), {})
    assert refusal.value.remedy
