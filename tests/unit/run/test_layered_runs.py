"""Real runs with dictionaries of several blocks on the tiny world, verified; their faults."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file, save_file

from safetycase.cli.as_written import require_verified
from safetycase.cli.main import main
from safetycase.errors import PlanRefused, RunFailed, SafetyCaseError
from safetycase.methods.lint import lint
from safetycase.methods.sites import Place, Span, hook_path
from safetycase.record.plan import Plan
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.sound import require_sound
from safetycase.run.dictionaries.specification import Stated
from safetycase.run.folder import open_folder
from safetycase.run.freeze import freeze
from safetycase.run.observe import activations
from safetycase.run.prompts import encode
from safetycase.run.sites import on_read
from tests.unit.run.dictionaries import made_layers as made
from tests.unit.run.dictionaries.made import write_json
from tests.unit.run.test_operations import value_of
from tests.unit.run.test_pipeline import make, members, opened, write_plan
from tests.unit.run.test_selftest import TEXTS
from tests.unit.run.tiny_world import (
    BLOCKS,
    HIDDEN,
    Tiny,
    batches_of,
    load_dictionary,
    spanning_dictionary,
)

pytestmark = pytest.mark.run

NAME = "test/tiny-gemma-pt"
FEATURES = 240
LAYERS = (1, 2)


def crosscoder(tiny: Tiny, folder: Path) -> Path:
    """Every source explains its own block's stream, and adds a little to the later one."""
    rng = np.random.default_rng(1)
    for number, layer in enumerate(LAYERS):
        tensors = spanning_dictionary(tiny.model.network, layer)
        rows = tensors["w_dec"]
        decoder = np.zeros((len(rows), len(LAYERS), HIDDEN), dtype=np.float32)
        decoder[:, number] = rows
        if number == 0:
            decoder[:, 1] = 0.02 * rng.normal(size=rows.shape)
        path = folder / f"params_layer_{number}.safetensors"
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors | {"w_dec": decoder}, path)
    hook = hook_path("gemma3", Span(LAYERS, "resid_post"))
    config = {
        "model_name": NAME,
        "architecture": "jump_relu",
        "type": "crosscoder",
        "hf_hook_point_in": hook,
        "hf_hook_point_out": hook,
        "width": len(rows) * len(LAYERS),
        "l0": 60,
        "affine_connection": False,
    }
    write_json(folder / "config.json", config)
    return folder


def texts_of(tiny: Tiny) -> list[str]:
    lines = (tiny.folder / "items/contrast.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def clt(tiny: Tiny, folder: Path) -> Path:
    """Random features, and decoders fitted to what each MLP adds; an affine term of its own."""
    rng = np.random.default_rng(2)
    prompts = [encode(tiny.model, text, where="t") for text in texts_of(tiny)]
    wanted = Span(tuple(range(BLOCKS)), "mlp_in"), Span(tuple(range(BLOCKS)), "mlp_out")
    seen = dict(
        activations(
            tiny.model, prompts, *wanted, keep=lambda _, *pair: pair, batches=batches_of(16)
        )
    )
    x, y = (torch.cat([pair[i] for pair in seen.values()]).numpy() for i in (0, 1))
    folder.mkdir(parents=True, exist_ok=True)
    rest = y.copy()
    for block in range(BLOCKS):
        own = slice(block * HIDDEN, (block + 1) * HIDDEN)
        encoder = (rng.normal(size=(HIDDEN, FEATURES)) / 4).astype(np.float32)
        bias = (rng.normal(size=FEATURES) / 4).astype(np.float32)
        h = x[:, own] @ encoder + bias
        f = np.where(h > 0.1, h, 0)
        known = np.concatenate([f, x[:, own], np.ones((len(x), 1))], 1)
        fitted = np.linalg.lstsq(known, rest[:, own], rcond=1e-3)[0].astype(np.float32)
        decoder = np.zeros((FEATURES, BLOCKS, HIDDEN), dtype=np.float32)
        decoder[:, block] = fitted[:FEATURES]
        for later in range(block + 1, BLOCKS):
            decoder[:, later] = 0.02 * rng.normal(size=(FEATURES, HIDDEN))
            rest[:, later * HIDDEN : (later + 1) * HIDDEN] -= f @ decoder[:, later]
        tensors = {
            "w_enc": encoder,
            "b_enc": bias,
            "threshold": np.full(FEATURES, 0.1, dtype=np.float32),
            "w_dec": decoder,
            "b_dec": fitted[-1],
            "affine_skip_connection": fitted[FEATURES:-1],
        }
        held = {name: np.ascontiguousarray(part) for name, part in tensors.items()}
        save_file(held, folder / f"params_layer_{block}.safetensors")
    config = {
        "model_name": NAME,
        "architecture": "jump_relu",
        "type": "clt",
        "hf_hook_point_in": made.GS2_CLT_IN,
        "hf_hook_point_out": made.GS2_CLT_OUT,
        "width": FEATURES * BLOCKS,
        "l0": 330,
        "affine_connection": True,
    }
    write_json(folder / "config.json", config)
    return folder


def with_dictionary(value: dict[str, Any], **fields: Any) -> dict[str, Any]:
    [dictionary] = value["dictionaries"]
    dictionary |= fields
    return value


CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "crosscoder": (
        crosscoder,
        {
            "path": "../crosscoder",
            "equation": "crosscoder.jumprelu.gs2",
            "site": "resid_post",
            "layer": 1,
            "layers": list(LAYERS),
        },
        {
            "operation": "add",
            "unit": "residual_norm_fraction",
            "doses": [-1.0, -0.5, 0.0, 0.5, 1.0],
            "alternatives": [
                {"operation": "clamp", "unit": "max_activation_multiple"},
                {"operation": "scale", "unit": "activation_multiple"},
            ],
        },
    ),
    "clt": (
        clt,
        {
            "path": "../clt",
            "equation": "clt.jumprelu.affine.gs2",
            "site": "mlp_in",
            "layer": 0,
            "layers": list(range(BLOCKS)),
        },
        {"operation": "scale", "unit": "activation_multiple"},
    ),
}


