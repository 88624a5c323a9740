"""Combinations that a family does not define are refused, never filled in by a default."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from safetycase.errors import RunFailed, SafetyCaseError
from safetycase.methods.sites import Place
from safetycase.run.dictionaries import gemma_scope_1, hook_names, sparsify
from safetycase.run.dictionaries.specification import Stated
from safetycase.run.folder import Folder
from tests.unit.run.dictionaries import made
from tests.unit.run.dictionaries.made import LAYER, MODEL, Made
from tests.unit.run.tiny_world import load_dictionary

Change = Callable[[dict[str, Any]], object]


def refused(folder: Path, **stated: Any) -> SafetyCaseError:
    with pytest.raises(SafetyCaseError) as caught:
        load_dictionary(folder, **stated)
    return caught.value


def reconfigured(written: Made, change: Change) -> Made:
    name = "cfg.json" if (written.folder / "cfg.json").is_file() else "config.yaml"
    change(written.config)
    spell = json.dumps if name.endswith("json") else yaml.safe_dump
    (written.folder / name).write_text(spell(written.config))
    return written


def retensored(written: Made, change: Change) -> Made:
    [path] = written.folder.glob("*.safetensors")
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    return written


# --- Gemma Scope 1: no configuration, names in the path


def gs1_folder(path: Path, address: str) -> Folder:
    made.gs1(path, site="resid_post")
    return Folder(address, lambda name: path / name, where="d", local=path)


@pytest.mark.parametrize(
    ("address", "place", "model", "l0"),
    [
        (
            "hf://google/gemma-scope-2b-pt-res@REV/layer_20/width_16k/average_l0_71",
            Place(20, "resid_post"),
            "google/gemma-2-2b",
            71.0,
        ),
        (
            "hf://google/gemma-scope-9b-it-res@REV/layer_9/width_131k/average_l0_22",
            Place(9, "resid_post"),
            "google/gemma-2-9b-it",
            22.0,
        ),
        (
            "../gemma-scope-27b-pt-att/layer_0/width_16k/average_l0_30",
            Place(0, "attn_heads"),
            "google/gemma-2-27b",
            30.0,
        ),
        (
            "hf://google/gemma-scope-2b-pt-transcoders@REV/layer_3/width_16k/average_l0_54",
            Place(3, "mlp_in_ungained"),
            "google/gemma-2-2b",
            54.0,
        ),
        (
            "gemma-scope-2b-pt-mlp/layer_5/width_16k/average_l0_18/params.npz",
            Place(5, "mlp_out"),
            "google/gemma-2-2b",
            18.0,
        ),
    ],
)
def test_gemma_scope_1_is_named_by_its_path(
    tmp_path: Path, address: str, place: Place, model: str, l0: float
) -> None:
    found = gemma_scope_1.specify(gs1_folder(tmp_path, address), Stated("d"))
    assert (found.reads, found.made_for, found.declared_l0) == (place, model, l0)
    transcoder = place.site == "mlp_in_ungained"
    assert found.writes == (Place(place.layer, "mlp_out") if transcoder else place)
    assert found.equation == ("transcoder.jumprelu.gs1" if transcoder else "jumprelu.gs1")


@pytest.mark.parametrize(
    ("address", "stated", "what"),
    [
        (".", {}, "the site that it reads"),
        (".", {"site": "resid_post"}, "site and layer"),
        (".", {"site": "resid_post", "layer": 1}, "l0"),
        (".", {"site": "resid_post", "layer": 1, "l0": 9.0}, "made_for"),
        (".", {"site": "mlp_in"}, "a site of resid_post"),
        ("gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6", {}, "a dictionary at"),
        ("gemma-scope-2b-pt-res/layer_2/average_l0_6", {"layer": 3}, "3, as stated"),
        ("gemma-scope-2b-pt-res/layer_2/average_l0_6", {"site": "mlp_out"}, "mlp_out, as"),
        (
            "gemma-scope-2b-pt-res/layer_2/average_l0_6",
            {"equation": "transcoder.jumprelu.gs1"},
            "transcoder.jumprelu.gs1, as stated",
        ),
    ],
)
def test_gemma_scope_1_that_nobody_names_is_refused(
    tmp_path: Path, address: str, stated: dict[str, Any], what: str
) -> None:
    with pytest.raises(RunFailed) as caught:
        gemma_scope_1.specify(gs1_folder(tmp_path, address), Stated("d", **stated))
    assert caught.value.expected.startswith(what)


@pytest.mark.parametrize(
    ("arrays", "where"),
    [
        ({"W_dec": np.zeros((5, 3), np.float32)}, "dictionary tiny w_dec"),
        ({"b_enc": np.zeros(made.WIDTH)}, "dictionary tiny b_enc"),
        ({"scaling_factor": np.full(made.WIDTH, 2.0)}, "dictionary tiny scaling_factor"),
        ({"more": np.zeros(3, np.float32)}, "dictionary tiny"),
    ],
)
def test_gemma_scope_1_with_other_arrays_is_refused(
    tmp_path: Path, arrays: dict[str, Any], where: str
) -> None:
    written = made.gs1(tmp_path, site="resid_post")
    np.savez(tmp_path / "params.npz", **{**written.arrays, **arrays})
    assert refused(tmp_path, **written.stated).where == where


def test_gemma_scope_1_in_lower_case_with_factors_of_one(tmp_path: Path) -> None:
    written = made.gs1(tmp_path, site="resid_post")
    arrays = {name.lower(): array for name, array in written.arrays.items()}
    ones = np.ones(made.WIDTH, np.float32)
    np.savez_compressed(tmp_path / "params.npz", **arrays, scaling_factor=ones)
    assert load_dictionary(tmp_path, **written.stated).width == made.WIDTH


# --- SAELens


def _metadata(**changes: Any) -> Change:
    return lambda config: config["metadata"].update(changes)


def _without(key: str) -> Change:
    return lambda config: config.pop(key)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_without("architecture"), "dictionary tiny cfg.json"),
        (_without("apply_b_dec_to_input"), "dictionary tiny cfg.json"),
        (_without("normalize_activations"), "dictionary tiny cfg.json"),
        (_without("d_sae"), "dictionary tiny cfg.json"),
        (lambda c: c.update(architecture="temporal"), "dictionary tiny architecture"),
        (lambda c: c.update(architecture="abstopk"), "dictionary tiny architecture"),
        (
            lambda c: c.update(normalize_activations="expected_average_only_in"),
            "dictionary tiny normalize_activations",
        ),
        (
            lambda c: c.update(normalize_activations="covariance_whitening"),
            "dictionary tiny normalize_activations",
        ),
        (lambda c: c.update(apply_b_dec_to_input=1), "dictionary tiny apply_b_dec_to_input"),
        (lambda c: c.update(finetuning_scaling_factor=True), "dictionary tiny finetuning_"),
        (_metadata(hook_head_index=3), "dictionary tiny hook_head_index"),
        (_metadata(hook_name="blocks.1.hook_mlp_in"), "dictionary tiny hook_name"),
        (_metadata(hook_name="blocks.1.mlp.hook_post"), "dictionary tiny hook_name"),
        (_metadata(hook_name="hook_embed"), "dictionary tiny hook_name"),
        (_metadata(hf_hook_name="model.layers.1.mlp.output"), "dictionary tiny hf_hook_name"),
        (
            _metadata(model_from_pretrained_kwargs={"center_writing_weights": True}),
            "dictionary tiny model_from_pretrained_kwargs",
        ),
        (_metadata(model_name=None), "dictionary tiny model_name"),
        (lambda c: c.update(d_in=made.DEPTH + 1), "dictionary tiny"),
    ],
)
def test_saelens_of_another_kind_is_refused(tmp_path: Path, change: Change, where: str) -> None:
    written = reconfigured(made.saelens(tmp_path, "standard"), change)
    assert refused(tmp_path, **written.stated).where.startswith(where)


def test_saelens_names_its_place_by_the_path_where_it_has_one(tmp_path: Path) -> None:
    """`hook_mlp_in` has two meanings; the path in transformers has one."""
    path = "model.layers.1.pre_feedforward_layernorm.output"
    change = _metadata(
        hook_name="blocks.1.hook_mlp_in",
        hf_hook_name=path,
        hf_hook_name_out="model.layers.1.post_feedforward_layernorm.output",
    )
    written = reconfigured(
        made.saelens(tmp_path, "jumprelu_skip_transcoder", site="mlp_in"), change
    )
    found = load_dictionary(tmp_path, **written.stated)
    assert (found.reads, found.writes) == (Place(1, "mlp_in"), Place(1, "mlp_out"))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: c.update(apply_b_dec_to_input=True), "dictionary tiny apply_b_dec_to_input"),
        (_metadata(hook_name_out="blocks.2.hook_mlp_out"), "dictionary tiny hook_name_out"),
        (_metadata(hook_name_out="blocks.1.hook_resid_post"), "dictionary tiny hook_name_out"),
        (_metadata(hook_name_out=None), "dictionary tiny hook_name_out"),
    ],
)
def test_a_saelens_transcoder_of_another_kind_is_refused(
    tmp_path: Path, change: Change, where: str
) -> None:
    written = reconfigured(made.saelens(tmp_path, "transcoder", site="mlp_in"), change)
    assert refused(tmp_path, **written.stated).where == where


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("b_enc"),
        lambda t: t.update(threshold=np.zeros(made.WIDTH, np.float32)),
        lambda t: t.update(W_dec=np.ascontiguousarray(t["W_dec"].T)),
        lambda t: t.update(scaling_factor=np.full(made.WIDTH, 1.5, np.float32)),
    ],
)
def test_saelens_with_other_tensors_is_refused(tmp_path: Path, change: Change) -> None:
    written = retensored(made.saelens(tmp_path, "standard"), change)
    assert refused(tmp_path, **written.stated).where.startswith("dictionary tiny")


def test_saelens_l0_is_the_sum_of_its_frequencies(tmp_path: Path) -> None:
    made.saelens(tmp_path, "standard")
    assert refused(tmp_path).expected.startswith("l0")
    shares = np.linspace(0.01, 0.5, made.WIDTH)
    save_file(
        {"sparsity": np.log10(shares).astype(np.float32)}, tmp_path / "sparsity.safetensors"
    )
    assert load_dictionary(tmp_path).declared_l0 == pytest.approx(shares.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: c.update(activation_fn_str="tanh-relu"), "dictionary tiny activation_fn"),
        (lambda c: c.update(normalize_activations=True), "dictionary tiny normalize_"),
        (lambda c: c.update(hook_point_head_index=0), "dictionary tiny hook_head_index"),
        (lambda c: c.update(architecture="transcoder"), "dictionary tiny architecture"),
        (lambda c: c.update(hook_point="blocks.1.hook_pos_embed"), "dictionary tiny hook_name"),
    ],
)
def test_older_saelens_of_another_kind_is_refused(
    tmp_path: Path, change: Change, where: str
) -> None:
    written = reconfigured(made.saelens5(tmp_path, "standard"), change)
    assert refused(tmp_path, **written.stated).where.startswith(where)


def test_the_version_decides_what_silence_means(tmp_path: Path) -> None:
    """The same flat file: of version 5 it has its defaults, of version 6 it has none."""
    written = made.saelens5(tmp_path, "standard", sae_lens_version="5.4.1")
    assert load_dictionary(tmp_path, **written.stated).equation == "standard.saelens5"
    reconfigured(written, lambda c: c.update(sae_lens_version="6.0.0"))
    assert refused(tmp_path, **written.stated).where == "dictionary tiny cfg.json"


# --- sparsify


@pytest.mark.parametrize(
    ("name", "equation", "architecture", "place"),
    [
        ("layers.10", "topk.sparsify", "gemma3", Place(10, "resid_post")),
        ("h.3", "topk.sparsify", "gpt2", Place(3, "resid_post")),
        ("layers.10.mlp", "topk.sparsify", "llama", Place(10, "mlp_out")),
        ("layers.4.attention", "topk.sparsify", "gpt_neox", Place(4, "attn_out")),
        ("layers.10.mlp", "transcoder.topk.sparsify", "gemma3", Place(10, "mlp_in")),
        ("some-folder", "topk.sparsify", None, None),
    ],
)
def test_sparsify_is_hooked_where_its_folder_says(
    name: str, equation: Any, architecture: Any, place: Place | None
) -> None:
    folder = Folder(f"x/{name}", lambda _: None, where="d")
    stated = Stated("d", architecture=architecture)
    assert sparsify._reads(folder, equation, stated) == place


@pytest.mark.parametrize(
    ("name", "equation", "architecture"),
    [
        ("layers.10.mlp", "topk.sparsify", "gemma2"),
        ("layers.10.mlp", "topk.sparsify", None),
        ("layers.10", "transcoder.topk.sparsify", "llama"),
        ("layers.10.self_attn", "transcoder.topk.sparsify", "llama"),
    ],
)
def test_sparsify_at_a_module_that_is_no_site_is_refused(
    name: str, equation: Any, architecture: Any
) -> None:
    folder = Folder(f"x/{name}", lambda _: None, where="d")
    with pytest.raises(RunFailed):
        sparsify._reads(folder, equation, Stated("d", architecture=architecture))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: c.update(signed=True), "dictionary tiny signed"),
        (lambda c: c.update(activation="relu"), "dictionary tiny activation"),
        (lambda c: c.update(k=0), "dictionary tiny k"),
        (lambda c: c.update(k=made.WIDTH + 1), "dictionary tiny k"),
        (lambda c: c.update(activation="groupmax", k=4), "dictionary tiny k"),
        (lambda c: c.update(skip_connection=True), "dictionary tiny"),
        (lambda c: c.update(num_latents=0), "dictionary tiny encoder.weight"),
        (lambda c: c.update(surprise=1), "dictionary tiny cfg.json"),
        (_without("d_in"), "dictionary tiny cfg.json"),
    ],
)
def test_sparsify_of_another_kind_is_refused(
    tmp_path: Path, change: Change, where: str
) -> None:
    written = reconfigured(
        made.sparsify(tmp_path, transcode=False, skip=False, activation="topk"), change
    )
    assert refused(tmp_path, **written.stated).where == where


def test_older_sparsify_is_what_the_plan_says(tmp_path: Path) -> None:
    written = made.sparsify(tmp_path, transcode=False, skip=False, activation=None)
    assert load_dictionary(tmp_path, **written.stated).equation == "topk.sparsify"
    unsaid = {key: value for key, value in written.stated.items() if key != "equation"}
    assert refused(tmp_path, **unsaid).where == "dictionary tiny activation"


# --- circuit-tracer


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda c: c.update(model_kind="cross_layer_transcoder"), "dictionary tiny model_kind"),
        (lambda c: c.update(feature_input_hook="hook_mlp_in"), "dictionary tiny feature_input"),
        (lambda c: c.update(feature_output_hook="mlp.hook_out"), "dictionary tiny feature_out"),
        (
            lambda c: c.update(feature_output_hook="hook_resid_post"),
            "dictionary tiny feature_o",
        ),
        (lambda c: c.update(transcoders=["hf://a/b/c"]), "dictionary tiny config.yaml"),
        (lambda c: c.update(activation="jump_relu"), "dictionary tiny activation"),
        (lambda c: c.update(activation="gelu"), "dictionary tiny activation"),
        (lambda c: c.update(activation="topk"), "dictionary tiny k"),
        (_without("model_name"), "dictionary tiny config.yaml"),
    ],
)
def test_circuit_tracer_of_another_kind_is_refused(
    tmp_path: Path, change: Change, where: str
) -> None:
    written = reconfigured(made.circuit_tracer(tmp_path, "relu", skip=False), change)
    assert refused(tmp_path, **written.stated).where.startswith(where)


def test_a_layer_of_a_set_must_be_named_and_there(tmp_path: Path) -> None:
    made.circuit_tracer(tmp_path, "relu", skip=False)
    assert refused(tmp_path, l0=25.0).expected == "the layer"
    assert refused(tmp_path, l0=25.0, layer=2).expected.startswith("a file layer_2.safetensors")


@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
def test_the_output_of_an_mlp_is_what_it_adds_where_no_norm_follows(architecture: Any) -> None:
    assert hook_names.site_of("mlp.hook_out", architecture, where="d") == "mlp_out"
    assert hook_names.place_of("blocks.7.hook_resid_mid", None, where="d") == Place(
        7, "resid_mid"
    )


# --- any family


def test_a_folder_that_nobody_knows_is_refused_with_the_names_that_are_known(
    tmp_path: Path,
) -> None:
    error = refused(tmp_path)
    assert "sae_weights.safetensors" in error.expected
    assert error.found == "none"
    (tmp_path / "ae.pt").write_bytes(b"\x80")
    assert "ae.pt, a pickle" in str(refused(tmp_path).found)


def test_files_of_one_family_are_not_read_by_the_equation_of_another(tmp_path: Path) -> None:
    made.gs2(tmp_path, site="resid_post", skip=None)
    error = refused(tmp_path, equation="standard.saelens")
    assert error.expected.startswith("a file cfg.json")


def test_a_model_of_another_name_is_told_apart(tmp_path: Path) -> None:
    written = made.circuit_tracer(tmp_path, "relu", skip=False)
    stated = {**written.stated, "made_for": "test/other"}
    assert refused(tmp_path, **stated).found == f"{MODEL} by its files"
    assert LAYER == 1
