"""The features of an axis as the pages show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safetycase.methods.classes import class_name
from safetycase.record.identification import OfPart
from safetycase.record.planned_axis import Selection
from safetycase.record.results import AxisResult
from safetycase.record.unavailable import Unavailable
from safetycase.report.source import Shown, Source


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A selected feature and the validation of its label."""

    feature: Shown
    auroc: Shown
    held_out_auroc: Shown
    p_adjusted: Shown
    density: Shown
    label: tuple[Shown, ...]
    scores: tuple[Shown, ...]
    """Detection, fuzzing, best permuted detection, prompts on which it fires and does not."""
    unavailable: Shown | None
    """Why there are no scores."""
    supported: bool
    difference: Shown | None
    """Standardised difference of class means, where the plan ranks by it."""
    attribution: Shown | None
    """Mean attribution, where the plan ranks by it."""
    of_part: tuple[Shown, Shown] | None
    """Its own dictionary and its number there, where the axis is of a stack."""


_STATISTICS = {
    "auroc": "the area under the ROC curve, p by Mann-Whitney",
    "standardised_mean_difference": "the difference of class means in standard deviations, p "
    "by Welch",
}
_POOLINGS = {
    "max": "the largest activations over prompts",
    "mean": "the mean activations over prompts",
    "last": "the activations at the last tokens",
}
_CORRECTIONS = {
    "holm": "by Holm: that any significant candidate is a chance find is no likelier than the "
    "planned alpha",
    "benjamini_hochberg": "by Benjamini-Hochberg: of the significant candidates a share of "
    "the planned alpha is expected to be chance finds",
}


def search_in_words(rule: Selection) -> str | None:
    """How candidates were ranked and corrected; none for largest, AUROC and Holm, as usual.

    And what makes the classes, where they are outcomes.
    """
    named = rule.correction or "holm", rule.pooling or "max"
    if (rule.statistic, *named) == ("auroc", "holm", "max"):
        return _classes(rule) or None
    if rule.attribution is not None:
        sought = "raise" if rule.attribution.direction == "up" else "lower"
        return (
            f"{_classes(rule)} Ranked by how far they {sought} the log-odds of "
            f"{rule.attribution.evaluation} as they fire, to first order (activation times "
            f"gradient), p by a one-sample t test; corrected {_CORRECTIONS[named[0]]}."
        ).lstrip()
    corrected, pooled = _CORRECTIONS[named[0]], _POOLINGS[named[1]]
    ranked = _STATISTICS[rule.statistic]
    return f"{_classes(rule)} Ranked, of {pooled}, by {ranked}; corrected {corrected}.".lstrip()


def _classes(rule: Selection) -> str:
    """What makes an item positive, where it is not a column of the items; else nothing."""
    if rule.contrast.measure is None:
        return ""
    return f"Positive are {class_name(rule.contrast)}, by most answers of the unedited model."


def feature_rows(source: Source, result: AxisResult, found: str) -> Iterator[FeatureRow]:
    """The kept features of an axis whose identification stands at this pointer."""
    for number, feature in enumerate(result.identification.features):
        here = f"{found}/features/{number}"
        score = feature.label_score
        none = isinstance(score, Unavailable)
        no_area = isinstance(feature.held_out_auroc, Unavailable)
        names = ("detection", "fuzzing", "null_detection", "active", "silent")
        yield FeatureRow(
            feature=source.show(f"{here}/feature"),
            auroc=source.show(f"{here}/auroc"),
            held_out_auroc=source.show(f"{here}/held_out_auroc{'/reason' if no_area else ''}"),
            p_adjusted=source.show(f"{here}/p_adjusted"),
            density=source.show(f"{here}/density"),
            label=source.show_each(f"{here}/label"),
            scores=()
            if none
            else tuple(source.show(f"{here}/label_score/{name}") for name in names),
            unavailable=source.show(f"{here}/label_score/reason") if none else None,
            supported=not isinstance(score, Unavailable) and score.supported,
            difference=source.show_stated(f"{here}/standardised_difference"),
            attribution=source.show_stated(f"{here}/attribution"),
            of_part=_of_part(source, result, here, feature.of_part),
        )


def _of_part(
    source: Source, result: AxisResult, here: str, stated: OfPart | None
) -> tuple[Shown, Shown] | None:
    axis = next(axis for axis in source.plan.axes if axis.id == result.axis)
    stacks = [stack.id for stack in source.plan.stacks or ()]
    if stated is None or axis.dictionary not in stacks:
        return None
    named = f"/stacks/{stacks.index(axis.dictionary)}/parts/{stated.part}"
    return source.planned(named), source.show(f"{here}/of_part/feature")