def value_with(name: str) -> dict[str, Any]:
    _, fields, candidate = CASES[name]
    value = with_dictionary(value_of(candidate), **fields)
    value["model"]["architecture"] = "gemma3"
    return value | {"geometry": {"neighbours": 5}}


@pytest.fixture(scope="module", params=list(CASES))
def path(
    tiny: Tiny, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    maker, _, _ = CASES[request.param]
    maker(tiny, tiny.folder / request.param)
    return make(tiny, tmp_path_factory.mktemp("layers"), value=value_with(request.param))


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_the_record_names_every_block(path: Path) -> None:
    plan, _, evidence, record = opened(path)
    [dictionary], [planned] = record.dictionaries, plan.dictionaries
    layers = planned.layers
    assert layers is not None
    blocks = "{" + ",".join(map(str, layers)) + "}"
    assert dictionary.hook.startswith(f"model.layers.{blocks}.")
    [result] = record.results.axes
    assert result.intervention is not None
    assert result.intervention.hook == (dictionary.hook_out or dictionary.hook)
    assert dictionary.model_width == HIDDEN * len(layers)
    assert evidence.tensor("context.w_dec").shape[1] == HIDDEN * len(layers)
    assert evidence.tensor("context.trace_before").shape[1] == HIDDEN * len(layers)
    target = next(arm for arm in result.arms if arm.role == "target")
    assert target.realised is not None
    assert target.realised > 0
    assert "evidence/traces.jsonl" in members(path)


def test_activations_are_those_of_the_plain_network(path: Path, tiny: Tiny) -> None:
    """The pool of control directions: the blocks' activations of one token side by side."""
    plan, _, evidence, _ = opened(path)
    [planned] = plan.dictionaries
    site = "resid_post" if planned.site == "resid_post" else "mlp_out"
    assert planned.layers is not None
    seen: dict[Place, torch.Tensor] = {}
    rows = []
    with ExitStack() as stack:
        for layer in planned.layers:
            keep = partial(seen.__setitem__, Place(layer, site))
            stack.callback(on_read(tiny.model, Place(layer, site), keep).remove)
        for text in texts_of(tiny):
            ids = encode(tiny.model, text, where="t").ids
            tiny.model.network(input_ids=torch.tensor([ids]))
            parts = [seen[Place(layer, site)][0] for layer in planned.layers]
            rows.append(torch.cat(parts, -1))
    whole = torch.cat(rows).detach().numpy()
    for activation in evidence.tensor("context.pool")[:10]:
        assert np.abs(whole - activation).max(axis=1).min() < 1e-3


@pytest.mark.parametrize("name", list(CASES))
def test_dictionary_check_passes(
    name: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = CASES[name][0](tiny, tmp_path / "d")
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(texts_of(tiny)[:40]))
    command = ["dictionary", "check", str(folder), "--model", str(tiny.folder / "model")]
    assert main([*command, "--name", NAME, "--texts", str(texts)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"{CASES[name][1]['site']} of blocks" in said[0]
    tests = {line.split()[1]: line.split()[0] for line in said[2:-3]}
    assert set(tests.values()) == {"PASS"}
    assert {"error_term_identity", "dictionary_l0", "dictionary_fvu"} <= set(tests)
    assert ("skip_orientation" in tests) == (name == "clt")


def _turned(tensors: dict[str, np.ndarray]) -> None:
    tensors["w_enc"] = np.ascontiguousarray(tensors["w_enc"].T)


def _counted_from_its_own(tensors: dict[str, np.ndarray]) -> None:
    """The axis of written blocks as circuit-tracer has it, in a file of Gemma Scope 2."""
    tensors["w_dec"] = np.ascontiguousarray(np.roll(tensors["w_dec"], -1, axis=1))


def _short(tensors: dict[str, np.ndarray]) -> None:
    tensors["w_dec"] = np.ascontiguousarray(tensors["w_dec"][:, :-1])


def _negative(tensors: dict[str, np.ndarray]) -> None:
    tensors["threshold"][0] = -0.5


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (_turned, "dictionary tiny params_layer_1.safetensors w_enc"),
        (_short, "dictionary tiny params_layer_1.safetensors w_dec"),
        (_counted_from_its_own, "dictionary tiny source 1 decoder"),
        (_negative, "dictionary tiny threshold"),
    ],
)
def test_a_faulty_source_is_refused(tmp_path: Path, fault: Any, where: str) -> None:
    made.gs2_layers(tmp_path, kind="clt")
    file = tmp_path / "params_layer_1.safetensors"
    tensors = load_file(file)
    fault(tensors)
    save_file(tensors, file)
    with pytest.raises(SafetyCaseError) as caught:
        _sound(tmp_path)
    assert caught.value.where == where


def _sound(path: Path) -> None:
    folder = open_folder(".", path, where="d", remedy="None.")
    found = specify(folder, Stated("tiny"))
    require_sound(found, folder.files, folder.paths, where="dictionary tiny")


def test_every_file_of_a_dictionary_is_bound(tmp_path: Path) -> None:
    made.gs2_layers(tmp_path, kind="clt")
    folder = open_folder(".", tmp_path, where="d", remedy="None.")
    specify(folder, Stated("tiny"))
    names = [file.path for file in folder.files]
    assert names == ["config.json", *(f"params_layer_{i}.safetensors" for i in range(3))]
    _sound(tmp_path)
    (tmp_path / "params_layer_2.safetensors").unlink()
    with pytest.raises(RunFailed) as caught:
        _sound(tmp_path)
    assert caught.value.expected.startswith("a file params_layer_2.safetensors")
    made.ct_clt(tmp_path / "ct", kind="relu", skip=False)
    folder = open_folder("ct", tmp_path, where="d", remedy="None.")
    specify(folder, Stated("tiny", l0=25.0))
    assert len(folder.files) == 1 + 2 * BLOCKS


def _config(change: dict[str, Any]) -> Any:
    return lambda config: config.update(change)


@pytest.mark.parametrize(
    ("kind", "change", "where"),
    [
        ("clt", {"hf_hook_point_in": "model.layers.{0,1}.output"}, "dictionary tiny"),
        ("clt", {"hf_hook_point_out": None}, "dictionary tiny type"),
        ("clt", {"type": "crosscoder"}, "dictionary tiny type"),
        ("clt", {"width": 70}, "dictionary tiny width"),
        ("clt", {"architecture": "topk"}, "dictionary tiny architecture"),
        (
            "clt",
            {"affine_connection": True},
            "dictionary tiny params_layer_0.safetensors",
        ),
        ("crosscoder", {"affine_connection": True}, "dictionary tiny type"),
        (
            "crosscoder",
            {"hf_hook_point_in": "model.layers.{2,0}.output"},
            "dictionary tiny hf_hook_point_in",
        ),
        (
            "crosscoder",
            {"hf_hook_point_in": "model.layers.1.output"},
            "dictionary tiny hf_hook_point_in",
        ),
        (
            "crosscoder",
            {"hf_hook_point_in": "model.layers.{0,2}.mlp.output"},
            "dictionary tiny hf_hook_point_in",
        ),
    ],
)
def test_gemma_scope_2_of_another_kind_is_refused(
    tmp_path: Path, kind: str, change: dict[str, Any], where: str
) -> None:
    written = made.gs2_layers(tmp_path, kind=kind)
    write_json(tmp_path / "config.json", written.config | change)
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(tmp_path)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"model_kind": "transcoder_set"}, "dictionary tiny model_kind"),
        ({"activation": "topk", "k": 3}, "dictionary tiny activation"),
        ({"feature_output_hook": "hook_resid_post"}, "dictionary tiny feature_output_hook"),
        ({"feature_input_hook": "hook_mlp_in"}, "dictionary tiny feature_input_hook"),
        ({"surprise": 1}, "dictionary tiny config.yaml"),
    ],
)
def test_a_clt_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, Any], where: str
) -> None:
    written = made.ct_clt(tmp_path, kind="relu", skip=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written.config | change))
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(tmp_path, equation="clt.relu.ct", **written.stated)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("file", "name"),
    [("W_enc_1.safetensors", "W_enc_1"), ("W_dec_1.safetensors", "W_dec_1")],
)
def test_a_clt_with_a_block_of_another_shape_is_refused(
    tmp_path: Path, file: str, name: str
) -> None:
    """Decoders to all blocks, as Gemma Scope 2 has them, are no decoders from here on."""
    written = made.ct_clt(tmp_path, kind="jumprelu", skip=True)
    tensors = load_file(tmp_path / file)
    other = tensors[name]
    widened = np.concatenate([other[:, :1], other], 1) if other.ndim == 3 else other.T
    save_file(tensors | {name: np.ascontiguousarray(widened)}, tmp_path / file)
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(tmp_path, **written.stated)
    assert caught.value.where == f"dictionary tiny {file} {name}"


