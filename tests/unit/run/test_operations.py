"""Real runs of every operation on the tiny world, with every control family, verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run

CANDIDATES: dict[str, dict[str, Any]] = {
    "scale": {"operation": "scale", "unit": "activation_multiple"},
    "ablate": {
        "operation": "ablate",
        "unit": "activation_multiple",
        "doses": [-1.0, -0.5, 0.0, 0.5, 1.0],
    },
    "clamp": {"operation": "clamp", "unit": "max_activation_multiple"},
    "clamp where active": {
        "operation": "clamp",
        "unit": "activation_value",
        "condition": "where_active",
    },
    "project out": {"operation": "project_out", "unit": "projection_multiple"},
    "add a length": {"operation": "add", "unit": "l2"},
    "add to the reconstruction": {"operation": "add", "unit": "l2", "error_policy": "none"},
    "scale in the reconstruction": {
        "operation": "scale",
        "unit": "activation_multiple",
        "error_policy": "none",
    },
    "project out of the reconstruction": {
        "operation": "project_out",
        "unit": "projection_multiple",
        "error_policy": "none",
    },
    "of the prompt alone": {
        "operation": "scale",
        "unit": "activation_multiple",
        "positions": "prompt",
    },
    "of generated tokens alone": {
        "operation": "project_out",
        "unit": "projection_multiple",
        "positions": "generated",
    },
    "the better of three": {
        "operation": "add",
        "unit": "l2",
        "doses": [-0.02, -0.01, 0.0, 0.01, 0.02],
        "alternatives": [
            {"operation": "clamp", "unit": "max_activation_multiple"},
            {"operation": "project_out", "unit": "projection_multiple"},
        ],
    },
}
FAMILIES = {
    "random_live",
    "random_direction",
    "unrelated_contrast",
    "shuffled_label",
    "gaussian",
}


def value_of(candidate: dict[str, Any]) -> dict[str, Any]:
    value = plan_value()
    value["statistics"]["alpha"] = 0.2
    value["controls"] |= {
        "random_live_features": 4,
        "random_directions": 4,
        "best_of": 1,
        "norm_tolerance": 0.4,
        "unrelated_contrasts": {"dataset": "contrast", "count": 4, "minimum_items": 3},
        "shuffled_labels": 4,
        "gaussian_directions": 2,
    }
    value["audit"] = {"rows": 12, "positions": 3}
    [axis] = value["axes"]
    axis["baselines"] = {"difference_in_means": True, "prefix": "the guest is near . "}
    axis["candidate"] |= {"doses": [-2.0, -1.0, 0.0, 1.0, 2.0], **candidate}
    others = axis["candidate"].pop("alternatives", [])
    if others:
        doses = [-2.0, -1.0, 0.0, 1.0, 2.0]
        axis["alternatives"] = [
            {**axis["candidate"], **edit, "doses": doses} for edit in others
        ]
    if candidate.get("positions") == "generated":
        axis["side_effects"], axis["mediators"] = [], []
    if candidate["operation"] == "ablate":
        axis["dose_rule"]["sign"] = "negative"
    return value


@pytest.fixture(scope="module", params=list(CANDIDATES))
def path(
    tiny: Tiny, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make(tiny, tmp_path_factory.mktemp("op"), value=value_of(CANDIDATES[request.param]))


@pytest.fixture(scope="module")
def case(path: Path) -> tuple[Plan, str, Evidence, Case]:
    return opened(path)


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_controls_of_every_family_are_as_large_as_the_target(
    case: tuple[Plan, str, Evidence, Case],
) -> None:
    plan, _, _, record = case
    [axis], [result] = plan.axes, record.results.axes
    arms = {arm.id: arm for arm in result.arms}
    target = arms["context/target"]
    assert target.realised is not None
    assert target.realised > 0.0
    assert {test.family for test in result.controls} == FAMILIES
    if axis.candidate.positions != "generated":
        # where answers are edited alone, every arm is edited on a text of its own
        assert all(test.silent == 0 for test in result.controls)
    assert arms["context/sham"].realised == 0.0
    for gauge in grid.gauge_arms(plan, axis):
        assert arms[gauge].gain is None
    taken = grid.candidates(axis)[target.candidate or 0]
    assert result.intervention is not None
    assert result.intervention.operation == taken.operation
    for role in grid.gauged_roles(taken.operation):
        for arm in result.arms:
            if arm.role == role:
                assert arm.operation == taken.operation
                assert arm.gain is not None


def test_opposite_is_the_same_edit_turned_round(
    case: tuple[Plan, str, Evidence, Case],
) -> None:
    [result] = case[3].results.axes
    arms = {arm.role: arm for arm in result.arms}
    target, opposite = arms["target"], arms["opposite"]
    assert opposite.realised == pytest.approx(target.realised, rel=0.2)
    if result.intervention is not None and result.intervention.operation == "add":
        assert opposite.coefficient == -target.coefficient
        assert opposite.gain is None
        assert opposite.operation is None
    else:
        assert (opposite.coefficient, opposite.gain) == (target.coefficient, -1.0)


def test_features_that_never_fire_where_doses_are_tried_are_refused(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "safetycase.run.edit.state_edits",
        lambda _axis, specs, _directions, _evidence: [None] * len(specs),
    )
    with pytest.raises(MethodRefused, match="met no activation of its features"):
        make(tiny, tmp_path, value=value_of(CANDIDATES["scale"]))
