"""Plans are read strictly, and faults are told with their place and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MalformedInput, PlanRefused
from safetycase.record.plan import Plan
from safetycase.run.plan_file import as_plan, read_yaml
from tests.unit.run.tiny_world import plan_value


def whole_plan() -> dict:
    value = plan_value()
    value["model"]["manifest_digest"] = "0" * 64
    value["dictionaries"][0]["manifest_digest"] = "0" * 64
    for dataset in value["datasets"]:
        dataset["sha256"] = "0" * 64
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: [yes, on, off, y]", {"a": ["yes", "on", "off", "y"]}),
        ("a: true", {"a": True}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: [1, -2, 0.5, -.5, 1.]", {"a": [1, -2, 0.5, -0.5, 1.0]}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 010", {"a": "010"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: null\nb: ~\nc:", {"a": None, "b": None, "c": None}),
        ("a: 'true'", {"a": "true"}),
        ("a: .nan", {"a": ".nan"}),
    ],
)
def test_words_are_text_unless_json_knows_them(text: str, value: Any) -> None:
    assert read_yaml(text, where="p.yaml") == value


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("a: 1\nb: 2\na: 3", "p.yaml line 3", "a twice"),
        ("x:\n  - {a: 1, a: 1}", "p.yaml line 2", "a twice"),
        ("1: a", "p.yaml line 1", "1"),
        ("[1, 2]", "p.yaml", "list"),
        ("", "p.yaml", "NoneType"),
        ("a: !!python/object:os.system x", "p.yaml", None),
        ("a: [1", "p.yaml", None),
        ("a: 1\n---\nb: 2", "p.yaml", None),
    ],
)
def test_what_is_no_plain_mapping_is_refused(text: str, where: str, found: str | None) -> None:
    with pytest.raises(MalformedInput) as refused:
        read_yaml(text, where="p.yaml")
    assert refused.value.where == where
    assert found is None or refused.value.found == found


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
