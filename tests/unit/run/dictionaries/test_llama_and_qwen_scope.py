"""Llama Scope and Qwen Scope: the traps of their files, and what a wrong reading would give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from safetycase.errors import RunFailed, SafetyCaseError
from safetycase.methods.sites import Place
from safetycase.run.dictionaries import qwen_scope
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.specification import Stated
from safetycase.run.folder import Folder, open_folder
from tests.unit.run.dictionaries import made
from tests.unit.run.dictionaries.made import DEPTH, HOOK_NAMES, LAYER, LLAMA_NAME, MODEL, WIDTH
from tests.unit.run.dictionaries.reference import llama_decode, llama_encode
from tests.unit.run.tiny_world import load_dictionary

Change = Callable[[dict[str, Any]], object]


def refused(folder: Path, **stated: Any) -> SafetyCaseError:
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(folder, **stated)
    return caught.value


def inputs() -> np.ndarray:
    return (2 * np.random.default_rng(5).normal(size=(40, DEPTH))).astype(np.float32)


def _swap(config: dict[str, Any]) -> None:
    norms = config["dataset_average_activation_norm"]
    norms["in"], norms["out"] = norms["out"], norms["in"]


def _unscaled(config: dict[str, Any]) -> None:
    config["dataset_average_activation_norm"] = {"in": DEPTH**0.5, "out": DEPTH**0.5}


def _like_a_dictionary(config: dict[str, Any]) -> None:
    norms = config["dataset_average_activation_norm"]
    norms["out"] = norms["in"]


def _threshold_of_training(config: dict[str, Any]) -> None:
    config["jump_relu_threshold"] *= DEPTH**0.5 / 2.25


def _no_norms(config: dict[str, Any]) -> None:
    config["sparsity_include_decoder_norm"] = False


@pytest.mark.parametrize(
    "fault", [_swap, _unscaled, _like_a_dictionary, _threshold_of_training, _no_norms]
)
def test_a_wrong_scale_is_not_the_reference(tmp_path: Path, fault: Change) -> None:
    """Each a mistake that other loaders make; the golden would not come out of it."""
    right = made.llama_scope(tmp_path / "right", site="mlp_in_ungained")
    wrong = made.llama_scope(tmp_path / "wrong", site="mlp_in_ungained")
    fault(wrong.config)
    made.write_json(wrong.folder / "hyperparams.json", wrong.config)
    x = inputs()
    f = llama_encode(right.arrays, right.config, x)
    expected = llama_decode(right.arrays, right.config, f, x)
    found = load_dictionary(wrong.folder, **wrong.stated).reconstruct(torch.from_numpy(x))
    assert np.abs(found.numpy() - expected).max() > 0.01 * np.abs(expected).max()


def test_saelens_has_the_same_features_times_the_scale(tmp_path: Path) -> None:
    """Its formula, on decoder columns of norm 1, where it leaves nothing out."""
    written = made.llama_scope(tmp_path)
    path = tmp_path / "checkpoints/final.safetensors"
    arrays = {name: array.astype(np.float32) for name, array in written.arrays.items()}
    arrays["decoder.weight"] /= np.linalg.norm(arrays["decoder.weight"], axis=0)
    save_file(arrays, path)
    scale = DEPTH**0.5 / written.config["dataset_average_activation_norm"]["in"]
    x = inputs()
    h = (x * scale) @ arrays["encoder.weight"].T + arrays["encoder.bias"]
    f = np.where(h > written.config["jump_relu_threshold"] * scale, h, 0)
    made_of_x = (f @ arrays["decoder.weight"].T + arrays["decoder.bias"]) / scale
    dictionary = load_dictionary(tmp_path, **written.stated)
    found = dictionary.encode(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found * scale, f, rtol=1e-4, atol=1e-4)
    again = dictionary.reconstruct(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(again, made_of_x, rtol=1e-4, atol=1e-4)
    rows = dictionary.decoder_rows([0, 3])
    np.testing.assert_allclose(rows, arrays["decoder.weight"].T[[0, 3]], rtol=1e-5, atol=1e-6)


def _without(key: str) -> Change:
    return lambda fields: fields.pop(key)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_without("dataset_average_activation_norm"), "dataset_average_activation_norm"),
        (
            lambda c: c.update(dataset_average_activation_norm={"in": 2.25}),
            "dataset_average_activation_norm",
        ),
        (
            lambda c: c.update(dataset_average_activation_norm={"in": 0.0, "out": 2.25}),
            "dataset_average_activation_norm",
        ),
        (_without("jump_relu_threshold"), "jump_relu_threshold"),
        (lambda c: c.update(jump_relu_threshold=0), "jump_relu_threshold"),
        (lambda c: c.update(act_fn="topk"), "act_fn"),
        (lambda c: c.update(norm_activation="token-wise"), "norm_activation"),
        (lambda c: c.update(use_glu_encoder=True), "use_glu_encoder"),
        (lambda c: c.update(use_decoder_bias=False), "use_decoder_bias"),
        (
            lambda c: c.update(apply_decoder_bias_to_pre_encoder=True),
            "apply_decoder_bias_to_pre_encoder",
        ),
        (lambda c: c.update(sparsity_include_decoder_norm=1), "sparsity_include_decoder_norm"),
        (lambda c: c.update(hook_point_in="blocks.1.hook_mlp_in"), "hook_point_in"),
        (lambda c: c.update(d_sae=WIDTH + 1), "encoder.weight"),
        (lambda c: c.update(surprise=1), "hyperparams.json"),
        (_without("norm_activation"), "hyperparams.json"),
    ],
)
def test_llama_scope_of_another_kind_is_refused(
    tmp_path: Path, change: Change, where: str
) -> None:
    written = made.llama_scope(tmp_path)
    change(written.config)
    made.write_json(tmp_path / "hyperparams.json", written.config)
    assert refused(tmp_path, **written.stated).where == f"dictionary tiny {where}"


@pytest.mark.parametrize(
    ("given", "made_of_it"),
    [
        ("resid_post", "mlp_out"),
        ("mlp_in", "mlp_out"),
        ("resid_mid", "resid_mid"),
        ("mlp_out", "resid_post"),
    ],
)
def test_llama_scope_between_other_places_is_refused(
    tmp_path: Path, given: str, made_of_it: str
) -> None:
    hooks = {"hook_point_in": HOOK_NAMES[given], "hook_point_out": HOOK_NAMES[made_of_it]}
    written = made.llama_scope(tmp_path, **hooks)
    assert refused(tmp_path, **written.stated).found.endswith(
        f"to {made_of_it} of block {LAYER}"
    )


@pytest.mark.parametrize("name", ["encoder.weight", "decoder.weight"])
def test_llama_scope_with_a_transposed_matrix_is_refused(tmp_path: Path, name: str) -> None:
    written = made.llama_scope_r1(tmp_path)
    path = tmp_path / "sae_weights.safetensors"
    tensors = load_file(path)
    tensors[name] = np.ascontiguousarray(tensors[name].T)
    save_file(tensors, path)
    assert refused(tmp_path, **written.stated).where == f"dictionary tiny {name}"


def test_r1_without_its_mean_norm_is_refused(tmp_path: Path) -> None:
    written = made.llama_scope_r1(tmp_path)
    path = tmp_path / "sae_weights.safetensors"
    held = load_file(path)
    save_file({n: t for n, t in held.items() if not n.startswith("dataset_")}, path)
    error = refused(tmp_path, **written.stated)
    assert error.where == "dictionary tiny dataset_average_activation_norm"
    assert error.found == "none"


def test_llama_scope_is_told_by_its_files_and_named_by_its_path(tmp_path: Path) -> None:
    made.llama_scope(tmp_path / LLAMA_NAME)
    folder = open_folder(LLAMA_NAME, tmp_path, where="d", remedy="None.")
    found = specify(folder, Stated("d"))
    assert (found.equation, found.reads) == ("jumprelu.llamascope", Place(LAYER, "resid_post"))
    assert (found.made_for, found.declared_l0) == ("meta-llama/Llama-3.1-8B", 20.0)
    assert [file.path for file in folder.files] == [
        "checkpoints/final.safetensors",
        "hyperparams.json",
    ]
    made.llama_scope_r1(tmp_path / "L1R")
    assert refused(tmp_path / "L1R").expected.startswith("made_for")


QWEN = "SAE-Res-Qwen3-8B-Base-W1K-L0_50"


def test_qwen_scope_is_named_by_its_folder(tmp_path: Path) -> None:
    made.qwen_scope(tmp_path)
    copy = tmp_path / f"layer{LAYER}.sae.safetensors"
    tensors = load_file(copy)
    rng = np.random.default_rng(0)
    tensors |= {
        "W_enc": made.normal(rng, 1024, DEPTH),
        "W_dec": made.normal(rng, DEPTH, 1024),
        "b_enc": made.normal(rng, 1024),
    }
    save_file(tensors, copy)

    def find(name: str) -> Path | None:
        return tmp_path / name if (tmp_path / name).is_file() else None

    folder = Folder(f"x/{QWEN}", find, where="d", local=tmp_path)
    found = qwen_scope.specify(folder, Stated("d", layer=LAYER))
    assert (found.made_for, found.declared_l0, found.form.k) == ("Qwen/Qwen3-8B-Base", 50, 50)
    assert found.reads == Place(LAYER, "resid_post")
    named = Folder(f"x/{QWEN}/{copy.name}", find, where="d")
    assert qwen_scope.specify(named, Stated("d")).reads == Place(LAYER, "resid_post")
    for stated in ({"l0": 49.0}, {"made_for": "Qwen/Qwen3-8B"}, {"site": "resid_mid"}):
        with pytest.raises(RunFailed):
            qwen_scope.specify(folder, Stated("d", layer=LAYER, **stated))


def test_a_pickle_of_qwen_scope_is_refused_with_the_way_out(tmp_path: Path) -> None:
    pickle = tmp_path / f"layer{LAYER}.sae.pt"
    pickle.write_bytes(b"\x80\x04cos\nsystem\n")
    stated = {"equation": "topk.qwenscope", "layer": LAYER, "l0": 30.0, "made_for": MODEL}
    error = refused(tmp_path, **stated)
    assert error.found == f"{pickle.name}, a pickle, which is never opened"
    assert "docs/howto/dictionaries.md" in str(error.remedy)
    with pytest.raises(RunFailed) as caught:
        open_folder(pickle.name, tmp_path, where="d", remedy="None.")
    assert "docs/howto/dictionaries.md" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"layer": None}, "the layer"),
        ({"layer": LAYER + 1}, f"a file layer{LAYER + 1}.sae.safetensors"),
        ({"l0": None}, "the whole number"),
        ({"l0": 7.5}, "the whole number"),
        ({"l0": 1000.0}, f"a part of {WIDTH} features"),
        ({"made_for": None}, "made_for"),
    ],
)
def test_qwen_scope_that_nobody_names_is_refused(
    tmp_path: Path, stated: dict[str, Any], expected: str
) -> None:
    written = made.qwen_scope(tmp_path)
    error = refused(tmp_path, **{**written.stated, **stated})
    assert error.expected.startswith(expected)


@pytest.mark.parametrize("name", ["W_enc", "W_dec"])
def test_qwen_scope_with_a_transposed_matrix_is_refused(tmp_path: Path, name: str) -> None:
    written = made.qwen_scope(tmp_path)
    path = tmp_path / f"layer{LAYER}.sae.safetensors"
    tensors = load_file(path)
    tensors[name] = np.ascontiguousarray(tensors[name].T)
    save_file(tensors, path)
    error = refused(tmp_path, **written.stated)
    assert error.where.startswith("dictionary tiny ")
    assert "(57, 32)" in error.expected or "(32, 57)" in error.expected


def test_the_documented_command_makes_the_copy_that_is_read(tmp_path: Path) -> None:
    """What docs/howto/dictionaries.md tells to run, run on a pickle of our own."""
    written = made.qwen_scope(tmp_path)
    copy = tmp_path / f"layer{LAYER}.sae.safetensors"
    tensors = {name: torch.from_numpy(array) for name, array in written.arrays.items()}
    torch.save(tensors, tmp_path / "layer30.sae.pt")
    copy.unlink()
    text = Path("docs/howto/dictionaries.md").read_text("utf-8")
    block = text.partition("```python\n")[2].partition("```")[0]
    exec(  # noqa: S102
        block.replace('"layer30', f'"{tmp_path}/layer30'), {"__name__": "documentation"}
    )
    made_copy = tmp_path / "layer30.sae.safetensors"
    for name, array in load_file(made_copy).items():
        np.testing.assert_array_equal(array, written.arrays[name])
    made_copy.rename(copy)
    assert load_dictionary(tmp_path, **written.stated).width == WIDTH
    assert json.dumps(sorted(load_file(copy))) == '["W_dec", "W_enc", "b_dec", "b_enc"]'


QWEN_CONFIG = {
    "model_type": "topk_sae",
    "base_model": "Qwen/Qwen3-8B-Base",
    "d_model": DEPTH,
    "d_sae": WIDTH,
    "k": 30,
    "num_layers": 36,
    "hook_point": "resid_post",
    "dtype": "float32",
}


def test_a_configuration_says_what_the_folder_does_not(tmp_path: Path) -> None:
    made.qwen_scope(tmp_path)
    made.write_json(tmp_path / "config.json", QWEN_CONFIG)
    folder = open_folder(".", tmp_path, where="d", remedy="None.")
    found = qwen_scope.specify(folder, Stated("d", layer=LAYER))
    assert (found.made_for, found.declared_l0, found.form.k) == ("Qwen/Qwen3-8B-Base", 30, 30)
    assert [file.path for file in folder.files] == [
        "config.json",
        f"layer{LAYER}.sae.safetensors",
    ]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"model_type": "jumprelu_sae"}, "dictionary d model_type"),
        ({"hook_point": "mlp_out"}, "dictionary d hook_point"),
        ({"d_sae": WIDTH + 1}, "dictionary d"),
        ({"k": 0}, "dictionary d"),
        ({"surprise": 1}, "dictionary d config.json"),
    ],
)
def test_a_configuration_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, Any], where: str
) -> None:
    made.qwen_scope(tmp_path)
    made.write_json(tmp_path / "config.json", QWEN_CONFIG | change)
    folder = open_folder(".", tmp_path, where="d", remedy="None.")
    with pytest.raises(SafetyCaseError) as caught:
        qwen_scope.specify(folder, Stated("d", layer=LAYER))
    assert caught.value.where == where


def test_a_configuration_and_a_name_that_differ_are_refused(tmp_path: Path) -> None:
    made.qwen_scope(tmp_path)
    made.write_json(tmp_path / "config.json", QWEN_CONFIG)
    folder = Folder(
        f"x/{QWEN}",
        lambda name: tmp_path / name if (tmp_path / name).is_file() else None,
        where="d",
    )
    with pytest.raises(RunFailed) as caught:
        qwen_scope.specify(folder, Stated("d", layer=LAYER))
    assert caught.value.where == "dictionary d config.json"
