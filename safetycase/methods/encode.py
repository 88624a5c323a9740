"""Activations of some features from what a dictionary reads, by their slices alone.

A slice is what the equation needs of one feature. All families come to one form:

    x' = norm(x) - shift                        shift: b_dec where it is subtracted, else 0
    p  = x'·w_enc
    m  = p·scale + bias                         scale: ‖w_dec‖ if rescaled, e^r_mag if gated, 1
    f  = relu(m)·1[m > threshold]               relu: threshold 0; gated: 1[p + b_gate > 0]

Features that are compared with each other (top k, group maximum) are m or nothing; which of
them needs all features, and no slice can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MalformedInput
from safetycase.record.equations import Equation

Floats = NDArray[np.float64]

ActivationName = Literal["relu", "jump_relu", "gated", "top_k", "top_k_signed", "group_max"]
Normalisation = Literal["none", "layer_norm", "constant_norm"]
"""`layer_norm`: mean 0, deviation 1 (n - 1 in the denominator, 1e-5 added to it);
`constant_norm`: norm sqrt(depth).
"""
NORMALISATIONS: tuple[Normalisation, ...] = ("none", "layer_norm", "constant_norm")
"""Published by their number in this order."""

ROUNDING = 32 * 2.0**-24
"""Error of a float32 activation as a share of the sum of the sizes of its terms."""
_EPSILON = 1e-5
_WORDS: dict[str, ActivationName] = {
    "standard": "relu",
    "relu": "relu",
    "jumprelu": "jump_relu",
    "batchtopk": "jump_relu",
    "gated": "gated",
    "groupmax": "group_max",
    "topk": "top_k",
}
_SIGNED = frozenset({"ct", "qwenscope"})
"""Families whose top k keep what is below zero."""
_PLAIN = frozenset({"gs1", "gs2", "ct", "qwenscope"})
"""Families that neither normalise, subtract nor rescale."""


def activation_of(equation: Equation) -> ActivationName:
    """What makes a feature of its pre-activation, by the name of the equation."""
    words = equation.split(".")
    if words[-1] in _SIGNED and "topk" in words:
        return "top_k_signed"
    return next(_WORDS[word] for word in words if word in _WORDS)


def slice_names(equation: Equation) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, dtype and dimensions of every tensor of slices that the equation needs."""
    yield "w_enc", "<f4", ("features", "model width")
    yield "bias", "<f4", ("features",)
    yield "scale", "<f4", ("features",)
    yield "shift", "<f4", ("model width",)
    yield "normalisation", "<i8", ("one",)
    if activation_of(equation) == "jump_relu":
        yield "threshold", "<f4", ("features",)
    if activation_of(equation) == "gated":
        yield "b_gate", "<f4", ("features",)


@dataclass(frozen=True)
class Recomputed:
    """What activations can be: `exact`, where `sure`; else that or `other`, each to `error`."""

    exact: Floats
    other: Floats
    sure: NDArray[np.bool_]
    at_threshold: NDArray[np.bool_]
    error: Floats

    def gaps(self, stated: NDArray[Any]) -> Floats:
        """How far activations lie from what they can be."""
        here = np.abs(stated - self.exact)
        there = np.where(self.sure, np.inf, np.abs(stated - self.other))
        nearest: Floats = np.minimum(here, there)
        return nearest


