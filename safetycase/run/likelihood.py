"""How likely the unsteered model finds a text: the coherence gate of every generated answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from statistics import median

import torch
from transformers import DynamicCache

from safetycase.run.cache import new_cache
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, pad_left

LOGITS_AT_ONCE = 2**26
"""Logits held in memory at once, in numbers; larger batches are scored in parts."""

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class _Pair:
    item: int
    output: Tokens


def median_nlls(
    model: LoadedModel, prompts: Sequence[Prompt], outputs: Sequence[Sequence[Tokens]]
) -> list[dict[Tokens, float]]:
    """For each item, the median over tokens of -log p of each distinct output, in nats.

    `outputs[i]` are token sequences that followed prompt i. Nothing is edited. Prompts run
    once; an output runs once however many arms gave it.
    """
    pairs = [
        _Pair(item, output)
        for item, given in enumerate(outputs)
        for output in dict.fromkeys(given)
    ]
    batch = pad_left(prompts, model)
    cache = new_cache(model.network.config)
    first = model.network(
        input_ids=batch.ids,
        attention_mask=batch.real,
        position_ids=batch.positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=batch.last,
    ).logits[:, -1]
    opening = torch.log_softmax(first.float(), -1)
    results: list[dict[Tokens, float]] = [{} for _ in prompts]
    longest = max(len(pair.output) for pair in pairs)
    size = max(1, LOGITS_AT_ONCE // (longest * model.vocabulary))
    for part in _parts(pairs, size):
        later = _continuations(model, batch.real, batch.positions, cache, part)
        for pair, nlls in zip(part, later, strict=True):
            start = -float(opening[pair.item, pair.output[0]])
            results[pair.item][pair.output] = max(0.0, median([start, *nlls]))
    return results


def _parts(pairs: list[_Pair], size: int) -> Iterator[list[_Pair]]:
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]


def _continuations(
    model: LoadedModel,
    real: torch.Tensor,
    positions: torch.Tensor,
    cache: DynamicCache,
    pairs: list[_Pair],
) -> list[list[float]]:
    """-log p of every token of each output but its first."""
    longest = max(len(pair.output) for pair in pairs) - 1
    if not longest:
        return [[] for _ in pairs]
    rows = torch.tensor([pair.item for pair in pairs], device=model.device)
    fed = torch.full((len(pairs), longest), model.pad)
    wanted = torch.zeros((len(pairs), longest), dtype=torch.int64)
    for row, pair in enumerate(pairs):
        size = len(pair.output) - 1
        fed[row, :size] = torch.tensor(pair.output[:-1])
        wanted[row, :size] = torch.tensor(pair.output[1:])
    ahead = torch.arange(1, longest + 1, device=model.device)[None, :]
    places = positions[rows, -1:] + ahead
    logits = model.network(
        input_ids=fed.to(model.device),
        attention_mask=torch.cat([real[rows], torch.ones_like(places, dtype=torch.bool)], 1),
        position_ids=places,
        past_key_values=_selected(cache, rows),
        use_cache=True,
    ).logits
    log_p = torch.log_softmax(logits.float(), -1)
    given = log_p.gather(-1, wanted.to(model.device)[..., None]).squeeze(-1)
    return [
        [-value for value in row[: len(pair.output) - 1]]
        for pair, row in zip(pairs, given.tolist(), strict=True)
    ]


def _selected(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """A copy of a cache with these rows; growing it leaves the cache as it is."""
    chosen = copy(cache)
    chosen.layers = [copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen
