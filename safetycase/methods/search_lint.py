"""What a plan's search for features can and cannot be, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from safetycase.methods.contrasts import refusal_of
from safetycase.methods.equations import read_place, written_place
from safetycase.methods.stacks import every_dictionary
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Contrast


def search_lint(plan: Plan) -> list[str]:
    """Faults of the classes of prompts, and of what is attributed to features."""
    return [*_classes(plan), *_attributions(plan)]


def _classes(plan: Plan) -> Iterator[str]:
    datasets = {evaluation.id: evaluation.dataset for evaluation in plan.evaluations}
    for axis in plan.axes:
        where, refusal = f"/axes {axis.id}", refusal_of(axis)
        yield from _contrast(f"{where} /selection/contrast", axis.selection.contrast, datasets)
        if refusal is not None:
            there = f"{where} /baselines/refusal_direction/contrast"
            yield from _contrast(there, refusal.contrast, datasets)


def _contrast(where: str, contrast: Contrast, datasets: Mapping[str, str]) -> Iterator[str]:
    by_outcome = contrast.label == "outcome"
    if by_outcome and contrast.measure is None:
        yield f"{where}: label outcome needs measure."
    elif not by_outcome and contrast.positive is None:
        yield f"{where}: label {contrast.label} needs positive."
    elif contrast.measure is not None and contrast.positive is not None:
        yield (
            f"{where}: measure stands with label outcome and without positive; leave one of "
            "them out."
        )
    elif contrast.measure is not None:
        name = contrast.measure.evaluation
        if name in datasets and datasets[name] != contrast.dataset:
            yield (
                f"{where}/measure: {name} asks items of {datasets[name]}, so that prompts of "
                f"{contrast.dataset} have no outcome; name an evaluation of these."
            )


def _attributions(plan: Plan) -> Iterator[str]:
    evaluations = {evaluation.id: evaluation for evaluation in plan.evaluations}
    dictionaries = every_dictionary(plan)
    for axis in plan.axes:
        rule, where = axis.selection, f"/axes {axis.id} /selection"
        asked, dictionary = rule.attribution, dictionaries.get(axis.dictionary)
        if (rule.statistic == "attribution") != (asked is not None):
            yield f"{where}: statistic attribution and the field attribution go together."
        if asked is None:
            continue
        evaluation = evaluations.get(asked.evaluation)
        if evaluation is not None and evaluation.measure.kind != "choice":
            yield (
                f"{where}/attribution: {evaluation.id} has no log-odds, being of kind "
                f"{evaluation.measure.kind}; name a choice."
            )
        if evaluation is not None and evaluation.dataset != rule.contrast.dataset:
            yield (
                f"{where}/attribution: {evaluation.id} asks items of {evaluation.dataset}, and "
                f"features are sought on those of {rule.contrast.dataset}."
            )
        if dictionary is not None and read_place(dictionary) != written_place(dictionary):
            yield (
                f"{where}/attribution: {dictionary.id} is {dictionary.equation}; take a "
                "dictionary that writes what it reads."
            )
        if rule.pooling == "last":
            yield f"{where}/pooling: attribution is summed over tokens; take max or mean."
