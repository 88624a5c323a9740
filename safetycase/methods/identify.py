"""Which features carry a contrast: the search on the discovery split, and nowhere else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.attribution import (
    attribution_name,
    mean_columns,
    one_sample_p_columns,
)
from safetycase.methods.classes import Classes, classes_of
from safetycase.methods.grid import BASELINE
from safetycase.methods.label import label_of, label_score
from safetycase.methods.multiplicity import benjamini_hochberg, holm
from safetycase.methods.rank import auroc, compare_columns
from safetycase.methods.stacks import of_part, widths_of
from safetycase.methods.welch import welch_p_columns
from safetycase.record.identification import Identification, OfPart, SelectedFeature
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_axis import Selection as Rule
from safetycase.record.unavailable import Unavailable
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import LabelCheckRow


@dataclass(frozen=True)
class SelectedStatistic:
    """A kept feature and the statistics that ranked it, all on the discovery split."""

    feature: int
    auroc: float
    p: float
    p_adjusted: float
    density: float
    standardised_difference: float | None = None
    attribution: float | None = None
    """Either where the plan ranks by it."""
    of_part: OfPart | None = None


@dataclass(frozen=True)
class Selection:
    """What the selection rule found."""

    candidates: int
    significant: int
    positive_items: int
    negative_items: int
    features: tuple[SelectedStatistic, ...]
    least_p_adjusted: float | None = None
    """Least corrected p of a candidate on the planned side, where none was kept."""
    unanswered: int | None = None
    """Discovery items without a class or without an attribution, if there are any."""


def pooled(axis: Axis, evidence: Evidence) -> np.ndarray:
    """Pooled activation of every feature over each discovery prompt, float32 [items, width].

    Read from the published sparse rows. Refused unless they are well formed: one row an item,
    indices within the width and ascending in a row, values above zero.
    """
    return _spread(axis, evidence, evidence.tensor(f"{axis.id}.values"))


def attributed(axis: Axis, evidence: Evidence) -> np.ndarray:
    """Attribution of every feature on each discovery prompt, float32 [items, width].

    Published beside the pooled activations, one for each: a feature that does not fire on a
    prompt has none there. Refused as these are, and unless there are as many.
    """
    return _spread(axis, evidence, evidence.tensor(attribution_name(axis)))


def _spread(axis: Axis, evidence: Evidence, spread: np.ndarray) -> np.ndarray:
    """Numbers in the places of the published activations; zeros where there are none."""
    items = evidence.items.of(axis.selection.contrast.dataset, "discovery")
    values = evidence.tensor(f"{axis.id}.values")
    columns = evidence.tensor(f"{axis.id}.columns")
    bounds = evidence.tensor(f"{axis.id}.indptr")
    width = sum(widths_of(axis, evidence))
    where = f"evidence/pooled.safetensors {axis.id}"
    if bounds.shape != (len(items) + 1,) or not values.shape == columns.shape == spread.shape:
        raise MethodRefused(where, f"rows for {len(items)} items", found=f"{bounds.size - 1}")
    if bounds[0] != 0 or bounds[-1] != values.size or (np.diff(bounds) < 0).any():
        raise MethodRefused(where, "row bounds that cover the values", found="others")
    if ((columns < 0) | (columns >= width)).any() or (values <= 0).any():
        raise MethodRefused(where, "indices within the width, values above 0", found="others")
    rows = np.repeat(np.arange(len(items)), np.diff(bounds))
    keys = rows.astype(np.int64) * width + columns
    if (np.diff(keys) <= 0).any():
        raise MethodRefused(where, "ascending indices in every row", found="others")
    dense: np.ndarray = np.zeros((len(items), width), dtype=np.float32)
    dense[rows, columns] = spread
    return dense


def density(activations: np.ndarray) -> np.ndarray:
    """Share of prompts with a pooled activation above 0, float64 [width]."""
    fired: np.ndarray = (activations > 0).mean(axis=0, dtype=np.float64)
    return fired


def live_features(plan: Plan, axis: Axis, evidence: Evidence) -> list[int]:
    """Features that fire on at least the plan's share of discovery prompts, ascending."""
    dense_enough = densities(axis, evidence) >= plan.controls.minimum_density
    return [int(i) for i in np.flatnonzero(dense_enough)]


def densities(axis: Axis, evidence: Evidence) -> np.ndarray:
    """Share of discovery prompts on which each feature fires, float64 [width]."""
    key = ("density", axis.id, axis.selection.contrast)
    return evidence.once(key, lambda: density(pooled(axis, evidence)))


def largest(axis: Axis, evidence: Evidence) -> np.ndarray:
    """Largest activation of each feature over all discovery prompts, float32 [width]."""
    key = ("largest", axis.id, axis.selection.contrast)
    return evidence.once(key, lambda: pooled(axis, evidence).max(axis=0))


