"""What the dictionary sees in unedited prompts: pooled, at drawn positions, and by word.

BOS and padding are never read: dictionaries are not trained on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from safetycase.errors import RunFailed
from safetycase.methods.label import words
from safetycase.methods.sites import Where, places_of
from safetycase.methods.stream import Stream
from safetycase.record.planned_axis import Pooling
from safetycase.run.arm_run import reading, run_until_read, side_by_side
from safetycase.run.device import wide
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, in_tokens, pad_left
from safetycase.run.shrink import Batches, parts_that_fit

Found = TypeVar("Found")

ENCODED_AT_ONCE = 2**26
"""Feature activations held in memory at once, in numbers."""


@dataclass(frozen=True)
class Pooled:
    """Pooled activation of each feature over each prompt, sparse rows (CSR)."""

    values: np.ndarray
    columns: np.ndarray
    bounds: np.ndarray
    width: int


def activations(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    *wanted: Where,
    keep: Callable[..., Found],
    batches: Batches,
) -> Iterator[tuple[int, Found]]:
    """Each prompt's number and what is kept of its activations.

    `keep` is given the number and, for every place wanted, float32 [tokens but the first,
    width]. Prompts of like length run together; the order is theirs, not that given. Fewer do
    where memory runs out, in the pass or in `keep`, which is then asked again.
    """
    places = [place for where in wanted for place in places_of(where)]
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))

    def read(part: Sequence[int]) -> list[Found]:
        batch = pad_left([prompts[i] for i in part], model)
        with reading(model, places, stop=True) as caught:
            run_until_read(model, batch)
        seen = [side_by_side(caught, where) for where in wanted]
        return [
            keep(number, *(values[row, batch.editable[row]] for values in seen))
            for row, number in enumerate(part)
        ]

    def named(number: int) -> str:
        return f"{in_tokens(prompts[number])} (number {number + 1} of {len(prompts)})"

    for part, found in parts_that_fit(order, batches, read, named):
        yield from zip(part, found, strict=True)


def pooled_activations(
    model: LoadedModel,
    dictionary: Dictionary,
    prompts: Sequence[Prompt],
    *,
    batches: Batches,
    pooling: Pooling = "max",
) -> Pooled:
    """Pooled activation of every feature over each prompt, rows in the order given."""
    size = max(1, ENCODED_AT_ONCE // dictionary.width)

    def keep(_: int, x: torch.Tensor) -> np.ndarray:
        seen = x[-1:] if pooling == "last" else x
        parts = [_pooled(dictionary.encode(part), pooling) for part in torch.split(seen, size)]
        return _of_parts(parts, len(seen), pooling)

    place = dictionary.reads
    rows = _in_order(activations(model, prompts, place, keep=keep, batches=batches))
    columns = [np.flatnonzero(row).astype(np.int32) for row in rows]
    bounds = np.concatenate([[0], np.cumsum([c.size for c in columns])]).astype(np.int64)
    values = [row[c].astype(np.float32) for row, c in zip(rows, columns, strict=True)]
    return Pooled(np.concatenate(values), np.concatenate(columns), bounds, dictionary.width)


def _in_order(found: Iterable[tuple[int, Found]]) -> list[Found]:
    """What was kept of each prompt, in the order of the prompts."""
    by_number = dict(found)
    return [by_number[number] for number in range(len(by_number))]


def _pooled(f: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """What is kept of the activations [tokens, width] of a part of a prompt; sums of a mean."""
    return wide(f).sum(0) if pooling == "mean" else f.amax(0)


def _of_parts(parts: Sequence[torch.Tensor], tokens: int, pooling: Pooling) -> np.ndarray:
    """The pooled activations float32 [width]; a mean is rounded once."""
    every = torch.stack(list(parts))
    pooled = every.sum(0) / tokens if pooling == "mean" else every.amax(0)
    row: np.ndarray = pooled.float().cpu().numpy()
    return row


def chosen_activations(
    model: LoadedModel,
    dictionary: Dictionary,
    features: list[int],
    prompts: Sequence[Prompt],
    *,
    batches: Batches,
    pooling: Pooling,
) -> np.ndarray:
    """Pooled activations of some features, float32 [prompts, features]."""

    def keep(_: int, x: torch.Tensor) -> np.ndarray:
        seen = x[-1:] if pooling == "last" else x
        part = _pooled(dictionary.encode_chosen(seen, features), pooling)
        return _of_parts([part], len(seen), pooling)

    pooled = np.zeros((len(prompts), len(features)), dtype=np.float32)
    place = dictionary.reads
    for number, row in activations(model, prompts, place, keep=keep, batches=batches):
        pooled[number] = row
    return pooled


def activation_pool(
    model: LoadedModel,
    place: Where,
    prompts: Sequence[Prompt],
    *,
    size: int,
    stream: Stream,
    batches: Batches,
) -> np.ndarray:
    """Activations float32 [size, width] at drawn (prompt, position ≥ 1), in the order drawn.

    Each draw takes `below(prompts)`, then `1 + below(tokens - 1)`, and is taken again while
    the tokens up to there have been drawn before: equal activations have no difference, and a
    difference of two is a control's direction. Refused if there are too few.
    """
    drawn = _draw_places(prompts, size, stream)
    wanted: dict[int, list[int]] = {}
    for row, (number, _) in enumerate(drawn):
        wanted.setdefault(number, []).append(row)

    def keep(number: int, x: torch.Tensor) -> np.ndarray:
        positions = [drawn[row][1] for row in wanted.get(number, [])]
        kept: np.ndarray = x[positions].cpu().numpy()
        return kept

    pool = np.zeros((size, model.shape.width_at(place)), dtype=np.float32)
    for number, rows in activations(model, prompts, place, keep=keep, batches=batches):
        pool[wanted.get(number, [])] = rows
    return pool


def mean_activations(
    model: LoadedModel, place: Where, prompts: Sequence[Prompt], *, batches: Batches
) -> np.ndarray:
    """Mean activation over the tokens of each prompt, float32 [prompts, width].

    Summed in float64 and rounded once.
    """

    def keep(_: int, x: torch.Tensor) -> np.ndarray:
        mean: np.ndarray = x.cpu().double().mean(0).numpy()
        return mean

    means = np.zeros((len(prompts), model.shape.width_at(place)), dtype=np.float32)
    for number, mean in activations(model, prompts, place, keep=keep, batches=batches):
        means[number] = mean
    return means


def last_activations(
    model: LoadedModel, place: Where, prompts: Sequence[Prompt], *, batches: Batches
) -> np.ndarray:
    """Activation at the last token of each prompt, float32 [prompts, width]."""

    def keep(_: int, x: torch.Tensor) -> np.ndarray:
        row: np.ndarray = x[-1].cpu().numpy()
        return row

    last = np.zeros((len(prompts), model.shape.width_at(place)), dtype=np.float32)
    for number, row in activations(model, prompts, place, keep=keep, batches=batches):
        last[number] = row
    return last


def _draw_places(prompts: Sequence[Prompt], size: int, stream: Stream) -> list[tuple[int, int]]:
    """Distinct (prompt, position - 1), no two behind the same tokens."""
    openings = {p.ids[: end + 1] for p in prompts for end in range(1, len(p))}
    if len(openings) < size:
        raise RunFailed("activation pool", f"{size} distinct places", found=f"{len(openings)}")
    drawn: dict[tuple[int, ...], tuple[int, int]] = {}
    while len(drawn) < size:
        number = stream.below(len(prompts))
        place = stream.below(len(prompts[number]) - 1)
        drawn.setdefault(prompts[number].ids[: place + 2], (number, place))
    return list(drawn.values())


def word_activations(
    model: LoadedModel,
    dictionary: Dictionary,
    features: list[int],
    prompts: Sequence[Prompt],
    texts: Sequence[str],
    *,
    batches: Batches,
    spell: Callable[[float], float],
) -> list[np.ndarray]:
    """For each prompt, activations float64 [1 + words, features]: the whole prompt, each word.

    A word's activation is the largest on a token that shares a character with it; 0 on a word
    that no token covers. `spell` rounds what is published.
    """

    def keep(number: int, x: torch.Tensor) -> np.ndarray:
        f = dictionary.encode_chosen(x, features).cpu().numpy().astype(np.float64)
        spans = prompts[number].offsets[1:]
        rows = [f.max(axis=0)]
        for word in words(texts[number]):
            inside = [i for i, (a, b) in enumerate(spans) if a < word.end and b > word.start]
            rows.append(f[inside].max(axis=0) if inside else np.zeros(len(features)))
        spelled: np.ndarray = np.vectorize(spell, otypes=[np.float64])(np.stack(rows))
        return spelled

    place = dictionary.reads
    return _in_order(activations(model, prompts, place, keep=keep, batches=batches))
