"""Synthetic dictionaries of every family, written as their makers write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

WIDTH, DEPTH, HEADS = 57, 32, 32
"""Those of the tiny Gemma 3: its two heads of 16 are as wide as its stream."""

MODEL = "test/tiny-gemma-pt"
LAYER = 1

Array = np.ndarray


@dataclass(frozen=True)
class Made:
    """A dictionary on disk: its raw arrays, its configuration, what a plan must state."""

    folder: Path
    arrays: dict[str, Array]
    config: dict[str, Any]
    site: str
    stated: dict[str, Any] = field(default_factory=dict)


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.normal(size=shape).astype(np.float32)


def unit_rows(rng: np.random.Generator, count: int, depth: int) -> Array:
    rows = rng.normal(size=(count, depth))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


GS2_HOOKS = {
    "resid_post": f"model.layers.{LAYER}.output",
    "attn_heads": f"model.layers.{LAYER}.self_attn.o_proj.input",
    "mlp_out": f"model.layers.{LAYER}.post_feedforward_layernorm.output",
    "mlp_in": f"model.layers.{LAYER}.pre_feedforward_layernorm.output",
}


def gs2_arrays(rng: np.random.Generator, *, skip: bool) -> dict[str, Array]:
    arrays = {
        "w_enc": normal(rng, DEPTH, WIDTH) / np.float32(4),
        "w_dec": unit_rows(rng, WIDTH, DEPTH),
        "b_enc": normal(rng, WIDTH) / np.float32(4),
        "b_dec": normal(rng, DEPTH),
        "threshold": np.abs(normal(rng, WIDTH)),
    }
    if skip:
        arrays["affine_skip_connection"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
    return arrays


def gs2(folder: Path, *, site: str, skip: bool | None, seed: int = 0) -> Made:
    """A single-layer folder; `skip` is none for a dictionary, else a transcoder's."""
    arrays = gs2_arrays(np.random.default_rng(seed), skip=bool(skip))
    config = {
        "model_name": MODEL,
        "architecture": "jump_relu",
        "type": "sae" if skip is None else "transcoder",
        "hf_hook_point_in": GS2_HOOKS[site],
        "hf_hook_point_out": None if skip is None else GS2_HOOKS["mlp_out"],
        "width": WIDTH,
        "l0": 20,
        "affine_connection": bool(skip),
    }
    write_json(folder / "config.json", config)
    save_file(arrays, folder / "params.safetensors")
    return Made(folder, arrays, config, site)


MAKERS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "gs2 resid_post": ("jumprelu.gs2", lambda p: gs2(p, site="resid_post", skip=None)),
    "gs2 attn_out": ("jumprelu.gs2", lambda p: gs2(p, site="attn_heads", skip=None)),
    "gs2 mlp_out": ("jumprelu.gs2", lambda p: gs2(p, site="mlp_out", skip=None)),
    "gs2 transcoder": (
        "transcoder.jumprelu.gs2",
        lambda p: gs2(p, site="mlp_in", skip=False),
    ),
    "gs2 affine transcoder": (
        "transcoder.jumprelu.affine.gs2",
        lambda p: gs2(p, site="mlp_in", skip=True),
    ),
}
"""Every kind of dictionary that is read, with its equation."""
