"""Synthetic dictionaries of several blocks, written as their makers write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

from tests.unit.run.dictionaries.made import DEPTH, MODEL, Array, Made, normal, write_json

EACH, BLOCKS = 23, 3
WIDTH = EACH * BLOCKS
"""Features of all sources; the tiny Gemma 3 has three blocks."""

CROSSCODER_LAYERS = (0, 2)

GS2_CLT_IN = "model.layers.{all}.pre_feedforward_layernorm.output"
GS2_CLT_OUT = "model.layers.{all}.post_feedforward_layernorm.output"


def gs2_layers(
    folder: Path, *, kind: str, affine: bool = False, seed: int = 11, backward: float = 1e-5
) -> Made:
    """A file a block; decoders to all blocks, those to earlier ones next to nothing."""
    rng = np.random.default_rng(seed)
    layers = CROSSCODER_LAYERS if kind == "crosscoder" else tuple(range(BLOCKS))
    hook = f"model.layers.{{{','.join(map(str, layers))}}}.output"
    config: dict[str, Any] = {
        "model_name": MODEL,
        "architecture": "jump_relu",
        "type": kind,
        "hf_hook_point_in": GS2_CLT_IN if kind == "clt" else hook,
        "hf_hook_point_out": GS2_CLT_OUT if kind == "clt" else hook,
        "width": EACH * len(layers),
        "l0": 25,
        "affine_connection": affine,
    }
    write_json(folder / "config.json", config)
    arrays: dict[str, Array] = {}
    for number in range(len(layers)):
        decoder = normal(rng, EACH, len(layers), DEPTH)
        decoder[:, :number] *= np.float32(backward)
        tensors = {
            "w_enc": normal(rng, DEPTH, EACH) / np.float32(4),
            "w_dec": decoder,
            "b_enc": normal(rng, EACH) / np.float32(4),
            "b_dec": normal(rng, DEPTH),
            "threshold": np.abs(normal(rng, EACH)),
        }
        if affine:
            tensors["affine_skip_connection"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
        save_file(tensors, folder / f"params_layer_{number}.safetensors")
        arrays |= {f"{name}.{number}": array for name, array in tensors.items()}
    site = "resid_post" if kind == "crosscoder" else "mlp_in"
    return Made(folder, arrays, config, site, {})


def ct_clt(
    folder: Path, *, kind: str, skip: bool, site: str = "resid_mid", seed: int = 12
) -> Made:
    """Two files a block; decoders to the block's own and later ones alone."""
    rng = np.random.default_rng(seed)
    hooks = {"resid_mid": "hook_resid_mid", "mlp_in": "mlp.hook_in"}
    config: dict[str, Any] = {
        "model_name": MODEL,
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": hooks[site],
        "feature_output_hook": "hook_mlp_out",
        "scan": "test",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    arrays: dict[str, Array] = {}
    for block in range(BLOCKS):
        encoder = {
            f"W_enc_{block}": normal(rng, EACH, DEPTH) / np.float32(4),
            f"b_enc_{block}": normal(rng, EACH) / np.float32(4),
            f"b_dec_{block}": normal(rng, DEPTH),
        }
        if kind == "jumprelu":
            encoder[f"threshold_{block}"] = np.abs(normal(rng, EACH))
        if skip:
            encoder[f"W_skip_{block}"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
        decoder = {f"W_dec_{block}": normal(rng, EACH, BLOCKS - block, DEPTH)}
        save_file(encoder, folder / f"W_enc_{block}.safetensors")
        save_file(decoder, folder / f"W_dec_{block}.safetensors")
        arrays |= encoder | decoder
    return Made(folder, arrays, config, site, {"l0": 25.0})


MAKERS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "gs2 crosscoder": ("crosscoder.jumprelu.gs2", partial(gs2_layers, kind="crosscoder")),
    "gs2 clt": ("clt.jumprelu.gs2", partial(gs2_layers, kind="clt")),
    "gs2 affine clt": (
        "clt.jumprelu.affine.gs2",
        partial(gs2_layers, kind="clt", affine=True),
    ),
    **{
        f"circuit-tracer {kind} clt{' with skip' * skip}": (
            f"clt.{kind}{'.skip' * skip}.ct",
            partial(ct_clt, kind=kind, skip=skip),
        )
        for kind in ("relu", "jumprelu")
        for skip in (False, True)
    },
    "circuit-tracer clt of what MLPs read": (
        "clt.relu.ct",
        partial(ct_clt, kind="relu", skip=False, site="mlp_in"),
    ),
}
"""Every kind of dictionary of several blocks that is read, with its equation."""