def select_features(axis: Axis, evidence: Evidence) -> Selection:
    """Keep the features with the largest statistic among those that pass the corrected test.

    Candidates: features at least as dense as the rule asks that are not constant. Family of
    the correction: all candidates. Kept: at most `keep`, AUROC above one half (or difference
    above zero, or mean attribution in the planned direction, where the plan ranks by it) and
    corrected p at most `alpha`; ties go to the lower index. May keep none. Where the classes
    are outcomes, either of which fewer than two items have, there is nothing to tell apart: no
    candidate is tested and none is kept.
    """
    return evidence.once(_key(axis), lambda: _select_features(axis, evidence))


def featureless(plan: Plan, evidence: Evidence) -> frozenset[str]:
    """Axes on which the selection rule keeps no feature."""
    return frozenset(axis.id for axis in plan.axes if finds_nothing(axis, evidence))


def finds_nothing(axis: Axis, evidence: Evidence) -> bool:
    """Whether the selection rule keeps no feature of an axis, so that nothing is edited there.

    A search that cannot be repeated excuses no axis from its arms.
    """
    try:
        return not select_features(axis, evidence).features
    except MethodRefused:
        return False


def share_search(plan: Plan, searched: Evidence, other: Evidence) -> None:
    """Let other evidence of the same items and tensors know what this one found."""
    for axis in plan.axes:
        with suppress(MethodRefused):
            found = select_features(axis, searched)
            other.once(_key(axis), lambda found=found: found)  # type: ignore[misc]


def _key(axis: Axis) -> tuple[object, ...]:
    return ("selection", axis.id, axis.selection)


def _select_features(axis: Axis, evidence: Evidence) -> Selection:
    rule = axis.selection
    activations = pooled(axis, evidence)
    classes = _compared(axis, evidence)
    gone = classes.unanswered or None
    if rule.contrast.label == "outcome" and not classes.are_two:
        return Selection(0, 0, *classes.sizes, (), unanswered=gone)
    densities = density(activations)
    compared = activations[classes.places]
    given = None if rule.attribution is None else attributed(axis, evidence)[classes.places]
    varies = _varies(compared) if given is None else _varies(compared) & _varies(given)
    candidates = np.flatnonzero((densities >= rule.minimum_density) & varies)
    if not candidates.size:
        return Selection(0, 0, *classes.sizes, (), unanswered=gone)
    ranked = _ranked(
        rule,
        compared[:, candidates],
        classes.positive,
        None if given is None else given[:, candidates],
    )
    adjusted = _CORRECTIONS[rule.correction or "holm"](ranked.p)
    passing = [
        i
        for i in range(candidates.size)
        if adjusted[i] <= rule.alpha and ranked.excess[i] > 0.0
    ]
    best = sorted(passing, key=lambda i: (-ranked.excess[i], candidates[i]))[: rule.keep]
    features = tuple(
        SelectedStatistic(
            feature=int(candidates[i]),
            auroc=float(ranked.auroc[i]),
            p=float(ranked.p[i]),
            p_adjusted=float(adjusted[i]),
            density=float(densities[candidates[i]]),
            standardised_difference=_stated(ranked.difference, i),
            attribution=_stated(ranked.attribution, i),
            of_part=of_part(int(candidates[i]), widths_of(axis, evidence)),
        )
        for i in best
    )
    above = [float(adjusted[i]) for i in range(candidates.size) if ranked.excess[i] > 0.0]
    least = min(above) if above and not features else None
    return Selection(int(candidates.size), len(passing), *classes.sizes, features, least, gone)


def _compared(axis: Axis, evidence: Evidence) -> Classes:
    """The discovery prompts that are compared: with a class and, if asked, an attribution."""
    contrast, asked = axis.selection.contrast, axis.selection.attribution
    classes = classes_of(contrast, evidence, "discovery")
    if asked is None:
        return classes
    here = evidence.answered(asked.evaluation, contrast.dataset, BASELINE, "discovery")
    return classes if here is None else classes.only(here)


def _varies(columns: np.ndarray) -> NDArray[np.bool_]:
    varies: NDArray[np.bool_] = columns.max(axis=0) > columns.min(axis=0)
    return varies


def _stated(figures: NDArray[np.float64] | None, place: int) -> float | None:
    return None if figures is None else float(figures[place])


_CORRECTIONS = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}


@dataclass(frozen=True)
class _Ranked:
    """What candidates are ranked by; entry i belongs to candidate i."""

    auroc: NDArray[np.float64]
    excess: NDArray[np.float64]
    """AUROC less one half, standardised difference or attribution: above 0 on the side that is
    sought."""
    p: NDArray[np.float64]
    difference: NDArray[np.float64] | None = None
    attribution: NDArray[np.float64] | None = None