def test_thresholds_of_some_blocks_alone_are_refused(tmp_path: Path) -> None:
    written = made.ct_clt(tmp_path, kind="jumprelu", skip=False)
    file = tmp_path / "W_enc_2.safetensors"
    tensors = load_file(file)
    del tensors["threshold_2"]
    save_file(tensors, file)
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(tmp_path, **written.stated)
    assert caught.value.where == "dictionary tiny W_enc_2.safetensors"


@pytest.mark.parametrize(
    ("name", "fields", "fault"),
    [
        ("crosscoder", {"layers": None}, "is of several blocks; state them"),
        ("crosscoder", {"layers": [1]}, "is of several blocks; state them"),
        ("crosscoder", {"layers": [2, 1]}, "is of several blocks; state them"),
        ("crosscoder", {"layer": 2}, "is of several blocks; state them"),
        ("crosscoder", {"equation": "jumprelu.gs2"}, "is of one block"),
    ],
)
def test_blocks_that_do_not_go_with_the_equation_are_a_fault(
    name: str, fields: dict[str, Any], fault: str
) -> None:
    faults = lint(as_plan(with_dictionary(value_with(name), **fields)))
    assert any(fault in found for found in faults)
    assert not any("/layers" in found for found in lint(as_plan(value_with(name))))


