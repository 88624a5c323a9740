"""Which token comes next: the likeliest, or one drawn by noise that all arms share.

Gumbel-max sampling (Maddison et al. 2014, arXiv 1411.0030): the largest of logit/temperature +
noise among the k likeliest tokens. The noise of a token at a step depends on (seed, evaluation,
item, sample) alone, so that arms differ only by what the edit changes:

* key  = first word of Stream(seed, "sampling/EVALUATION/ITEM/SAMPLE"), see methods.stream; for
  turn n of a script, n from 1, with "/turn/n" behind it
* x    = (key + step · 2^32 + token) mod 2^64, mixed by the finaliser of SplitMix64
* u    = (⌊x / 2^11⌋ + 1/2) · 2^-53; noise = -ln(-ln u)
"""

from __future__ import annotations

import numpy as np
import torch

from safetycase.methods.stream import Stream
from safetycase.record.plan import Sampling


def noise_key(seed: str, evaluation: str, item: str, sample: int, turn: int = 0) -> int:
    """The key of all noise of one answer; turns count from 0."""
    behind = f"/turn/{turn}" if turn else ""
    return Stream(seed, f"sampling/{evaluation}/{item}/{sample}{behind}").word()


def gumbel(keys: np.ndarray, step: int, tokens: np.ndarray) -> np.ndarray:
    """Noise float64 [rows, k] of tokens [rows, k] at a step, from keys uint64 [rows]."""
    with np.errstate(over="ignore"):
        x = keys[:, None] + np.uint64(step << 32) + tokens.astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    uniform = ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return -np.log(-np.log(uniform))


def next_tokens(
    logits: torch.Tensor, sampling: Sampling, keys: np.ndarray, step: int
) -> torch.Tensor:
    """The next token of every row [rows], from logits [rows, vocabulary]."""
    if sampling.temperature == 0.0 or sampling.top_k == 1:
        return logits.argmax(-1)
    best = logits.topk(min(sampling.top_k, logits.shape[-1]), dim=-1)
    values, indices = best.values.cpu(), best.indices.cpu()  # not every device has float64
    noise = gumbel(keys, step, indices.numpy())
    drawn = (values.double() / sampling.temperature + torch.from_numpy(noise)).argmax(-1)
    return indices.gather(-1, drawn[:, None]).squeeze(-1).to(logits.device)
