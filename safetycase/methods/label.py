"""Labels that can be checked: a list of words, and whether they predict the feature.

A label is the words of the discovery prompts on which the feature fires most. On held-out
prompts it makes two predictions, as in automated interpretability (Paulo et al. 2024,
arXiv 2410.13928): *detection*, the feature fires somewhere in a prompt that holds a word of
the label; *fuzzing*, it fires on those words. Both are scored by balanced accuracy, beside a
null in which the predictions are permuted among the prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from safetycase.methods.stream import Stream
from safetycase.record.identification import LabelScore
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.unavailable import Unavailable
from safetycase.tables.columns import Flags
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow, LabelCheckRow, LabelWordRow

WORDS_PUBLISHED = 64
"""Words of a feature that are published, at most; labels are cut from them."""

MINIMUM_COUNT = 2
"""A word seen only once in the discovery prompts cannot be part of a label."""

PERMUTATIONS = 19
"""Permutations of the predictions; the best of them is the null score."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Word:
    """A word of a prompt, folded, and the characters it covers."""

    text: str
    start: int
    end: int


def words(prompt: str) -> list[Word]:
    """Runs of letters, digits and underscores, in order, case folded."""
    return [Word(m.group().casefold(), m.start(), m.end()) for m in _WORD.finditer(prompt)]


def words_of(prompt: str) -> list[str]:
    """The texts of the words of a prompt, without their places."""
    return [word.casefold() for word in _WORD.findall(prompt)]


def label_word_rows(
    axis: str, feature: int, prompts: Sequence[str], activations: Sequence[Sequence[float]]
) -> list[LabelWordRow]:
    """The words on which a feature fires most, most first; ties in alphabetical order.

    `activations[i][w]` is its largest activation on the tokens of word w of prompt i. Only
    words with a mean above zero and at least two occurrences are listed.
    """
    totals: dict[str, list[float]] = {}
    for prompt, values in zip(prompts, activations, strict=True):
        for word, value in zip(words(prompt), values, strict=True):
            totals.setdefault(word.text, []).append(value)
    rows = [
        LabelWordRow(axis, feature, word, len(seen), float(f"{sum(seen) / len(seen):.6g}"))
        for word, seen in totals.items()
        if len(seen) >= MINIMUM_COUNT and sum(seen) > 0.0
    ]
    rows.sort(key=lambda row: (-row.activation, row.word))
    return rows[:WORDS_PUBLISHED]


def label_of(rows: Sequence[LabelWordRow], size: int) -> tuple[str, ...]:
    """The label: the first `size` words by mean activation, ties in alphabetical order."""
    ordered = sorted(rows, key=lambda row: (-row.activation, row.word))
    return tuple(row.word for row in ordered[:size])


def label_check_rows(
    axis: str,
    feature: int,
    label: Sequence[str],
    items: Sequence[ItemRow],
    activations: Sequence[Sequence[float]],
    examples: int,
) -> list[LabelCheckRow]:
    """Predictions and activations on held-out prompts: all as a whole, the first word by word.

    `activations[i]` holds the feature's largest activation on the whole prompt i, then, for
    each of its words, on that word.
    """
    vocabulary = frozenset(label)
    texts = {item.item: words_of(item.prompt) for item in items}
    largest = {item.item: values for item, values in zip(items, activations, strict=True)}
    rows = []
    for item, place in checked(items, examples):
        here = texts[item] if place == -1 else [texts[item][place]]
        fires = not vocabulary.isdisjoint(here)
        rows.append(LabelCheckRow(axis, feature, item, place, largest[item][place + 1], fires))
    return rows


def checked(items: Sequence[ItemRow], examples: int) -> list[tuple[str, int]]:
    """What labels are checked on: every item as a whole (-1), the words of the first ones."""
    return [(item.item, -1) for item in items] + [
        (item.item, place)
        for item in items[:examples]
        for place in range(len(words_of(item.prompt)))
    ]


