from __future__ import annotations

from collections import Counter

from safetycase.methods.grid import cells, is_unedited, named_arms
from tests.unit.methods.plans import plan_data, plan_of


def test_the_grid_holds_every_arm_once_and_in_order() -> None:
    grid = list(cells(plan_of(plan_data())))
    assert len(grid) == 3 + 5 + 2 * 5 + 5 + 19 + 19
    assert max(Counter(grid).values()) == 1
    assert [(c.arm, c.split) for c in grid[:4]] == [
        ("baseline", "discovery"),
        ("baseline", "tuning"),
        ("baseline", "held_out"),
        ("axis/dose/00", "tuning"),
    ]
    assert [c.arm for c in grid if c.split == "held_out"][1:6] == [
        "axis/target",
        "axis/sham",
        "axis/reconstruction",
        "axis/opposite",
        "axis/best_of",
    ]


def test_simpler_interventions_stand_behind_the_named_arms() -> None:
    data = plan_data()
    contrast = {"dataset": "items", "label": "kind", "positive": "harmful"}
    data["axes"][0]["baselines"] = {
        "refusal_direction": {"contrast": contrast, "operation": "add"},
        "system": "Nobody is watching.",
        "prefix": "Hello. ",
        "difference_in_means": True,
    }
    [axis] = plan_of(data).axes
    assert named_arms(axis)[5:] == [
        "axis/difference_in_means",
        "axis/prompt",
        "axis/system_prompt",
        "axis/refusal_direction",
    ]


def test_baseline_and_prompts_have_no_hook() -> None:
    unedited = ["baseline", "axis/prompt", "axis/system_prompt"]
    edited = ["axis/target", "axis/sham", "axis/reconstruction", "axis/refusal_direction"]
    assert [is_unedited(arm) for arm in (*unedited, *edited)] == [True] * 3 + [False] * 4


def test_side_effects_are_measured_on_named_arms_and_mediators_on_all() -> None:
    data = plan_data()
    for name in ("kept", "mediator", "unused"):
        data["evaluations"].append(data["evaluations"][0] | {"id": name})
    axis = data["axes"][0]
    axis["side_effects"] = [
        {
            "id": "k",
            "title": "k",
            "measure": {"evaluation": "kept", "outcomes": ["x"]},
            "worse": "up",
            "margin": 0.05,
        }
    ]
    axis["mediators"] = [
        {
            "id": "m",
            "title": "m",
            "measure": {"evaluation": "mediator", "outcomes": ["x"]},
            "direction": "down",
            "at_least": 0.5,
        }
    ]
    count = Counter(cell.evaluation for cell in cells(plan_of(data)))
    assert (count["kept"], count["mediator"], count["unused"]) == (3 + 5, 3 + 43, 3)
