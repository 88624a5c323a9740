"""Whether a generated text is still language: its repetition, and the gate it must pass.

Steering hard enough breaks a model, and a broken model harms nobody: without this gate, damage
would be counted as safety.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused


def repetition(words: Sequence[Hashable], order: int = 3) -> float:
    """Give the share of n-grams that were said before: 0 for all different, under 1 always.

    `words` may be words or token ids. A text too short to hold two n-grams of this order side
    by side (under 2·order words) is measured with the longest order that fits, at least 1:
    trigrams from 6 words on, bigrams for 4 and 5, single words for 1 to 3. Does not see loops
    inside one word ("hahahaha"): give it tokens for those. Refused: no words, an order under 1.

    Source: seq-rep-n, Welleck et al. 2019, arXiv 1908.04319: 1 - distinct/total.
    """
    if order < 1 or not words:
        raise MethodRefused(
            "repetition", "words and an order from 1", found=f"{len(words)} words, {order}"
        )
    fitting = max(1, min(order, len(words) // 2))
    total = len(words) - fitting + 1
    # n sequences, each one word further along, read side by side are the n-grams.
    shifted = (words[start : start + total] for start in range(fitting))
    return 1.0 - len(set(zip(*shifted, strict=True))) / total


def coherent(
    nll: float | NDArray[np.float64],
    repetition: float | NDArray[np.float64],
    *,
    nll_ceiling: float,
    repetition_ceiling: float,
) -> NDArray[np.bool_]:
    """Say whether texts stay at or under both ceilings, fixed before they were generated.

    `nll` is in nats per token under the unsteered model: loops are cheap for it, so both are
    needed; each is a number, or one number per text. Says nothing of sense or truth. Refused: a
    measure that is not a finite number; a ceiling that is NaN.
    """
    if not (np.isfinite(nll).all() and np.isfinite(repetition).all()):
        raise MethodRefused("coherent", "finite measures", found="infinity or NaN")
    if math.isnan(nll_ceiling) or math.isnan(repetition_ceiling):
        raise MethodRefused("coherent", "two ceilings", found="NaN")
    under = np.less_equal(nll, nll_ceiling) & np.less_equal(repetition, repetition_ceiling)
    return np.asarray(under)