def test_projecting_out_of_several_blocks_is_a_fault() -> None:
    value = value_with("clt")
    [axis] = value["axes"]
    axis["candidate"] |= {"operation": "project_out", "unit": "projection_multiple"}
    faults = lint(as_plan(value))
    assert any("is of several blocks, and how far" in found for found in faults)
    value = value_with("clt")
    contrast = {"dataset": "contrast", "label": "context", "positive": "evaluation"}
    for operation, is_fault in (("project_out", True), ("add", False)):
        value["axes"][0]["baselines"]["refusal_direction"] = {
            "contrast": contrast,
            "operation": operation,
        }
        faults = lint(as_plan(value))
        assert any("refusal_direction/operation" in found for found in faults) is is_fault


def as_plan(value: dict[str, Any]) -> Plan:
    filled = json.loads(json.dumps(value))
    for part in (filled["model"], *filled["dictionaries"]):
        part["manifest_digest"] = "0" * 64
    filled["model"]["architecture"] = "gemma3"
    for dataset in filled["datasets"]:
        dataset["sha256"] = "0" * 64
    for dictionary in filled["dictionaries"]:
        if dictionary.get("layers") is None:
            dictionary.pop("layers", None)
    return Plan.model_validate_json(json.dumps(filled))


def test_blocks_other_than_the_files_are_refused_when_the_plan_is_fixed(tiny: Tiny) -> None:
    crosscoder(tiny, tiny.folder / "crosscoder")
    value = with_dictionary(value_with("crosscoder"), layer=0, layers=[0, 2])
    with pytest.raises(RunFailed) as caught:
        freeze(write_plan(tiny, value))
    assert caught.value.where == "dictionary tiny layer"
    value = with_dictionary(value_with("crosscoder"), equation="jumprelu.gs2")
    with pytest.raises(PlanRefused):
        freeze(write_plan(tiny, value))
    assert len(TEXTS) > 1
