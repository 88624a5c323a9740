"""Every equation again, in float64 numpy, written from the formulas and not from our code.

Arrays are those of the files, by the names they have there. `encode` and `decode` take
activations [n, d] and features [n, width]; `config` is what the family's configuration says.
Sources: interpretability literature as named in docs/howto/dictionaries.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]
Config = Mapping[str, Any]


class Equation(NamedTuple):
    """How a family computes: features of activations, and activations of features."""

    encode: Callable[[Arrays, Config, np.ndarray], np.ndarray]
    decode: Callable[[Arrays, Config, np.ndarray, np.ndarray], np.ndarray]


def _wide(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def _jump(h: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    out = np.zeros_like(h)
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            limit = threshold if np.isscalar(threshold) else threshold[j]
            if h[i, j] > limit and h[i, j] > 0:
                out[i, j] = h[i, j]
    return out


def gs2_encode(arrays: Arrays, _config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    return _jump(x.astype(np.float64) @ t["w_enc"] + t["b_enc"], t["threshold"])


def gs2_decode(arrays: Arrays, _config: Config, f: np.ndarray, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    out = np.einsum("nw,wd->nd", f, t["w_dec"]) + t["b_dec"]
    if "affine_skip_connection" in t:
        out = out + np.einsum("ni,io->no", x.astype(np.float64), t["affine_skip_connection"])
    return out


def gs1_encode(arrays: Arrays, _config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    return _jump(x.astype(np.float64) @ t["W_enc"] + t["b_enc"], t["threshold"])


def gs1_decode(arrays: Arrays, _config: Config, f: np.ndarray, _x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    return f @ t["W_dec"] + t["b_dec"]


def _largest(h: np.ndarray, k: int, *, by: np.ndarray | None = None) -> np.ndarray:
    """All but the k largest of each row set to 0; `by` is what they are compared by."""
    out = np.zeros_like(h)
    for i, row in enumerate(h if by is None else by):
        kept = np.argsort(-row, kind="stable")[:k]
        out[i, kept] = h[i, kept]
    return out


def _saelens_in(t: dict[str, np.ndarray], config: Config, x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    kind = config.get("normalize_activations") or "none"
    if kind == "layer_norm":
        x = x - x.mean(axis=1, keepdims=True)
        x = x / (x.std(axis=1, ddof=1, keepdims=True) + 1e-5)
    if kind == "constant_norm_rescale":
        x = x * np.sqrt(x.shape[1]) / np.linalg.norm(x, axis=1, keepdims=True)
    # before version 6 a file that is silent has b_dec subtracted
    return x - t["b_dec"] if config.get("apply_b_dec_to_input", True) else x


def saelens_encode(arrays: Arrays, config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    given = _saelens_in(t, config, x)
    kind = config.get("architecture", "standard")
    if config.get("activation_fn_str") == "topk":
        kind = "topk"
    if kind == "gated":
        gate = given @ t["W_enc"] + t["b_gate"] > 0
        return gate * np.maximum(given @ (t["W_enc"] * np.exp(t["r_mag"])) + t["b_mag"], 0)
    h = given @ t["W_enc"] + t["b_enc"]
    if config.get("rescale_acts_by_decoder_norm"):
        h = h * np.linalg.norm(t["W_dec"], axis=1)
    if "batchtopk" in kind:
        return _jump(h, float(t["topk_threshold"]))
    if kind.startswith("jumprelu"):
        return _jump(h, t["threshold"])
    if kind == "topk":
        k = config.get("activation_fn_kwargs", config)["k"]
        return np.maximum(_largest(h, k), 0)
    return np.maximum(h, 0)


def saelens_decode(arrays: Arrays, config: Config, f: np.ndarray, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    if config.get("rescale_acts_by_decoder_norm"):
        f = f / np.linalg.norm(t["W_dec"], axis=1)
    out = f @ t["W_dec"] + t["b_dec"]
    x = x.astype(np.float64)
    if "transcoder" in config.get("architecture", ""):
        return out + x @ t["W_skip"].T if "W_skip" in t else out
    kind = config.get("normalize_activations") or "none"
    if kind == "layer_norm":
        out = out * x.std(axis=1, ddof=1, keepdims=True) + x.mean(axis=1, keepdims=True)
    if kind == "constant_norm_rescale":
        out = out * np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(x.shape[1])
    return out


def sparsify_encode(arrays: Arrays, config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    given = x.astype(np.float64)
    if not config.get("transcode", False):
        given = given - t["b_dec"]
    h = np.maximum(given @ t["encoder.weight"].T + t["encoder.bias"], 0)
    if config.get("activation", "topk") == "topk":
        return _largest(h, config["k"])
    out = np.zeros_like(h)
    size = h.shape[1] // config["k"]
    for i in range(h.shape[0]):
        for group in range(config["k"]):
            best = group * size + int(np.argmax(h[i, group * size : (group + 1) * size]))
            out[i, best] = h[i, best]
    return out


def sparsify_decode(
    arrays: Arrays, _config: Config, f: np.ndarray, x: np.ndarray
) -> np.ndarray:
    t = _wide(arrays)
    out = f @ t["W_dec"] + t["b_dec"]
    return out + x.astype(np.float64) @ t["W_skip"].T if "W_skip" in t else out


def ct_encode(arrays: Arrays, config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    h = x.astype(np.float64) @ t["W_enc"].T + t["b_enc"]
    if "activation_function.threshold" in t:
        return h * (h > t["activation_function.threshold"])
    if config.get("activation") == "topk":
        return _largest(h, config["k"])
    return np.maximum(h, 0)


def ct_decode(arrays: Arrays, _config: Config, f: np.ndarray, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    out = f @ t["W_dec"] + t["b_dec"]
    return out + x.astype(np.float64) @ t["W_skip"].T if "W_skip" in t else out


def _llama_for_inference(arrays: Arrays, config: Config) -> tuple[dict[str, np.ndarray], float]:
    """Weights as the makers' code has them when it loads for inference, step by step.

    Mean norms go into the biases and the decoder; then every decoder column gets norm 1, and
    its encoder row and bias the norm that it had.
    """
    t = _wide(arrays)
    root = np.sqrt(float(config["d_model"]))
    norms = config.get("dataset_average_activation_norm")
    if norms is None:
        name = "dataset_average_activation_norm."
        norms = {
            "in": t[name + config["hook_point_in"]].item(),
            "out": t[name + config["hook_point_out"]].item(),
        }
    s_in, s_out = root / norms["in"], root / norms["out"]
    enc, b_enc = t["encoder.weight"].copy(), t["encoder.bias"] / s_in
    dec, b_dec = t["decoder.weight"] * s_in / s_out, t["decoder.bias"] / s_out
    if config["sparsity_include_decoder_norm"]:
        norm = np.sqrt((dec**2).sum(axis=0))
        dec, enc, b_enc = dec / norm, enc * norm[:, None], b_enc * norm
        unit = s_out
    else:
        unit = s_in
    return {"enc": enc, "b_enc": b_enc, "dec": dec, "b_dec": b_dec}, unit


def llama_encode(arrays: Arrays, config: Config, x: np.ndarray) -> np.ndarray:
    ready, unit = _llama_for_inference(arrays, config)
    h = x.astype(np.float64) @ ready["enc"].T + ready["b_enc"]
    if "log_jumprelu_threshold" in arrays:
        # thresholds were learned on scaled activations
        return _jump(h * unit, np.exp(_wide(arrays)["log_jumprelu_threshold"])) / unit
    return _jump(h, float(config["jump_relu_threshold"]))


def llama_decode(arrays: Arrays, config: Config, f: np.ndarray, _x: np.ndarray) -> np.ndarray:
    ready, _ = _llama_for_inference(arrays, config)
    return f @ ready["dec"].T + ready["b_dec"]


def qwen_encode(arrays: Arrays, config: Config, x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    return _largest(x.astype(np.float64) @ t["W_enc"].T + t["b_enc"], config["k"])


def qwen_decode(arrays: Arrays, _config: Config, f: np.ndarray, _x: np.ndarray) -> np.ndarray:
    t = _wide(arrays)
    return f @ t["W_dec"].T + t["b_dec"]


_FAMILIES = {
    "gs2": Equation(gs2_encode, gs2_decode),
    "gs1": Equation(gs1_encode, gs1_decode),
    "saelens": Equation(saelens_encode, saelens_decode),
    "saelens5": Equation(saelens_encode, saelens_decode),
    "sparsify": Equation(sparsify_encode, sparsify_decode),
    "ct": Equation(ct_encode, ct_decode),
    "llamascope": Equation(llama_encode, llama_decode),
    "llamascope_r1": Equation(llama_encode, llama_decode),
    "qwenscope": Equation(qwen_encode, qwen_decode),
}


def reference_of(equation: str) -> Equation:
    """The computation of an equation, by its family; the files say which kind it is."""
    return _FAMILIES[equation.rpartition(".")[2]]
