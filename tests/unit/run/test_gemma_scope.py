"""Dictionaries are loaded as their files say and computed as an outside oracle does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from safetycase.errors import RunFailed, SafetyCaseError, SchemaViolation
from safetycase.run.dictionaries.gemma_scope import Dictionary, load_dictionary, require_fit
from tests.unit.run.tiny_world import DICTIONARY_CONFIG, LAYER, write_dictionary

WIDTH, DEPTH = 23, 11


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(WIDTH, DEPTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {
        "w_enc": rng.normal(size=(DEPTH, WIDTH)).astype(np.float32),
        "w_dec": rows.astype(np.float32),
        "b_enc": rng.normal(size=WIDTH).astype(np.float32),
        "b_dec": rng.normal(size=DEPTH).astype(np.float32),
        "threshold": np.abs(rng.normal(size=WIDTH)).astype(np.float32),
    }


def config(**changes: object) -> dict[str, object]:
    return {**DICTIONARY_CONFIG, "width": WIDTH, **changes}


def load(folder: Path, layer: int = LAYER) -> Dictionary:
    return load_dictionary("d", folder, layer=layer, device=torch.device("cpu"))


def oracle_encode(x: np.ndarray, t: dict[str, np.ndarray]) -> np.ndarray:
    """Feature by feature, in float64, from the published equation."""
    f = np.zeros((len(x), WIDTH))
    for i, row in enumerate(x.astype(np.float64)):
        for j in range(WIDTH):
            z = float(sum(row[k] * float(t["w_enc"][k, j]) for k in range(DEPTH)))
            z += float(t["b_enc"][j])
            f[i, j] = max(z, 0.0) if z > t["threshold"][j] else 0.0
    return f


def test_encode_and_decode_agree_with_an_independent_computation(tmp_path: Path) -> None:
    t = tensors()
    d = load(write_dictionary(tmp_path, t, config()))
    x = np.random.default_rng(5).normal(size=(40, DEPTH)).astype(np.float32) * 2
    expected = oracle_encode(x, t)
    f = d.encode(torch.from_numpy(x)).numpy()
    assert 0 < (f > 0).mean() < 1
    np.testing.assert_allclose(f, expected, atol=1e-5)
    explained = expected @ t["w_dec"].astype(np.float64) + t["b_dec"]
    np.testing.assert_allclose(d.reconstruct(torch.from_numpy(x)).numpy(), explained, atol=1e-5)
    chosen = [3, 0, 20]
    np.testing.assert_allclose(
        d.encode_chosen(torch.from_numpy(x), chosen).numpy(), expected[:, chosen], atol=1e-5
    )
    np.testing.assert_array_equal(d.decoder_rows(chosen), t["w_dec"][chosen])
    assert (d.model_width, d.config.width, d.config.declared_l0) == (DEPTH, WIDTH, 30.0)


def test_the_threshold_is_strict(tmp_path: Path) -> None:
    t = tensors()
    t["w_enc"][:] = 0.0
    t["b_enc"][:] = t["threshold"]
    d = load(write_dictionary(tmp_path, t, config()))
    assert not d.encode(torch.zeros(1, DEPTH)).any()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"architecture": "topk"}, "dictionary d"),
        ({"type": "transcoder"}, "dictionary d"),
        ({"affine_connection": True}, "dictionary d"),
        ({"hf_hook_point_in": "model.layers.1.mlp.output"}, "dictionary d"),
        ({"hf_hook_point_out": "model.layers.2.output"}, "dictionary d"),
        ({"width": WIDTH + 1}, "dictionary d w_enc"),
        ({"l0": 0}, "dictionary d l0"),
        ({"l0": True}, "dictionary d l0"),
        ({"surprise": 1}, "dictionary d config.json"),
    ],
)
def test_unknown_kinds_are_refused(tmp_path: Path, change: Any, where: str) -> None:
    with pytest.raises(SafetyCaseError) as refused:
        load(write_dictionary(tmp_path, tensors(), config(**change)))
    assert refused.value.where == where


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    short = config()
    del short["l0"]
    with pytest.raises(SchemaViolation):
        load(write_dictionary(tmp_path, tensors(), short))


def test_another_layer_than_planned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailed) as refused:
        load(write_dictionary(tmp_path, tensors(), config()), layer=2)
    assert refused.value.found == "hook model.layers.1.output"


def _nan(t: dict[str, np.ndarray]) -> None:
    t["b_enc"][3] = np.nan


def _negative(t: dict[str, np.ndarray]) -> None:
    t["threshold"][0] = -0.1


def _long(t: dict[str, np.ndarray]) -> None:
    t["w_dec"][2] *= 1.1


def _transposed(t: dict[str, np.ndarray]) -> None:
    t["w_dec"] = np.ascontiguousarray(t["w_dec"].T)


def _double(t: dict[str, np.ndarray]) -> None:
    t["b_dec"] = t["b_dec"].astype(np.float64)


def _extra(t: dict[str, np.ndarray]) -> None:
    t["affine_skip_connection"] = np.zeros((DEPTH, DEPTH), dtype=np.float32)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (_nan, "dictionary d b_enc"),
        (_negative, "dictionary d threshold"),
        (_long, "dictionary d w_dec"),
        (_transposed, "dictionary d w_dec"),
        (_double, "dictionary d b_dec"),
        (_extra, "dictionary d"),
    ],
)
def test_faulty_tensors_are_refused(
    tmp_path: Path, fault: Callable[[dict[str, np.ndarray]], None], where: str
) -> None:
    t = tensors()
    fault(t)
    with pytest.raises(RunFailed) as refused:
        load(write_dictionary(tmp_path, t, config()))
    assert refused.value.where == where


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    write_dictionary(tmp_path, tensors(), config())
    (tmp_path / "params.safetensors").write_bytes(b"PK\x03\x04 not one")
    with pytest.raises(RunFailed):
        load(tmp_path)


def test_free_metadata_does_no_harm(tmp_path: Path) -> None:
    write_dictionary(tmp_path, tensors(), config())
    save_file(tensors(), tmp_path / "params.safetensors", metadata={"format": "pt"})
    assert load(tmp_path).model_width == DEPTH


@pytest.mark.parametrize(
    ("made_for", "model", "width", "fits"),
    [
        ("google/gemma-3-270m-pt", "google/gemma-3-270m", DEPTH, True),
        ("google/gemma-3-270m-pt", "Gemma 3 270M (PT, 4 bits)", DEPTH, True),
        ("google/gemma-v3-1b-it", "google/gemma-3-1b-it", DEPTH, True),
        ("google/gemma-3-1b-pt", "google/gemma-3-1b-it", DEPTH, False),
        ("google/gemma-3-1b-it", "google/gemma-3-1b", DEPTH, False),
        ("google/gemma-3-4b-pt", "google/gemma-3-1b", DEPTH, False),
        ("google/gemma-3-270m-pt", "google/gemma-3-270m", DEPTH + 1, False),
    ],
)
def test_a_dictionary_of_another_model_is_refused(
    tmp_path: Path, made_for: str, model: str, width: int, fits: bool
) -> None:
    d = load(write_dictionary(tmp_path, tensors(), config(model_name=made_for)))
    if fits:
        require_fit(d, model_name=model, model_width=width, where="here")
        return
    with pytest.raises(RunFailed) as refused:
        require_fit(d, model_name=model, model_width=width, where="here")
    assert refused.value.where == "here"
