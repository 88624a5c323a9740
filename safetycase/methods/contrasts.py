"""Directions between class means: of a contrast, of permuted labels, of words; of refusals.

All follow from a published tensor (the mean activation of every discovery prompt at the place
that is edited, or that at its last token), the items and a seed. That these are the model's is
taken on trust.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.classes import classes_of
from safetycase.methods.controls import unit_direction
from safetycase.methods.label import words
from safetycase.methods.stream import Stream
from safetycase.record.plan import Plan, UnrelatedContrasts
from safetycase.record.planned_axis import Axis, RefusalDirection
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import ItemRow

Flags = NDArray[np.bool_]

_TRIES = 1000
"""Permutations that are tried before labels are said to have no shuffle."""


def means_name(axis: Axis) -> str:
    """Name of the tensor with the mean activations of the prompts of the axis's contrast."""
    return f"{axis.id}.means"


def unrelated_name(plan: Plan, axis: Axis) -> str:
    """Name of the tensor with those of the prompts of the unrelated contrasts."""
    return f"{axis.id}.unrelated" if _is_elsewhere(plan, axis) else means_name(axis)


def needed_means(plan: Plan, axis: Axis) -> dict[str, str]:
    """Tensors of means that the arms of an axis need, each with the dataset of its prompts."""
    needed = {}
    asked = axis.baselines
    unrelated = plan.controls.unrelated_contrasts
    if plan.controls.shuffled_labels is not None or (asked and asked.difference_in_means):
        needed[means_name(axis)] = axis.selection.contrast.dataset
    if unrelated is not None:
        needed[unrelated_name(plan, axis)] = unrelated.dataset
    return needed


def refusal_of(axis: Axis) -> RefusalDirection | None:
    """The refusal direction that the plan asks for beside an axis's target, if it does."""
    return None if axis.baselines is None else axis.baselines.refusal_direction


def refusal_name(axis: Axis) -> str:
    """Name of the tensor with the activations at the last tokens of the prompts it is of."""
    return f"{axis.id}.refusal"


def _is_elsewhere(plan: Plan, axis: Axis) -> bool:
    unrelated = plan.controls.unrelated_contrasts
    return unrelated is not None and unrelated.dataset != axis.selection.contrast.dataset


def mean_difference(
    means: NDArray[np.float32], positive: Flags, within: Flags | None = None
) -> NDArray[np.float32]:
    """Give the unit vector from the negative to the positive class mean: float32 [d].

    `means` [n, d] are the prompts' mean activations. With `within`, differences are taken
    inside either of its two classes and added, so that what tells those classes apart cancels.
    Refused: a class without prompts, equal means.

    Source: difference in means, Marks & Tegmark 2023, arXiv 2310.06824; taken inside strata:
    direct standardisation, as Mantel & Haenszel 1959, JNCI 22:719, with equal weights.
    """
    return unit_direction(_difference(means, positive, within))


def _difference(
    means: NDArray[np.float32], positive: Flags, within: Flags | None = None
) -> NDArray[np.float64]:
    x = means.astype(np.float64)
    strata = [np.ones(len(x), np.bool_)] if within is None else [within, ~within]
    total = np.zeros(x.shape[1])
    for stratum in strata:
        one, two = x[stratum & positive], x[stratum & ~positive]
        if not len(one) or not len(two):
            raise MethodRefused(
                "mean_difference", "prompts of both classes", found=f"{len(one)} and {len(two)}"
            )
        total += _mean(one) - _mean(two)
    return total


