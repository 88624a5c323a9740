"""Synthetic dictionaries of every family, written as their makers write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

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


def gs1(folder: Path, *, site: str, seed: int = 1) -> Made:
    rng = np.random.default_rng(seed)
    arrays = {
        "W_enc": normal(rng, DEPTH, WIDTH) / np.float32(4),
        "W_dec": normal(rng, WIDTH, DEPTH),
        "b_enc": normal(rng, WIDTH) / np.float32(4),
        "b_dec": normal(rng, DEPTH),
        "threshold": np.abs(normal(rng, WIDTH)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "params.npz", **arrays)
    stated = {"site": site, "layer": LAYER, "l0": 20.0, "made_for": MODEL}
    return Made(folder, arrays, {}, site, stated)


HOOK_NAMES = {
    "resid_post": f"blocks.{LAYER}.hook_resid_post",
    "attn_heads": f"blocks.{LAYER}.attn.hook_z",
    "resid_mid": f"blocks.{LAYER}.hook_resid_mid",
    "mlp_in": f"blocks.{LAYER}.mlp.hook_in",
    "mlp_in_ungained": f"blocks.{LAYER}.ln2.hook_normalized",
    "mlp_out": f"blocks.{LAYER}.hook_mlp_out",
    "attn_out": f"blocks.{LAYER}.hook_attn_out",
}


def saelens_arrays(rng: np.random.Generator, architecture: str) -> dict[str, Array]:
    arrays = {
        "W_enc": normal(rng, DEPTH, WIDTH) / np.float32(4),
        "W_dec": normal(rng, WIDTH, DEPTH),
        "b_dec": normal(rng, DEPTH),
    }
    if architecture == "gated":
        arrays |= {name: normal(rng, WIDTH) for name in ("b_gate", "b_mag", "r_mag")}
    else:
        arrays["b_enc"] = normal(rng, WIDTH) / np.float32(4)
    if architecture.startswith("jumprelu"):
        arrays["threshold"] = np.abs(normal(rng, WIDTH))
    if "batchtopk" in architecture:
        arrays["topk_threshold"] = np.array(4.5)
    if "skip" in architecture:
        arrays["W_skip"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
    return arrays


def saelens(
    folder: Path, architecture: str, *, site: str = "resid_post", seed: int = 2, **changes: Any
) -> Made:
    """A folder of version 6."""
    arrays = saelens_arrays(np.random.default_rng(seed), architecture)
    transcoder = "transcoder" in architecture
    config = {
        "architecture": architecture,
        "d_in": DEPTH,
        "d_sae": WIDTH,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": not transcoder,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "model_name": MODEL,
            "hook_name": HOOK_NAMES[site],
            "hook_head_index": None,
            "prepend_bos": True,
            **({"hook_name_out": HOOK_NAMES["mlp_out"]} if transcoder else {}),
        },
    }
    if architecture == "topk":
        config |= {"k": 7, "rescale_acts_by_decoder_norm": False}
    if "batchtopk" in architecture:
        config |= {"k": 6.5, "rescale_acts_by_decoder_norm": True}
    config |= changes
    write_json(folder / "cfg.json", config)
    save_file(arrays, folder / "sae_weights.safetensors")
    stated = {} if "k" in config else {"l0": 20.0}
    return Made(folder, arrays, config, site, stated)


def saelens5(folder: Path, architecture: str, *, seed: int = 3, **changes: Any) -> Made:
    """A flat folder of a version before 6, as sparse as they could be."""
    arrays = saelens_arrays(np.random.default_rng(seed), architecture)
    config: dict[str, Any] = {
        "model_name": MODEL,
        "hook_point": HOOK_NAMES["resid_post"],
        "hook_point_layer": LAYER,
        "hook_point_head_index": None,
        "d_in": DEPTH,
        "d_sae": WIDTH,
        "dtype": "torch.float32",
        "device": "cuda",
    }
    if architecture == "topk":
        config |= {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 5}}
    elif architecture != "standard":
        config["architecture"] = architecture
    config |= changes
    write_json(folder / "cfg.json", config)
    save_file(arrays, folder / "sae_weights.safetensors")
    return Made(
        folder, arrays, config, "resid_post", {} if architecture == "topk" else {"l0": 9.0}
    )


def sparsify(
    folder: Path, *, transcode: bool, skip: bool, activation: str | None, seed: int = 4
) -> Made:
    rng = np.random.default_rng(seed)
    arrays = {
        "encoder.weight": normal(rng, WIDTH, DEPTH) / np.float32(4),
        "encoder.bias": normal(rng, WIDTH),
        "W_dec": normal(rng, WIDTH, DEPTH),
        "b_dec": normal(rng, DEPTH),
    }
    if skip:
        arrays["W_skip"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
    config: dict[str, Any] = {
        "d_in": DEPTH,
        "expansion_factor": 0,
        "normalize_decoder": True,
        "num_latents": WIDTH,
        "k": 19 if activation == "groupmax" else 6,
        "multi_topk": False,
    }
    if activation is not None:
        config |= {"activation": activation, "skip_connection": skip, "transcode": transcode}
    write_json(folder / "cfg.json", config)
    save_file(arrays, folder / "sae.safetensors")
    site = "mlp_in" if transcode else "resid_post"
    stated: dict[str, Any] = {"site": site, "layer": LAYER, "made_for": MODEL}
    if activation is None:
        stated["equation"] = "topk.sparsify"
    return Made(folder, arrays, config, site, stated)


def circuit_tracer(
    folder: Path, kind: str, *, skip: bool, site: str = "mlp_in", seed: int = 5
) -> Made:
    rng = np.random.default_rng(seed)
    arrays = {
        "W_enc": normal(rng, WIDTH, DEPTH) / np.float32(4),
        "W_dec": normal(rng, WIDTH, DEPTH),
        "b_enc": normal(rng, WIDTH) / np.float32(4),
        "b_dec": normal(rng, DEPTH),
    }
    if kind == "jumprelu":
        arrays["activation_function.threshold"] = np.abs(normal(rng, WIDTH))
    if skip:
        arrays["W_skip"] = normal(rng, DEPTH, DEPTH) / np.float32(4)
    config: dict[str, Any] = {
        "model_name": MODEL,
        "model_kind": "transcoder_set",
        "feature_input_hook": HOOK_NAMES[site].partition(f".{LAYER}.")[2],
        "feature_output_hook": "hook_mlp_out",
        "scan": "test",
    }
    if kind == "topk":
        config |= {"activation": "topk", "k": 6}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    save_file(arrays, folder / f"layer_{LAYER}.safetensors")
    stated: dict[str, Any] = {"layer": LAYER} | ({} if kind == "topk" else {"l0": 25.0})
    return Made(folder, arrays, config, site, stated)


LLAMA_NAME = f"Llama3_1-8B-Base-L{LAYER}R-8x"


def bfloat16(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)


def llama_scope(
    folder: Path, *, site: str = "resid_post", seed: int = 8, **changes: Any
) -> Made:
    """Weights in bfloat16, decoder columns of no common norm; the arrays are as they lie."""
    rng = np.random.default_rng(seed)
    tensors = {
        "encoder.weight": bfloat16(normal(rng, WIDTH, DEPTH) / 4),
        "encoder.bias": bfloat16(normal(rng, WIDTH) / 4),
        "decoder.weight": bfloat16(normal(rng, DEPTH, WIDTH) * rng.uniform(0.1, 0.4, WIDTH)),
        "decoder.bias": bfloat16(normal(rng, DEPTH)),
    }
    transcoder = site == "mlp_in_ungained"
    config: dict[str, Any] = {
        "device": "cuda:0",
        "seed": 42,
        "dtype": "torch.bfloat16",
        "hook_point_in": HOOK_NAMES[site],
        "hook_point_out": HOOK_NAMES["mlp_out" if transcoder else site],
        "use_decoder_bias": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "expansion_factor": 8,
        "d_model": DEPTH,
        "d_sae": WIDTH,
        "bias_init_method": "all_zero",
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.33203125,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": 2.25, "out": 0.9 if transcoder else 2.25},
        "decoder_exactly_fixed_norm": False,
        "sparsity_include_decoder_norm": True,
        "use_glu_encoder": False,
        "top_k": 20,
        "lp": 1,
        "tp_size": 1,
    }
    config |= changes
    write_json(folder / "hyperparams.json", config)
    (folder / "checkpoints").mkdir(exist_ok=True)
    save_torch(tensors, folder / "checkpoints/final.safetensors")
    arrays = {name: tensor.float().numpy() for name, tensor in tensors.items()}
    return Made(folder, arrays, config, site, {"made_for": MODEL})


def llama_scope_r1(folder: Path, *, seed: int = 9, **changes: Any) -> Made:
    """The later layout: thresholds and mean norms lie beside the weights."""
    rng = np.random.default_rng(seed)
    hook = HOOK_NAMES["resid_post"]
    arrays = {
        "encoder.weight": normal(rng, WIDTH, DEPTH) / np.float32(4),
        "encoder.bias": normal(rng, WIDTH) / np.float32(4),
        "decoder.weight": normal(rng, DEPTH, WIDTH) / np.float32(4),
        "decoder.bias": normal(rng, DEPTH),
        "log_jumprelu_threshold": normal(rng, WIDTH) / np.float32(2),
        f"dataset_average_activation_norm.{hook}": np.array(3.25, np.float32),
    }
    config: dict[str, Any] = {
        "sae_type": "sae",
        "hook_point_in": hook,
        "hook_point_out": hook,
        "d_model": DEPTH,
        "expansion_factor": 2,
        "use_decoder_bias": True,
        "use_glu_encoder": False,
        "act_fn": "jumprelu",
        "jumprelu_threshold_window": 2.0,
        "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True,
        "top_k": 20,
        "d_sae": WIDTH,
    }
    config |= changes
    write_json(folder / "config.json", config)
    save_file(arrays, folder / "sae_weights.safetensors")
    return Made(folder, arrays, config, "resid_post", {"made_for": MODEL})


def qwen_scope(folder: Path, *, seed: int = 10) -> Made:
    """The copy in safetensors of a published pickle; few features, so that some are below 0."""
    rng = np.random.default_rng(seed)
    arrays = {
        "W_enc": normal(rng, WIDTH, DEPTH) / np.float32(4),
        "W_dec": normal(rng, DEPTH, WIDTH),
        "b_enc": normal(rng, WIDTH) / np.float32(4) - np.float32(2),
        "b_dec": normal(rng, DEPTH),
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(arrays, folder / f"layer{LAYER}.sae.safetensors")
    stated = {"equation": "topk.qwenscope", "layer": LAYER, "l0": 30.0, "made_for": MODEL}
    return Made(folder, arrays, {"k": 30}, "resid_post", stated)


_Maker = Callable[[Path], Made]


def _saelens(architecture: str, **more: Any) -> _Maker:
    return lambda folder: saelens(folder, architecture, **more)


def _saelens5(architecture: str, **more: Any) -> _Maker:
    return lambda folder: saelens5(folder, architecture, **more)


MAKERS: dict[str, tuple[str, _Maker]] = {
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
    "gs1 resid_post": ("jumprelu.gs1", lambda p: gs1(p, site="resid_post")),
    "gs1 attn": ("jumprelu.gs1", lambda p: gs1(p, site="attn_heads")),
    "gs1 mlp": ("jumprelu.gs1", lambda p: gs1(p, site="mlp_out")),
    "gs1 transcoder": (
        "transcoder.jumprelu.gs1",
        lambda p: gs1(p, site="mlp_in_ungained"),
    ),
    "saelens standard": ("standard.saelens", _saelens("standard")),
    "saelens standard, b_dec not subtracted": (
        "standard.saelens",
        _saelens("standard", apply_b_dec_to_input=False),
    ),
    "saelens standard, layer norm": (
        "standard.saelens",
        _saelens("standard", normalize_activations="layer_norm"),
    ),
    "saelens heads, constant norm": (
        "standard.saelens",
        _saelens(
            "standard",
            site="attn_heads",
            reshape_activations="hook_z",
            normalize_activations="constant_norm_rescale",
        ),
    ),
    "saelens gated": ("gated.saelens", _saelens("gated")),
    "saelens jumprelu": ("jumprelu.saelens", _saelens("jumprelu", site="mlp_out")),
    "saelens topk": ("topk.saelens", _saelens("topk")),
    "saelens topk, by what is added": (
        "topk.saelens",
        _saelens("topk", rescale_acts_by_decoder_norm=True),
    ),
    "saelens batchtopk": ("batchtopk.saelens", _saelens("batchtopk")),
    "saelens matryoshka": (
        "batchtopk.saelens",
        _saelens("matryoshka_batchtopk", rescale_acts_by_decoder_norm=False),
    ),
    "saelens transcoder": ("transcoder.relu.saelens", _saelens("transcoder", site="mlp_in")),
    "saelens skip transcoder": (
        "transcoder.relu.skip.saelens",
        _saelens("skip_transcoder", site="mlp_in"),
    ),
    "saelens transcoder, layer norm": (
        "transcoder.jumprelu.saelens",
        _saelens("jumprelu_transcoder", site="mlp_in", normalize_activations="layer_norm"),
    ),
    "saelens jumprelu skip transcoder": (
        "transcoder.jumprelu.skip.saelens",
        _saelens("jumprelu_skip_transcoder", site="mlp_in_ungained"),
    ),
    "saelens5 standard": ("standard.saelens5", _saelens5("standard")),
    "saelens5 standard, stated": (
        "standard.saelens5",
        _saelens5("standard", apply_b_dec_to_input=False, normalize_activations="layer_norm"),
    ),
    "saelens5 gated": ("gated.saelens5", _saelens5("gated")),
    "saelens5 jumprelu": ("jumprelu.saelens5", _saelens5("jumprelu")),
    "saelens5 topk": ("topk.saelens5", _saelens5("topk")),
    "sparsify topk": (
        "topk.sparsify",
        lambda p: sparsify(p, transcode=False, skip=False, activation="topk"),
    ),
    "sparsify topk, older": (
        "topk.sparsify",
        lambda p: sparsify(p, transcode=False, skip=False, activation=None),
    ),
    "sparsify groupmax": (
        "groupmax.sparsify",
        lambda p: sparsify(p, transcode=False, skip=False, activation="groupmax"),
    ),
    "sparsify transcoder": (
        "transcoder.topk.sparsify",
        lambda p: sparsify(p, transcode=True, skip=False, activation="topk"),
    ),
    "sparsify groupmax transcoder": (
        "transcoder.groupmax.sparsify",
        lambda p: sparsify(p, transcode=True, skip=False, activation="groupmax"),
    ),
    "sparsify skip transcoder": (
        "transcoder.topk.skip.sparsify",
        lambda p: sparsify(p, transcode=True, skip=True, activation="topk"),
    ),
    "sparsify groupmax skip transcoder": (
        "transcoder.groupmax.skip.sparsify",
        lambda p: sparsify(p, transcode=True, skip=True, activation="groupmax"),
    ),
    **{
        f"circuit-tracer {kind}{' skip' * skip}": (
            f"transcoder.{kind}{'.skip' * skip}.ct",
            partial(circuit_tracer, kind=kind, skip=skip),
        )
        for kind in ("relu", "jumprelu", "topk")
        for skip in (False, True)
    },
    **{
        f"llama scope {site}{' without norms' * (not norms)}": (
            f"{'transcoder.' * (site == 'mlp_in_ungained')}jumprelu.llamascope",
            partial(llama_scope, site=site, sparsity_include_decoder_norm=norms),
        )
        for site, norms in (
            ("resid_post", True),
            ("resid_post", False),
            ("attn_out", True),
            ("mlp_out", True),
            ("mlp_in_ungained", True),
        )
    },
    "llama scope r1": ("jumprelu.llamascope_r1", llama_scope_r1),
    "llama scope r1 without norms": (
        "jumprelu.llamascope_r1",
        partial(llama_scope_r1, sparsity_include_decoder_norm=False),
    ),
    "qwen scope": ("topk.qwenscope", qwen_scope),
    "circuit-tracer of the stream": (
        "transcoder.relu.ct",
        lambda p: circuit_tracer(p, "relu", skip=False, site="resid_mid"),
    ),
}
"""Every kind of dictionary that is read, with its equation."""
