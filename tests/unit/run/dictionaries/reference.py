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


EQUATIONS: dict[str, Equation] = {
    "jumprelu.gs2": Equation(gs2_encode, gs2_decode),
    "transcoder.jumprelu.gs2": Equation(gs2_encode, gs2_decode),
    "transcoder.jumprelu.affine.gs2": Equation(gs2_encode, gs2_decode),
}
