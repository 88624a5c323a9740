"""Plans are read strictly, and faults are told with their place and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import PlanRefused
from safetycase.record.plan import Plan
from safetycase.run.plan_file import as_plan
from tests.unit.run.tiny_world import plan_value


def whole_plan() -> dict:
    value = plan_value()
    value["model"]["manifest_digest"] = "0" * 64
    value["dictionaries"][0]["manifest_digest"] = "0" * 64
    for dataset in value["datasets"]:
        dataset["sha256"] = "0" * 64
    return value


def test_a_whole_plan_is_a_plan() -> None:
    plan = as_plan(whole_plan(), where="p.yaml")
    assert isinstance(plan, Plan)
    assert plan.axes[0].candidate.doses == (-1.0, -0.5, 0.0, 0.5, 1.0)


def change(path: list, value: object, *, remove: bool = False) -> dict:
    plan = whole_plan()
    place = plan
    for step in path[:-1]:
        place = place[step]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return plan


@pytest.mark.parametrize(
    ("path", "value", "pointer", "remedy"),
    [
        (["sead"], "x", "/sead", "Did you mean seed?"),
        (["statistics", "alfa"], 0.05, "/statistics/alfa", "Did you mean alpha?"),
        (["axes", 0, "claim", "marge"], 1, "/axes/0/claim/marge", "Did you mean margin?"),
        (
            ["evaluations", 0, "measure", "grader", "rules", 1, "frases"],
            [],
            "/evaluations/0/measure/grader/rules/1/frases",
            "Did you mean phrases?",
        ),
        (
            ["splits", "xyz"],
            1,
            "/splits/xyz",
            "Known: discovery, held_out, tuning.",
        ),
    ],
)
def test_unknown_keys_are_told_with_the_one_meant(
    path: Any, value: Any, pointer: str, remedy: str
) -> None:
    with pytest.raises(PlanRefused) as refused:
        as_plan(change(path, value), where="p.yaml")
    assert refused.value.where == f"p.yaml#{pointer}"
    assert refused.value.remedy == remedy


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (["splits", "discovery"], 0, "/splits/discovery"),
        (["splits", "discovery"], "1", "/splits/discovery"),
        (["splits", "discovery"], 1.5, "/splits/discovery"),
        (["seed"], 7, "/seed"),
        (["evaluations", 1, "measure", "kind"], "guess", "/evaluations/1/measure"),
        (["decision", "rules", 0, "rate_at_most"], 2, "/decision/rules/0/rate_at_most"),
        (["axes", 0, "candidate", "doses"], [0.0, 1.0], "/axes/0/candidate/doses"),
        (["model", "dtype"], "float16", "/model/dtype"),
        (["axes"], [], "/axes"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_with_their_place(path: Any, value: Any, pointer: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        as_plan(change(path, value), where="p.yaml")
    assert refused.value.where == f"p.yaml#{pointer}"


def test_missing_fields_are_told_with_their_place() -> None:
    with pytest.raises(PlanRefused) as refused:
        as_plan(change(["axes", 0, "hazard"], None, remove=True), where="p.yaml")
    assert refused.value.where == "p.yaml#/axes/0/hazard"
    assert refused.value.found == "none"