def _ranked(
    rule: Rule, activations: np.ndarray, labels: NDArray[np.bool_], given: np.ndarray | None
) -> _Ranked:
    if (rule.statistic == "attribution") != (given is not None):
        expected = "attribution with statistic attribution, and with no other"
        raise MethodRefused("plan /selection", expected, found=rule.statistic)
    compared = compare_columns(activations, labels)
    if rule.attribution is not None and given is not None:
        means = mean_columns(given)
        sought = means if rule.attribution.direction == "up" else -means
        p = one_sample_p_columns(given)
        return _Ranked(compared.auroc, sought, p, attribution=means)
    if rule.statistic == "auroc":
        return _Ranked(compared.auroc, compared.auroc - 0.5, compared.p_value)
    difference = compared.standardised_difference
    p = welch_p_columns(activations, labels)
    return _Ranked(compared.auroc, difference, p, difference=difference)


def detections(axis: Axis, feature: int, evidence: Evidence) -> list[LabelCheckRow]:
    """The whole-prompt rows of a feature, one for each held-out prompt, in item order."""
    rows = [
        row
        for row in evidence.label_checks
        if row.axis == axis.id and row.feature == feature and row.position == -1
    ]
    items = evidence.items.of(axis.selection.contrast.dataset, "held_out")
    if [row.item for row in rows] != [item.item for item in items]:
        raise MethodRefused(
            f"evidence/label_checks.jsonl {axis.id} feature {feature}",
            f"one whole-prompt row for each of {len(items)} held-out prompts",
            found=f"{len(rows)}",
        )
    return rows


def held_out_name(axis: Axis) -> str:
    """Name of the tensor of what held-out prompts give, where the plan names a pooling."""
    return f"{axis.id}.held_out"


def held_out_scores(axis: Axis, feature: int, evidence: Evidence) -> NDArray[np.float64]:
    """Pooled activations of a kept feature on the held-out prompts, float64 [items].

    The whole-prompt rows of its label checks, or where the plan names a pooling the feature's
    column of the tensor of that. Refused: a tensor that has not a row for each prompt and a
    column for each kept feature, or values under zero.
    """
    largest = np.array([row.activation for row in detections(axis, feature, evidence)])
    if axis.selection.pooling is None:
        return largest
    kept = [one.feature for one in select_features(axis, evidence).features]
    found = evidence.tensor(held_out_name(axis))
    where = f"evidence/pooled.safetensors {held_out_name(axis)}"
    if found.shape != (len(largest), len(kept)) or (found < 0).any():
        expected = f"activations of {len(kept)} features on {len(largest)} prompts"
        raise MethodRefused(where, expected, found=f"{found.shape}")
    scores: NDArray[np.float64] = found[:, kept.index(feature)].astype(np.float64)
    return scores


def above_largest(axis: Axis, feature: int, evidence: Evidence) -> int:
    """On how many held-out prompts a pooled activation is above the largest, which none can be.

    The largest are published to six digits, and so are compared to five.
    """
    largest = np.array([row.activation for row in detections(axis, feature, evidence)])
    scores = held_out_scores(axis, feature, evidence)
    return int((scores > largest * (1.0 + 1e-5)).sum())


def held_out_auroc(axis: Axis, feature: int, evidence: Evidence) -> float | Unavailable:
    """AUROC of a kept feature on the held-out prompts of its contrast that have a class.

    None where the classes are outcomes and there is one outcome alone.
    """
    classes = classes_of(axis.selection.contrast, evidence, "held_out")
    scores = held_out_scores(axis, feature, evidence)
    if axis.selection.contrast.label == "outcome" and not min(classes.sizes):
        return Unavailable(reason="all held-out prompts that have a class are of one class")
    return auroc(scores[classes.places], classes.positive)


def identification(
    axis: Axis, case_seed: str, evidence: Evidence, selection: Selection
) -> Identification:
    """The selection with held-out AUROC, labels and label scores."""
    return Identification(
        candidates=selection.candidates,
        significant=selection.significant,
        positive_items=selection.positive_items,
        negative_items=selection.negative_items,
        least_p_adjusted=selection.least_p_adjusted,
        unanswered=selection.unanswered,
        features=tuple(
            _selected(axis, case_seed, evidence, statistic) for statistic in selection.features
        ),
    )


def _selected(
    axis: Axis, case_seed: str, evidence: Evidence, statistic: SelectedStatistic
) -> SelectedFeature:
    words = [
        row
        for row in evidence.label_words
        if row.axis == axis.id and row.feature == statistic.feature
    ]
    checks = [
        row
        for row in evidence.label_checks
        if row.axis == axis.id and row.feature == statistic.feature
    ]
    return SelectedFeature(
        feature=statistic.feature,
        auroc=statistic.auroc,
        p=statistic.p,
        p_adjusted=statistic.p_adjusted,
        density=statistic.density,
        standardised_difference=statistic.standardised_difference,
        attribution=statistic.attribution,
        of_part=statistic.of_part,
        held_out_auroc=held_out_auroc(axis, statistic.feature, evidence),
        label=label_of(words, axis.labels.words),
        label_score=label_score(axis, case_seed, statistic.feature, checks),
    )
