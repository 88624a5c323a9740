"""What cannot be measured is refused by `run` in one line, before anything is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from safetycase.cli.main import main
from tests.unit.run.tiny_world import DICTIONARY_CONFIG, Tiny, plan_value, write_dictionary

pytestmark = pytest.mark.run


@dataclass(frozen=True)
class World:
    """A copy of the tiny world that a test may spoil."""

    folder: Path
    tensors: dict[str, np.ndarray]
    plan: dict[str, Any]

    def dictionary(self, config: dict[str, object] | None = None, **tensors: Any) -> None:
        config = {**DICTIONARY_CONFIG, **(config or {})}
        write_dictionary(self.folder / "dictionary", {**self.tensors, **tensors}, config)

    def items(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        file = self.folder / "items" / "requests.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row) + "\n" for row in change(rows)))


def missing_block(world: World) -> None:
    world.dictionary({"hf_hook_point_in": "model.layers.7.output"})
    world.plan["dictionaries"][0]["layer"] = 7


def missing_site(world: World) -> None:
    world.dictionary({"hf_hook_point_in": "model.layers.1.self_attn.q_proj.output"})


def wrong_width(world: World) -> None:
    world.dictionary(
        w_enc=world.tensors["w_enc"][:20].copy(),
        w_dec=world.tensors["w_dec"][:, :20].copy(),
        b_dec=world.tensors["b_dec"][:20].copy(),
    )


def another_model(world: World) -> None:
    world.dictionary({"model_name": "test/large-llama"})


def nan_in_dictionary(world: World) -> None:
    encoder = world.tensors["w_enc"].copy()
    encoder[3, 4] = np.nan
    world.dictionary(w_enc=encoder)


def nan_in_model(world: World) -> None:
    file = world.folder / "model" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in sorted(tensors) if "mlp" in name)
    tensors[name].flat[5] = np.inf
    save_file(tensors, file, metadata={"format": "pt"})


def empty_dataset(world: World) -> None:
    world.items(lambda _rows: [])


def duplicate_id(world: World) -> None:
    world.items(lambda rows: [*rows[:-1], {**rows[-1], "id": rows[0]["id"]}])


def long_prompt(world: World) -> None:
    """The item is in whatever split it falls into; all are looked at."""
    world.items(lambda rows: [*rows[:-1], {**rows[-1], "prompt": "soup " * 95}])


def one_class_alone(world: World) -> None:
    """No prompt of the contrast is of the class that a refusal direction starts from."""
    contrast = {"dataset": "contrast", "label": "kind", "positive": "contrast"}
    asked = {"refusal_direction": {"contrast": contrast, "operation": "project_out"}}
    world.plan["axes"][0]["baselines"] = asked


@pytest.mark.parametrize(
    ("spoil", "place", "told"),
    [
        (missing_block, "dictionary tiny", "one of the 3 blocks"),
        (missing_site, "tiny", "q_proj"),
        (wrong_width, "dictionary tiny", "activations of width 32"),
        (another_model, "dictionary tiny", "one of test/large-llama"),
        (nan_in_dictionary, "dictionary tiny", "NaN"),
        (nan_in_model, "model tiny-gemma, model.layers.0.mlp.", "found NaN or infinity"),
        (empty_dataset, "requests.jsonl", "found an empty file"),
        (duplicate_id, "requests.jsonl", "r000 twice"),
        (long_prompt, "evaluation requests, item r059", "at most 96 tokens"),
        (one_class_alone, "axis context, refusal direction", "of both classes"),
    ],
)
def test_one_line_before_anything_is_measured(
    spoil: Callable[[World], None],
    place: str,
    told: str,
    tiny: Tiny,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for part in ("model", "dictionary", "items"):
        shutil.copytree(tiny.folder / part, tmp_path / part)
    world = World(tmp_path, tiny.tensors, plan_value())
    spoil(world)
    (tmp_path / "plan").mkdir()
    plan = tmp_path / "plan" / "plan.yaml"
    plan.write_text(yaml.safe_dump(world.plan, sort_keys=False))
    out = tmp_path / "out"
    assert main(["run", str(plan), "--out", str(out), "--threads", "1"]) == 2
    said = capsys.readouterr().err
    [error] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert said.endswith(f"{error}\n")
    assert place in error
    assert told in error
    assert ": expected " in error
    assert "found " in error
    assert error.rstrip().endswith(".")
    assert "Traceback" not in said
    assert "testing the instruments" not in said
    assert not list(out.rglob("*.safetycase"))
    assert not list(out.glob("work/units/*"))