def _mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the rows; a running sum, since `mean` picks its order by the shape."""
    mean: NDArray[np.float64] = np.add.accumulate(rows, axis=0)[-1] / len(rows)
    return mean


def shuffled(seed: str, positive: Flags) -> Flags:
    """Give the labels permuted by a seed, so that either true class has both labels.

    `Stream(seed, "labels").sample(n, n)` says whose label each prompt gets; taken again until
    each true class has prompts of either new label. Refused where none of many does.
    """
    stream = Stream(seed, "labels")
    for _ in range(_TRIES):
        labels: Flags = positive[stream.sample(len(positive), len(positive))]
        if all(labels[part].any() and not labels[part].all() for part in (positive, ~positive)):
            return labels
    raise MethodRefused("shuffled", "two prompts of either class", found="fewer")


def gaussian(seed: str, width: int) -> NDArray[np.float32]:
    """Give an isotropic random unit vector: float32 [width].

    Components by pairs of draws u, v of `Stream(seed, "gaussian")`: r·cos(2πv) and r·sin(2πv),
    r = √(-2 ln(1 - u)). Mostly not where activations lie: for report alone.

    Source: Box & Muller 1958, Annals of Mathematical Statistics 29:610.
    """
    stream = Stream(seed, "gaussian")
    values: list[float] = []
    while len(values) < width:
        radius = math.sqrt(-2.0 * math.log1p(-stream.uniform()))
        angle = 2.0 * math.pi * stream.uniform()
        values += [radius * math.cos(angle), radius * math.sin(angle)]
    return unit_direction(np.array(values[:width]))


def holds(word: str, items: Sequence[ItemRow]) -> Flags:
    """Which prompts hold a word, whole and case folded."""
    flags = [any(found.text == word for found in words(item.prompt)) for item in items]
    return np.array(flags, dtype=np.bool_)


def drawn_words(plan: Plan, axis: Axis, case_seed: str, evidence: Evidence) -> list[str]:
    """The words of the unrelated contrasts of an axis, in the order drawn; none if none asked.

    Words that may be drawn stand in alphabetical order, one for each division of the prompts
    that occurs; those drawn are at the places that
    `Stream(plan digest, AXIS/unrelated_contrast).sample(words, count)` gives. Refused where
    there are too few.
    """
    rule = plan.controls.unrelated_contrasts
    if rule is None:
        return []
    prompts, own = _prompts(plan, axis, rule, evidence)[1:]
    eligible = _eligible_words(rule, prompts, own)
    if len(eligible) < rule.count:
        raise MethodRefused(
            "plan /controls/unrelated_contrasts",
            f"{rule.count} words that divide the prompts of {rule.dataset} as asked",
            found=str(len(eligible)),
            remedy="Ask for fewer, lower minimum_items, or name a dataset with more prompts.",
        )
    stream = Stream(case_seed, f"{axis.id}/unrelated_contrast")
    return [eligible[place] for place in stream.sample(len(eligible), rule.count)]


def _prompts(
    plan: Plan, axis: Axis, rule: UnrelatedContrasts, evidence: Evidence
) -> tuple[NDArray[np.intp], list[ItemRow], Flags | None]:
    """Places and prompts of the unrelated contrasts, and their classes if they are the axis's.

    Those of the axis's contrast that have no class there are left out.
    """
    prompts = evidence.items.of(rule.dataset, "discovery")
    if _is_elsewhere(plan, axis):
        return np.arange(len(prompts)), list(prompts), None
    own = classes_of(axis.selection.contrast, evidence, "discovery")
    return own.places, own.among(prompts), own.positive


def _eligible_words(
    rule: UnrelatedContrasts, prompts: Sequence[ItemRow], own: Flags | None
) -> list[str]:
    said: dict[str, set[int]] = {}
    for number, item in enumerate(prompts):
        for found in words(item.prompt):
            said.setdefault(found.text, set()).add(number)
    everyone = set(range(len(prompts)))
    positive = set() if own is None else {int(n) for n in np.flatnonzero(own)}
    strata = [everyone] if own is None else [positive, everyone - positive]
    divisions: dict[frozenset[frozenset[int]], str] = {}
    for word in sorted(said):
        has = said[word]
        lacks = everyone - has
        if all(
            min(len(part & has), len(part & lacks)) >= rule.minimum_items for part in strata
        ):
            divisions.setdefault(frozenset({frozenset(has), frozenset(lacks)}), word)
    return list(divisions.values())


def unrelated_direction(
    plan: Plan, axis: Axis, word: str, evidence: Evidence
) -> NDArray[np.float32]:
    """The direction of an unrelated contrast: prompts with a word against the others."""
    rule = plan.controls.unrelated_contrasts
    if rule is None:
        raise MethodRefused("plan /controls", "unrelated_contrasts", found="none")
    places, prompts, own = _prompts(plan, axis, rule, evidence)
    every = len(evidence.items.of(rule.dataset, "discovery"))
    means = _means(evidence, unrelated_name(plan, axis), every)
    return mean_difference(means[places], holds(word, prompts), own)


def own_direction(
    axis: Axis, evidence: Evidence, seed: str | None = None
) -> NDArray[np.float32]:
    """The difference of class means of the axis's contrast; with a seed, its labels permuted.

    Of permuted labels, differences are taken inside the true classes: a permutation that
    happens to follow the true labels would otherwise be the very direction that it controls.
    """
    prompts = evidence.items.of(axis.selection.contrast.dataset, "discovery")
    classes = classes_of(axis.selection.contrast, evidence, "discovery")
    means = _means(evidence, means_name(axis), len(prompts))[classes.places]
    positive = classes.positive
    if seed is None:
        return mean_difference(means, positive)
    return mean_difference(means, shuffled(seed, positive), positive)


def refusal_direction(axis: Axis, evidence: Evidence) -> NDArray[np.float32]:
    """The unit vector from answered to refused prompts at their last tokens: float32 [d].

    Refused: no such baseline, a class without prompts, equal means.

    Source: Arditi et al. 2024, arXiv 2406.11717, section 2.3.
    """
    return unit_direction(_refusal(axis, evidence))


def refusal_length(axis: Axis, evidence: Evidence) -> float:
    """The length of the difference that it is the direction of, to six significant digits."""
    squares = np.square(_refusal(axis, evidence)).tolist()
    return float(f"{math.sqrt(math.fsum(squares)):.6g}")


def _refusal(axis: Axis, evidence: Evidence) -> NDArray[np.float64]:
    asked = refusal_of(axis)
    if asked is None:
        raise MethodRefused(f"axis {axis.id} /baselines", "refusal_direction", found="none")
    prompts = evidence.items.of(asked.contrast.dataset, "discovery")
    last = _means(evidence, refusal_name(axis), len(prompts))
    classes = classes_of(asked.contrast, evidence, "discovery")
    return _difference(last[classes.places], classes.positive)


def _means(evidence: Evidence, name: str, rows: int) -> NDArray[np.float32]:
    means: NDArray[np.float32] = evidence.tensor(name)
    if len(means) != rows:
        raise MethodRefused(f"tensor {name}", f"{rows} rows", found=str(len(means)))
    return means
