"""The steps of a run that search for features: what is seen, what is kept, what it is called.

Every figure on which a step depends is computed by `methods`; here things are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from safetycase.errors import RunFailed
from safetycase.methods.attribution import attribution_name
from safetycase.methods.classes import class_name, classes_of
from safetycase.methods.contrasts import drawn_words, needed_means, refusal_name, refusal_of
from safetycase.methods.identify import held_out_name, select_features
from safetycase.methods.label import label_check_rows, label_of, label_word_rows
from safetycase.methods.stream import Stream
from safetycase.record.planned_axis import Axis, RefusalDirection
from safetycase.run.answers import six_digits
from safetycase.run.attribute import attributions
from safetycase.run.lab import Lab
from safetycase.run.observe import (
    Pooled,
    activation_pool,
    chosen_activations,
    last_activations,
    mean_activations,
    pooled_activations,
    word_activations,
)
from safetycase.run.shrink import Batches
from safetycase.tables.rows import ItemRow


def observe(lab: Lab) -> None:
    """Pooled activations and the activation pool of every axis stand in the notes."""
    plan, model = lab.bench.plan, lab.bench.model
    lab.progress.begin("observing features", len(plan.axes))
    seen: dict[tuple[str, ...], Pooled] = {}
    for axis in plan.axes:
        dictionary = lab.bench.dictionaries[axis.dictionary]
        prompts = lab.prompts(lab.contrast(axis, "discovery"))
        pooling = axis.selection.pooling or "max"
        place = (axis.dictionary, axis.selection.contrast.dataset, pooling)
        if place not in seen:
            seen[place] = pooled_activations(
                model,
                dictionary,
                prompts,
                batches=lab.reading(f"the features of {axis.id}"),
                pooling=pooling,
            )
        pooled = seen[place]
        lab.notes.tensors |= {
            f"{axis.id}.values": pooled.values,
            f"{axis.id}.columns": pooled.columns,
            f"{axis.id}.indptr": pooled.bounds,
            f"{axis.id}.width": np.array(dictionary.widths, dtype=np.int64),
            f"{axis.id}.pool": activation_pool(
                model,
                dictionary.writes,
                prompts,
                size=plan.controls.activation_pool,
                stream=Stream(lab.case_seed, f"{axis.id}/pool"),
                batches=lab.reading(f"the activation pool of {axis.id}"),
            ),
        }
        if axis.selection.attribution is not None:
            lab.notes.tensors[attribution_name(axis)] = attributions(
                lab.bench,
                dictionary,
                axis.selection.attribution,
                lab.contrast(axis, "discovery"),
                pooled,
                batches=Batches(
                    lab.batch_rows,
                    partial(lab.notes.attributed_in_smaller, axis.id),
                    f"the attribution of {axis.id}",
                ),
            )
        for name, dataset in needed_means(plan, axis).items():
            asked = lab.prompts(lab.notes.items.of(dataset, "discovery"))
            lab.notes.tensors[name] = mean_activations(
                model,
                dictionary.writes,
                asked,
                batches=lab.reading(f"the mean activations {name}"),
            )
        refusal = refusal_of(axis)
        if refusal is not None:
            require_both_classes(lab, axis, refusal)
            asked = lab.prompts(lab.notes.items.of(refusal.contrast.dataset, "discovery"))
            lab.notes.tensors[refusal_name(axis)] = last_activations(
                model,
                dictionary.writes,
                asked,
                batches=lab.reading(f"the refusal direction of {axis.id}"),
            )
        evidence = lab.notes.evidence()
        by_outcome = axis.selection.contrast.label == "outcome"
        if not by_outcome or classes_of(axis.selection.contrast, evidence, "discovery").are_two:
            drawn_words(plan, axis, lab.case_seed, evidence)
        lab.progress.advance(1)


def require_both_classes(lab: Lab, axis: Axis, refusal: RefusalDirection) -> None:
    """Return only if the model refuses some and answers some of a refusal direction's prompts.

    Where the classes are outcomes that is known once the unedited model is measured.
    """
    classes = classes_of(refusal.contrast, lab.notes.evidence(), "discovery")
    refused, answered = classes.sizes
    if not refused or not answered:
        raise RunFailed(
            f"axis {axis.id}, refusal direction",
            f"discovery prompts of {refusal.contrast.dataset} of both classes",
            found=f"{refused} {class_name(refusal.contrast)}, {answered} others",
        )


def identify(lab: Lab) -> dict[str, list[int]]:
    """The features that the selection rule keeps, by axis, best first; there may be none."""
    kept = {}
    for axis in lab.bench.plan.axes:
        selection = select_features(axis, lab.notes.evidence())
        kept[axis.id] = [statistic.feature for statistic in selection.features]
        found = ", ".join(map(str, kept[axis.id])) or "none"
        lab.progress.note(
            f"{axis.id}: {selection.significant} of {selection.candidates} features "
            f"separate the contrast; kept {found}"
        )
    lab.notes.featureless = frozenset(name for name, features in kept.items() if not features)
    return kept


def validate_labels(lab: Lab, kept: Mapping[str, list[int]]) -> None:
    """Words, predictions and activations of every kept feature stand in the notes."""
    for axis in lab.bench.plan.axes:
        _note_held_out(lab, axis, kept[axis.id])
        if not kept[axis.id]:
            continue
        known = list(lab.contrast(axis, "discovery"))
        fresh = list(lab.contrast(axis, "held_out"))
        on_known = _on_words(lab, axis, kept[axis.id], known)
        on_fresh = _on_words(lab, axis, kept[axis.id], fresh)
        for column, feature in enumerate(kept[axis.id]):
            rows = label_word_rows(
                axis.id,
                feature,
                [item.prompt for item in known],
                [values[1:, column].tolist() for values in on_known],
            )
            lab.notes.label_words += rows
            lab.notes.label_checks += label_check_rows(
                axis.id,
                feature,
                label_of(rows, axis.labels.words),
                fresh,
                [values[:, column].tolist() for values in on_fresh],
                axis.labels.examples,
            )


def _note_held_out(lab: Lab, axis: Axis, kept: list[int]) -> None:
    """Where activations are not pooled by their largest, what held-out prompts give."""
    if axis.selection.pooling is None:
        return
    lab.notes.tensors[held_out_name(axis)] = chosen_activations(
        lab.bench.model,
        lab.bench.dictionaries[axis.dictionary],
        kept,
        lab.prompts(lab.contrast(axis, "held_out")),
        batches=lab.reading(f"the held-out activations of {axis.id}"),
        pooling=axis.selection.pooling,
    )


def _on_words(
    lab: Lab, axis: Axis, features: list[int], items: Sequence[ItemRow]
) -> list[np.ndarray]:
    return word_activations(
        lab.bench.model,
        lab.bench.dictionaries[axis.dictionary],
        features,
        lab.prompts(items),
        [item.prompt for item in items],
        batches=lab.reading(f"the labels of {axis.id}"),
        spell=six_digits,
    )
