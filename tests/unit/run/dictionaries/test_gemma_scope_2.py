"""Gemma Scope 2 is read as its files say; what is not known is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from safetycase.errors import RunFailed, SafetyCaseError, SchemaViolation
from safetycase.methods.sites import Place
from safetycase.run.dictionaries.gemma_scope_2 import place_of
from tests.unit.run.dictionaries.made import (
    DEPTH,
    GS2_HOOKS,
    LAYER,
    WIDTH,
    gs2,
    gs2_arrays,
    write_json,
)
from tests.unit.run.tiny_world import load_dictionary

# As published, by the table of hook paths: size, layer, text or wrapped model.
PUBLISHED = {
    "model.layers.12.output": Place(12, "resid_post"),
    "model.layers.53.self_attn.o_proj.input": Place(53, "attn_heads"),
    "model.layers.0.post_feedforward_layernorm.output": Place(0, "mlp_out"),
    "model.layers.25.pre_feedforward_layernorm.output": Place(25, "mlp_in"),
    "model.language_model.layers.29.output": Place(29, "resid_post"),
}


@pytest.mark.parametrize("hook", sorted(PUBLISHED))
def test_published_hooks_name_their_places(hook: str) -> None:
    assert place_of(hook, where="here") == PUBLISHED[hook]


@pytest.mark.parametrize(
    "hook",
    ["model.layers.x.output", "model.layers.1.mlp.output", "blocks.1.hook_resid_post", ""],
)
def test_other_hooks_are_refused(hook: str) -> None:
    with pytest.raises(RunFailed) as refused:
        place_of(hook, where="here")
    assert refused.value.found == hook


def rewritten(folder: Path, *, skip: bool | None = None, **changes: Any) -> Path:
    written = gs2(folder, site="resid_post" if skip is None else "mlp_in", skip=skip)
    write_json(folder / "config.json", {**written.config, **changes})
    return folder


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"architecture": "topk"}, "dictionary tiny architecture"),
        ({"type": "transcoder"}, "dictionary tiny"),
        ({"type": "crosscoder"}, "dictionary tiny type"),
        ({"affine_connection": True}, "dictionary tiny type"),
        ({"affine_connection": 1}, "dictionary tiny type"),
        ({"hf_hook_point_in": "model.layers.1.mlp.output"}, "dictionary tiny hf_hook_point_in"),
        ({"hf_hook_point_in": GS2_HOOKS["mlp_in"]}, "dictionary tiny"),
        (
            {"hf_hook_point_out": "model.layers.2.output"},
            "dictionary tiny hf_hook_point_out",
        ),
        ({"width": WIDTH + 1}, "dictionary tiny w_enc"),
        ({"l0": 0}, "dictionary tiny l0"),
        ({"l0": True}, "dictionary tiny l0"),
        ({"surprise": 1}, "dictionary tiny config.json"),
    ],
)
def test_unknown_kinds_are_refused(tmp_path: Path, changes: Any, where: str) -> None:
    with pytest.raises(SafetyCaseError) as refused:
        load_dictionary(rewritten(tmp_path, **changes))
    assert refused.value.where == where


@pytest.mark.parametrize(
    "changes",
    [
        {"hf_hook_point_in": GS2_HOOKS["resid_post"]},
        {"hf_hook_point_out": None},
        {"hf_hook_point_out": "model.layers.2.post_feedforward_layernorm.output"},
        {"hf_hook_point_out": GS2_HOOKS["resid_post"]},
    ],
)
def test_a_transcoder_goes_from_the_input_to_the_output_of_one_mlp(
    tmp_path: Path, changes: Any
) -> None:
    with pytest.raises(RunFailed) as refused:
        load_dictionary(rewritten(tmp_path, skip=True, **changes))
    assert refused.value.expected == "a transcoder from mlp_in to mlp_out of one block"


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    written = gs2(tmp_path, site="resid_post", skip=None)
    del written.config["l0"]
    write_json(tmp_path / "config.json", written.config)
    with pytest.raises(SchemaViolation):
        load_dictionary(tmp_path)


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    (tmp_path / "config.json").unlink()
    with pytest.raises(RunFailed) as refused:
        load_dictionary(tmp_path, equation="jumprelu.gs2")
    assert refused.value.expected.startswith("a file config.json")


@pytest.mark.parametrize(
    ("stated", "where"),
    [
        ({"layer": 2}, "dictionary tiny layer"),
        ({"site": "mlp_out"}, "dictionary tiny site"),
        ({"l0": 30.0}, "dictionary tiny l0"),
        ({"made_for": "google/gemma-3-1b-pt"}, "dictionary tiny made_for"),
        ({"equation": "transcoder.jumprelu.gs2"}, "dictionary tiny equation"),
    ],
)
def test_what_a_plan_says_otherwise_is_refused(
    tmp_path: Path, stated: dict[str, Any], where: str
) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    with pytest.raises(RunFailed) as refused:
        load_dictionary(tmp_path, **stated)
    assert refused.value.where == where


def test_what_a_plan_says_alike_is_taken(tmp_path: Path) -> None:
    gs2(tmp_path, site="mlp_in", skip=True)
    dictionary = load_dictionary(
        tmp_path,
        equation="transcoder.jumprelu.affine.gs2",
        site="mlp_in",
        layer=LAYER,
        l0=20.0,
        made_for="test/tiny-gemma-pt",
    )
    assert (dictionary.width, dictionary.model_width) == (WIDTH, DEPTH)
    assert dictionary.declared_l0 == 20.0


def _transposed(t: dict[str, np.ndarray]) -> None:
    t["w_dec"] = np.ascontiguousarray(t["w_dec"].T)


def _double(t: dict[str, np.ndarray]) -> None:
    t["b_dec"] = t["b_dec"].astype(np.float64)


def _whole_numbers(t: dict[str, np.ndarray]) -> None:
    t["b_dec"] = t["b_dec"].astype(np.int32)


def _extra(t: dict[str, np.ndarray]) -> None:
    t["affine_skip_connection"] = np.zeros((DEPTH, DEPTH), dtype=np.float32)


def _fewer(t: dict[str, np.ndarray]) -> None:
    del t["threshold"]


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (_transposed, "dictionary tiny w_dec"),
        (_double, "dictionary tiny b_dec"),
        (_whole_numbers, "dictionary tiny b_dec"),
        (_extra, "dictionary tiny"),
        (_fewer, "dictionary tiny"),
    ],
)
def test_other_tensors_are_refused(tmp_path: Path, fault: Any, where: str) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    tensors = gs2_arrays(np.random.default_rng(0), skip=False)
    fault(tensors)
    save_file(tensors, tmp_path / "params.safetensors")
    with pytest.raises(RunFailed) as refused:
        load_dictionary(tmp_path)
    assert refused.value.where == where


def test_an_affine_transcoder_without_its_matrix_is_refused(tmp_path: Path) -> None:
    gs2(tmp_path, site="mlp_in", skip=True)
    save_file(gs2_arrays(np.random.default_rng(0), skip=False), tmp_path / "params.safetensors")
    with pytest.raises(RunFailed) as refused:
        load_dictionary(tmp_path)
    assert "affine_skip_connection" in refused.value.expected


def test_the_threshold_is_strict(tmp_path: Path) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    t = gs2_arrays(np.random.default_rng(0), skip=False)
    t["w_enc"][:] = 0.0
    t["b_enc"][:] = t["threshold"]
    save_file(t, tmp_path / "params.safetensors")
    assert not load_dictionary(tmp_path).encode(torch.zeros(1, DEPTH)).any()


def test_free_metadata_does_no_harm(tmp_path: Path) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    tensors = gs2_arrays(np.random.default_rng(0), skip=False)
    save_file(tensors, tmp_path / "params.safetensors", metadata={"format": "pt"})
    assert load_dictionary(tmp_path).model_width == DEPTH