def vocabularies(
    plan: Plan, rows: Iterable[LabelWordRow]
) -> dict[tuple[str, int], frozenset[str]]:
    """The label of every feature with published words, by axis and feature."""
    sizes = {axis.id: axis.labels.words for axis in plan.axes}
    listed: dict[tuple[str, int], list[LabelWordRow]] = {}
    for row in rows:
        if row.axis in sizes:
            listed.setdefault((row.axis, row.feature), []).append(row)
    return {key: frozenset(label_of(own, sizes[key[0]])) for key, own in listed.items()}


def repredict(
    plan: Plan,
    items: Items,
    labels: Mapping[tuple[str, int], frozenset[str]],
    rows: Iterable[LabelCheckRow],
) -> list[LabelCheckRow]:
    """The rows with every prediction made again from the label and the prompt.

    A feature without published words has an empty label, which predicts nothing. A row stays
    as it is where there is no such item or word.
    """
    datasets = {axis.id: axis.selection.contrast.dataset for axis in plan.axes}
    known = {(row.dataset, row.item): row.prompt for row in items.rows}
    texts: dict[tuple[str, str], list[str]] = {}

    def again(row: LabelCheckRow) -> LabelCheckRow:
        vocabulary = labels.get((row.axis, row.feature), frozenset())
        key = (datasets.get(row.axis, ""), row.item)
        if key not in known:
            return row
        if key not in texts:
            texts[key] = words_of(known[key])
        if row.position >= len(texts[key]):
            return row
        here = texts[key] if row.position == -1 else [texts[key][row.position]]
        predicted = not vocabulary.isdisjoint(here)
        if predicted == row.predicted:
            return row
        return msgspec.structs.replace(row, predicted=predicted)

    return [again(row) for row in rows]


def balanced_accuracy(
    predicted: Sequence[bool] | Flags, active: Sequence[bool] | Flags
) -> float | None:
    """Mean of sensitivity and specificity; none unless both classes occur."""
    said, fires = np.asarray(predicted, dtype=np.bool_), np.asarray(active, dtype=np.bool_)
    positives = int(fires.sum())
    negatives = len(fires) - positives
    if not positives or not negatives:
        return None
    hits, rejections = int((said & fires).sum()), int((~said & ~fires).sum())
    return (hits / positives + rejections / negatives) / 2


def label_score(
    axis: Axis, case_seed: str, feature: int, checks: Sequence[LabelCheckRow]
) -> LabelScore | Unavailable:
    """Score a label by its published predictions, or say why there is no score."""
    whole = [row for row in checks if row.position == -1]
    parts = [row for row in checks if row.position >= 0]
    active = [row.activation > 0.0 for row in whole]
    detection = balanced_accuracy([row.predicted for row in whole], active)
    fuzzing = balanced_accuracy(
        [row.predicted for row in parts], [row.activation > 0.0 for row in parts]
    )
    if detection is None or fuzzing is None:
        return Unavailable(
            reason="the feature fires on all or on none of the held-out prompts or words"
        )
    null = _null_detection(case_seed, axis.id, feature, whole, active)
    best = max(detection, fuzzing)
    return LabelScore(
        detection=detection,
        fuzzing=fuzzing,
        null_detection=null,
        active=sum(active),
        silent=len(active) - sum(active),
        supported=best >= axis.labels.minimum_score and detection > null,
    )


def _null_detection(
    case_seed: str,
    axis: str,
    feature: int,
    whole: Sequence[LabelCheckRow],
    active: list[bool],
) -> float:
    predicted = np.array([row.predicted for row in whole])
    permuted = predicted[permutations(case_seed, f"{axis}/label/{feature}", len(whole))]
    return max(balanced_accuracy(row, active) or 0.0 for row in permuted)


@lru_cache(maxsize=64)
def permutations(seed: str, purpose: str, n: int) -> NDArray[np.intp]:
    """The permutations of n predictions that a case's seed fixes, [`PERMUTATIONS`, n]."""
    stream = Stream(seed, purpose)
    drawn = np.array([stream.sample(n, n) for _ in range(PERMUTATIONS)], dtype=np.intp)
    drawn.flags.writeable = False
    return drawn
