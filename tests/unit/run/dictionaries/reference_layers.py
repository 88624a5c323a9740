"""Dictionaries of several blocks again, in float64 numpy, block by block.

Written from the formulas of the Gemma Scope 2 paper (section 2.6) and of circuit-tracer, not
from our code. Activations are lists of [n, depth], one a block; features lists of [n, each].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]
Lists = list[np.ndarray]


def _wide(arrays: Arrays, name: str) -> np.ndarray:
    return np.asarray(arrays[name], np.float64)


class Blocks(NamedTuple):
    """One block's encoder [depth, each], its decoders to every block, and its own terms."""

    encoder: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray
    decoders: dict[int, np.ndarray]
    b_dec: np.ndarray
    skip: np.ndarray | None


def _gs2(arrays: Arrays, count: int) -> list[Blocks]:
    found = []
    for s in range(count):
        decoder = _wide(arrays, f"w_dec.{s}")
        skip = f"affine_skip_connection.{s}"
        found.append(
            Blocks(
                _wide(arrays, f"w_enc.{s}"),
                _wide(arrays, f"b_enc.{s}"),
                _wide(arrays, f"threshold.{s}"),
                {t: decoder[:, t, :] for t in range(s, count)},
                _wide(arrays, f"b_dec.{s}"),
                _wide(arrays, skip) if skip in arrays else None,
            )
        )
    return found


def _ct(arrays: Arrays, count: int) -> list[Blocks]:
    found = []
    for s in range(count):
        decoder, bias = _wide(arrays, f"W_dec_{s}"), _wide(arrays, f"b_enc_{s}")
        threshold, skip = f"threshold_{s}", f"W_skip_{s}"
        found.append(
            Blocks(
                _wide(arrays, f"W_enc_{s}").T,
                bias,
                _wide(arrays, threshold) if threshold in arrays else np.zeros_like(bias),
                {t: decoder[:, t - s, :] for t in range(s, count)},
                _wide(arrays, f"b_dec_{s}"),
                _wide(arrays, skip) if skip in arrays else None,
            )
        )
    return found


def blocks_of(equation: str, arrays: Arrays) -> list[Blocks]:
    """The blocks of a dictionary, of as many as its files have."""
    if equation.endswith(".gs2"):
        return _gs2(arrays, sum(name.startswith("w_enc.") for name in arrays))
    return _ct(arrays, sum(name.startswith("W_enc_") for name in arrays))


def encode(blocks: Sequence[Blocks], x: Sequence[np.ndarray]) -> Lists:
    """Features of every block that is at hand: each reads its own alone."""
    features = []
    for block, given in zip(blocks, x, strict=False):
        h = given.astype(np.float64) @ block.encoder + block.bias
        f = np.zeros_like(h)
        on = (h > block.threshold) & (h > 0)
        f[on] = h[on]
        features.append(f)
    return features


def decode_block(
    blocks: Sequence[Blocks], t: int, features: Sequence[np.ndarray], x: np.ndarray
) -> np.ndarray:
    """What is made of block t: its own terms once, and what features up to it add."""
    made = np.tile(blocks[t].b_dec, (len(x), 1))
    for s in range(t + 1):
        for j in range(features[s].shape[1]):
            made += features[s][:, j : j + 1] * blocks[s].decoders[t][j]
    skip = blocks[t].skip
    return made if skip is None else made + x.astype(np.float64) @ skip


def decode(
    blocks: Sequence[Blocks], features: Sequence[np.ndarray], x: Sequence[np.ndarray]
) -> Lists:
    """What is made of every block."""
    return [decode_block(blocks, t, features, x[t]) for t in range(len(blocks))]
