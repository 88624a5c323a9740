"""A model spread over devices gives the numbers of one that is not, to the bit.

Here the only other place is the disk: blocks that lie there go through the same hooks of
accelerate as those on another GPU, and their weights are on no device between two passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from safetycase import canonical
from safetycase.errors import RunFailed
from safetycase.methods.operations import StateEdit
from safetycase.methods.sites import Place
from safetycase.record.plan import Sampling
from safetycase.run.answers import Bench
from safetycase.run.arm_run import ArmRun
from safetycase.run.below import BlocksBelow
from safetycase.run.bind import RunOptions, bind
from safetycase.run.device import device_map_of, spelled_map
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.engines.bench_worker import Recipe, load_bench
from safetycase.run.freeze import freeze
from safetycase.run.generate import GenerationSettings, generate
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel, load_model
from safetycase.run.observe import activations
from safetycase.run.perplexity import ScoredText, likelihoods
from safetycase.run.prompts import Prompt, encode
from tests.unit.run.test_pipeline import write_plan
from tests.unit.run.tiny_networks import HIDDEN, MAKERS, tiny_model
from tests.unit.run.tiny_world import Tiny, batches_of

pytestmark = pytest.mark.run
TEXTS = ("the audit comes .", "the market is near the garden and the guest .", "no soup .")
DRAWN = GenerationSettings(Sampling(temperature=1.0, top_k=20), 12)


def parts_of(model: LoadedModel) -> list[str]:
    """What a map names: every block, and all modules beside the blocks."""
    parts: list[str] = []

    def walk(prefix: str, module: torch.nn.Module) -> None:
        for name, child in module.named_children():
            path = f"{prefix}.{name}".removeprefix(".")
            if f"{model.blocks_path}.".startswith(f"{path}."):
                walk(path, child)
            else:
                parts.append(path)

    walk("", model.network)
    return parts


def map_with(model: LoadedModel, *on_disk: str) -> dict[str, str]:
    return {part: "disk" if part.endswith(on_disk) else "cpu" for part in parts_of(model)}


def saved(name: str, folder: Path) -> LoadedModel:
    """The model of a folder, on one device."""
    model = tiny_model(name)
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return load_model(folder, dtype="float32")


def prompts_of(model: LoadedModel) -> list[Prompt]:
    return [encode(model, text, where="test") for text in TEXTS]


def arms() -> list[ArmEdit]:
    """The baseline, vectors at several blocks and sites, and an edit that reads activations."""
    rng = np.random.default_rng(7)
    sites = (Place(0, "resid_post"), Place(1, "resid_pre"), Place(2, "mlp_out"))
    edits = [
        ArmEdit(str(place), place, rng.normal(size=HIDDEN).astype(np.float32), None)
        for place in sites
    ]
    row = rng.normal(size=(1, HIDDEN)).astype(np.float32)
    row /= np.linalg.norm(row)
    out = StateEdit((), row, np.array([-1.0]), np.array([0.0]), only_active=False)
    return [
        BASELINE_EDIT,
        *edits,
        ArmEdit("out", Place(1, "resid_post"), None, None, state=out),
    ]


def logits(model: LoadedModel) -> list[torch.Tensor]:
    """Of prompts and six steps, rows leaving meanwhile; then in two parts that share blocks."""
    run = ArmRun(model, prompts_of(model), arms(), {})
    with run.editing():
        found = [run.prefill(use_cache=True)]
        for step in range(6):
            if step == 3:
                rows = torch.arange(0, run.rows, 2, device=run.device)
                run.keep(rows)
                found[-1] = found[-1][rows]
            tokens = found[-1].argmax(-1)
            found.append(run.step(tokens, torch.ones_like(tokens, dtype=torch.bool)))
    below = BlocksBelow()
    for part in (arms()[3:], arms()[3:]):
        run = ArmRun(model, prompts_of(model), part, {})
        with run.editing():
            found.append(run.prefill(use_cache=False, below=below))
    assert below.spared == 1
    return found


def texts(model: LoadedModel) -> object:
    return generate(model, prompts_of(model), [1, 2, 3], arms(), {}, DRAWN)


def coherence(model: LoadedModel) -> object:
    outputs = [[(5, 9, 11), (6,)], [(8, 7, 6, 5, 9)], [(4, 4, 4)]]
    return median_nlls(model, prompts_of(model), outputs)


def perplexity(model: LoadedModel) -> object:
    return likelihoods(model, [ScoredText(p) for p in prompts_of(model)], arms(), {})


def seen(model: LoadedModel) -> list[torch.Tensor]:
    places = [Place(0, "resid_post"), Place(2, "mlp_in")]
    batches = batches_of(2)
    found = dict(
        activations(model, prompts_of(model), *places, keep=lambda _, *x: x, batches=batches)
    )
    return [part for number in sorted(found) for part in found[number]]


@pytest.mark.parametrize("ways", [(".1",), (".0", ".2", "norm", "ln_f"), (".0", ".1", ".2")])
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_model_spread_gives_the_same_numbers(
    name: str, ways: tuple[str, ...], tmp_path: Path
) -> None:
    whole = saved(name, tmp_path)
    placed = map_with(whole, *ways)
    spread = load_model(tmp_path, dtype="float32", device_map=placed)
    assert spread.device_map == placed
    assert any(weight.is_meta for weight in spread.network.parameters())
    assert spread.parameters == whole.parameters
    assert spread.device == whole.device
    for one, other in zip(logits(spread), logits(whole), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(seen(spread), seen(whole), strict=True):
        assert torch.equal(one, other)
    measured: list[Callable[[LoadedModel], object]] = [texts, coherence, perplexity]
    for measure in measured:
        assert measure(spread) == measure(whole)


def test_weights_that_are_rounded_are_the_same_on_disk(tmp_path: Path) -> None:
    """Files in float32, run in bfloat16: what stays on disk is written anew, and removed."""
    placed = map_with(saved("llama", tmp_path), ".1")
    whole = load_model(tmp_path, dtype="bfloat16")
    spread = load_model(tmp_path, dtype="bfloat16", device_map=placed)
    for one, other in zip(logits(spread), logits(whole), strict=True):
        assert torch.equal(one, other)


def test_a_map_that_leaves_a_part_out_is_refused(tmp_path: Path) -> None:
    placed = map_with(saved("llama", tmp_path), ".1")
    del placed["model.layers.2"]
    with pytest.raises(RunFailed, match="a model that transformers can load"):
        load_model(tmp_path, dtype="float32", device_map=placed)


def written(folder: Path, placed: dict[str, str]) -> str:
    path = folder / "map.json"
    path.write_text(json.dumps(placed))
    return str(path)


def test_a_run_records_the_map_and_its_workers_have_it(tiny: Tiny, tmp_path: Path) -> None:
    frozen = freeze(write_plan(tiny))
    placed = map_with(tiny.model, ".1")
    options = RunOptions(threads=1, device_map=written(tmp_path, placed))
    bench: Bench = bind(frozen, tmp_path, options).bench
    made = bench.environment
    assert made.device_map == placed
    plain = bind(frozen, tmp_path, RunOptions(threads=1)).bench.environment
    assert "device_map" not in plain.spelled()
    assert "flags" not in plain.spelled()
    assert made.spelled() == plain.spelled() | {"device_map": placed}
    recipe = Recipe(
        plan=str(write_plan(tiny)),
        plan_digest=frozen.digest,
        value=None,
        cache=str(tmp_path),
        threads=made.threads,
        batch_rows=made.batch_rows,
        batch_rows_by=None,
        attention=made.attention,
        device="cpu",
        device_map=made.device_map,
        environment=canonical.write(made.spelled()),
    )
    assert load_bench(recipe).environment == made


def test_weights_on_disk_must_be_finite(tiny: Tiny, tmp_path: Path) -> None:
    file = tiny.folder / "model" / "model.safetensors"
    whole = file.read_bytes()
    tensors = load_file(file)
    name = next(name for name in tensors if "layers.1.mlp" in name)
    tensors[name] = tensors[name].copy()
    tensors[name][0, 0] = np.nan
    try:
        save_file(tensors, file, {"format": "pt"})
        frozen = freeze(write_plan(tiny))
        options = RunOptions(device_map=written(tmp_path, map_with(tiny.model, ".1")))
        with pytest.raises(RunFailed, match=f"{name}: expected finite weights"):
            bind(frozen, tmp_path, options)
    finally:
        file.write_bytes(whole)


def test_ways_to_spread_are_left_to_accelerate() -> None:
    assert device_map_of("auto") == "auto"
    assert device_map_of({"": "cpu"}) == {"": "cpu"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model": "cuda:99"}', "#/model: expected a device that is here: cpu"),
        ('{"model": 0}', "#/model"),
        ('["cpu"]', "map.json"),
        ('{"model": "cpu", "model": "disk"}', "map.json"),
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(Exception, match=message):
        device_map_of(str(path))


def test_neither_a_way_nor_a_file_is_refused() -> None:
    with pytest.raises(
        RunFailed, match="auto, balanced, balanced_low_0, sequential, or a JSON"
    ):
        device_map_of("everywhere")


def test_gpus_are_spelled_alike() -> None:
    placed = {"a": 0, "b": "cuda:1", "c": torch.device("cpu"), "d": "disk"}
    spelled = {"a": "cuda:0", "b": "cuda:1", "c": "cpu", "d": "disk"}
    assert spelled_map(placed) == spelled


def test_edits_are_where_their_blocks_are() -> None:
    """On two devices that hold no numbers: where they do not fit, torch refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.run.two_devices"],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5 * len(MAKERS) - 1