def recomputed(
    equation: Equation,
    tensor: Callable[[str], NDArray[Any]],
    x: NDArray[Any],
    *,
    blocks: int = 1,
) -> Recomputed:
    """Activations [rows, features] of what was read [rows, width], in float64.

    Of several `blocks`, side by side in equal parts of the width, each is normalised by itself.

    An activation whose gate lies as near to its threshold as float32 rounds may be on either
    side. Refused: a normalisation of no known number, and slices that the family does not have.
    """
    form = activation_of(equation)
    apart = in_blocks(x.astype(np.float64), blocks)
    given = _normalised(_normalisation(tensor), apart).reshape(x.shape) - tensor("shift")
    rows = tensor("w_enc").astype(np.float64)
    scale, bias = (tensor(name).astype(np.float64) for name in ("scale", "bias"))
    _require_plain(equation, tensor)
    product = given @ rows.T
    sizes = np.abs(given) @ np.abs(rows).T
    size = product * scale + bias
    error = ROUNDING * (sizes * np.abs(scale) + np.abs(bias))
    if form in {"top_k", "top_k_signed", "group_max"}:
        value = size if form == "top_k_signed" else np.maximum(size, 0.0)
        unsure = np.zeros(value.shape, dtype=np.bool_)
        return Recomputed(value, np.zeros_like(value), unsure, unsure, error)
    gate, slack = size, error
    threshold: NDArray[Any] = np.zeros(len(rows))
    if form == "gated":
        gate = product + tensor("b_gate")
        slack = ROUNDING * (sizes + np.abs(tensor("b_gate")))
    elif form == "jump_relu":
        threshold = tensor("threshold").astype(np.float64)
    magnitude = np.maximum(size, 0.0)
    is_on = gate > threshold
    near = np.abs(gate - threshold) <= slack + ROUNDING * np.abs(threshold)
    return Recomputed(
        np.where(is_on, magnitude, 0.0), np.where(is_on, 0.0, magnitude), ~near, near, error
    )


def in_blocks(rows: NDArray[Any], blocks: int) -> NDArray[Any]:
    """Rows [n, blocks · d] as [n, blocks, d]; refused where they are of no such width."""
    depth, rest = divmod(rows.shape[-1], blocks)
    if rest:
        found = f"{rows.shape[-1]} numbers"
        raise MalformedInput(
            "activations of several blocks", f"{blocks} of one width", found=found
        )
    return rows.reshape(len(rows), blocks, depth)


def require_one_block(
    w_enc: NDArray[Any], w_dec: NDArray[Any], blocks: int, *, where: str
) -> None:
    """Return only if every feature reads one of several blocks, and adds to none before it.

    Rows [features, blocks · width] of encoder and decoder, the blocks side by side.
    """
    reads, writes = (in_blocks(rows, blocks).any(axis=-1) for rows in (w_enc, w_dec))
    later = np.cumsum(reads.astype(np.int64), axis=1) > 0
    faulty = np.flatnonzero(
        (reads.sum(axis=1) != 1) | (writes.astype(bool) & ~later).any(axis=1)
    )
    if faulty.size:
        raise MalformedInput(
            where,
            "features that read one block and add to none before it",
            found=f"another in row {int(faulty[0])}",
        )


def _normalisation(tensor: Callable[[str], NDArray[Any]]) -> Normalisation:
    number = int(tensor("normalisation").flat[0])
    if not 0 <= number < len(NORMALISATIONS):
        expected = f"a number from 0 to {len(NORMALISATIONS) - 1}"
        raise MalformedInput("tensor normalisation", expected, found=str(number))
    return NORMALISATIONS[number]


def _normalised(kind: Normalisation, x: Floats) -> Floats:
    if kind == "none":
        return x
    if kind == "constant_norm":
        lengths = np.linalg.norm(x, axis=-1, keepdims=True)
        scaled: Floats = x * np.sqrt(x.shape[-1]) / lengths
        return scaled
    centred = x - x.mean(axis=-1, keepdims=True)
    normal: Floats = centred / (centred.std(axis=-1, ddof=1, keepdims=True) + _EPSILON)
    return normal


def _require_plain(equation: Equation, tensor: Callable[[str], NDArray[Any]]) -> None:
    """Return only if the slices have no more parts than their family's equation."""
    if equation.rpartition(".")[2] not in _PLAIN:
        return
    plain = (
        not tensor("shift").any()
        and bool((tensor("scale") == 1.0).all())
        and _normalisation(tensor) == "none"
    )
    if not plain:
        expected = "slices without shift, scale and normalisation"
        raise MalformedInput(f"slices of {equation}", expected, found="others")
