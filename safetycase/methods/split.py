"""Which split an item belongs to: a function of the seed and its cluster, nothing else.

Items of one cluster (template, source, paraphrase group) always stand together, so that a
feature found on one wording of a question is never tested on another wording of it. Adding or
removing items moves no other item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from safetycase.errors import MethodRefused
from safetycase.methods.stream import Stream

SPLITS = ("discovery", "tuning", "held_out")
"""The three splits in the order in which their shares are laid end to end."""

Shares = Mapping[str, int]
"""Whole-number weights of the three splits; 0 leaves a split empty."""


def assign(seed: str, cluster: str, shares: Shares) -> str:
    """Name the split of a cluster: each split's chance is its share of the total, exactly.

    The draw is `Stream(seed, "split:" + cluster).below(total)`; the splits take the numbers
    from 0 upwards in the order of `SPLITS`, so the order of the mapping has no say. Says
    nothing of the realised sizes, which vary as a multinomial does: a small set may leave a
    split empty.
    """
    return _place(seed, cluster, _edges(shares))


def assign_all(seed: str, clusters: Iterable[str], shares: Shares) -> dict[str, str]:
    """Name the split of each cluster, as `assign` does one by one; one entry per cluster."""
    edges = _edges(shares)
    return {cluster: _place(seed, cluster, edges) for cluster in dict.fromkeys(clusters)}


def _place(seed: str, cluster: str, edges: tuple[int, ...]) -> str:
    if not cluster:
        raise MethodRefused("split.assign", "a cluster id", found="an empty string")
    drawn = Stream(seed, f"split:{cluster}").below(edges[-1])
    return next(split for split, edge in zip(SPLITS, edges, strict=True) if drawn < edge)


def _edges(shares: Shares) -> tuple[int, ...]:
    """Lay the shares end to end; refuse any other names, fractions and negative weights."""
    if set(shares) != set(SPLITS):
        raise MethodRefused("split.assign", f"shares of {SPLITS}", found=str(sorted(shares)))
    weights = [shares[split] for split in SPLITS]
    if any(type(weight) is not int or weight < 0 for weight in weights) or not any(weights):
        raise MethodRefused(
            "split.assign", "whole shares, none negative, not all 0", found=str(weights)
        )
    return tuple(sum(weights[: i + 1]) for i in range(len(weights)))
