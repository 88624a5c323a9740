"""Attacks on the search for features and on their labels."""

from __future__ import annotations

import msgspec
import numpy as np

from safetycase.bundle.tensors import write_tensors
from tests.kit.builder import (
    Json,
    KitCase,
    edit_record,
    edit_row,
    edit_tensor,
    with_rows,
)
from tests.kit.cases import ranked_case, traced_case
from tests.kit.outcome_cases import attributed_case, outcome_case
from tests.kit.places import (
    KNOWLEDGE,
    WATCHED,
    axis_pointer,
    items_at,
    result,
    rows_at,
)
from tests.kit.register import CLAIMS, SELECTION, attack

_FEATURES = ("identification", "features")


def _kept(case: KitCase, axis: int = WATCHED) -> Json:
    return result(case, axis)["identification"]["features"]


@attack("features", "insider", refused_by={"FEA-001"})
def feature_cherry_picked(case: KitCase) -> KitCase:
    """State another feature as the second one that the rule kept.

    The feature with the better story is shown, not the one that was found.
    """
    taken = {feature["feature"] for feature in _kept(case)}
    other = next(n for n in range(64) if n not in taken)
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES, 1, "feature"), other)


@attack("features", "insider", refused_by={"FEA-001"})
def candidates_understated(case: KitCase) -> KitCase:
    """State that only a few features were looked at.

    The correction for the search looks complete with a fraction of it.
    """
    return edit_record(case, axis_pointer(WATCHED, "identification", "candidates"), 5)


@attack("features", "insider", refused_by={"FEA-001"})
def discovery_auroc_lowered(case: KitCase) -> KitCase:
    """State a lower discovery AUROC, so that the held-out one looks like no loss.

    The luck of the selection is hidden.
    """
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES, 0, "auroc"), 0.9)


@attack("features", "insider", refused_by={"FEA-001"}, base=ranked_case)
def difference_of_means_raised(case: KitCase) -> KitCase:
    """State a larger standardised difference of a feature than its activations have.

    A feature that barely tells the classes apart looks like their name.
    """
    pointer = axis_pointer(WATCHED, *_FEATURES, 0, "standardised_difference")
    assert 1.0 < _kept(case)[0]["standardised_difference"] < 2.0
    return edit_record(case, pointer, 2.5)


@attack("features", "insider", refused_by={"FEA-001"}, base=ranked_case)
def chance_finds_counted_by_the_stricter_correction(case: KitCase) -> KitCase:
    """State the Holm-corrected p of features that the plan corrects by Benjamini-Hochberg.

    A search that tolerates a share of chance finds looks like one that tolerates none.
    """
    there = axis_pointer(KNOWLEDGE, "identification")
    candidates = result(case, KNOWLEDGE)["identification"]["candidates"]
    p = _kept(case, KNOWLEDGE)[0]["p"]
    return edit_record(case, f"{there}/features/0/p_adjusted", candidates * p)


@attack("features", "insider", refused_by={"FEA-002", "BES-002"}, base=ranked_case)
def held_out_mean_lowered(case: KitCase) -> KitCase:
    """Publish no held-out mean activation of the second feature on the first ten prompts.

    What held-out prompts say is no longer what the held-out AUROC was made of.
    """

    def silenced(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[:10, 1] = 0.0
        return changed

    return edit_tensor(case, "pooled", "knowledge.held_out", silenced)


@attack("features", "insider", refused_by={"FEA-007"}, base=ranked_case)
def mean_above_the_largest(case: KitCase) -> KitCase:
    """Publish held-out means fifty times as large as they were, in the same order.

    A feature that hums looks as if it shouted.
    """
    return edit_tensor(case, "pooled", "knowledge.held_out", lambda values: values * 50)


@attack("features", "insider", refused_by={"FEA-001"})
def inconvenient_feature_left_out(case: KitCase) -> KitCase:
    """Leave the second kept feature out of the record, though its direction was added.

    A feature that stands for something else as well is not shown.
    """
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES), _kept(case)[:1])


@attack("features", "insider", refused_by={"FEA-001"})
def activations_edited_to_favour_a_feature(case: KitCase) -> KitCase:
    """Double the kept feature's published activations, prompt by prompt of the negative class.

    The search would find another feature on these activations.
    """
    kept = _kept(case)[0]["feature"]
    columns = case.tensors("pooled")["watched.columns"]
    bounds = case.tensors("pooled")["watched.indptr"]
    silent = next(
        row for row in range(len(bounds) - 1) if kept in columns[bounds[row] : bounds[row + 1]]
    )

    def quiet(values: np.ndarray) -> np.ndarray:
        place = bounds[silent] + list(columns[bounds[silent] : bounds[silent + 1]]).index(kept)
        changed = values.copy()
        changed[place] = values[place] * 1e-3
        return changed

    return edit_tensor(case, "pooled", "watched.values", quiet)


def _baseline_at_discovery(case: KitCase) -> list[int]:
    return [
        number for number, _ in rows_at(case, "generations", "baseline", "ask", "discovery")
    ]


@attack("features", "insider", refused_by={"EVI-001"}, base=outcome_case)
def outcomes_recoded_to_favour_a_feature(case: KitCase) -> KitCase:
    """Say of the discovery answers to prompts on which a feature fires that they are refusals.

    The feature with the better story is found, whatever the model did.
    """
    tensors = case.tensors("pooled")
    columns, bounds = tensors["watched.columns"], tensors["watched.indptr"]
    items = [case.rows("items")[n] for n in items_at(case, "requests", "discovery")]
    favoured = {
        item.item
        for place, item in enumerate(items)
        if 40 in columns[bounds[place] : bounds[place + 1]]
    }
    assert favoured
    places = set(_baseline_at_discovery(case))
    rows = [
        msgspec.structs.replace(row, outcome="refusal" if row.item in favoured else "unsafe")
        if number in places
        else row
        for number, row in enumerate(case.rows("generations"))
    ]
    return with_rows(case, "generations", rows)


@attack("features", "insider", refused_by={"BES-002", "FEA-001", "IVN-004"}, base=outcome_case)
def answers_of_the_unedited_model_rewritten(case: KitCase) -> KitCase:
    """Turn one item's discovery answers into refusals, with the outcome that belongs to them.

    What the unedited model did makes the classes; another answer makes another search.
    """
    rows = list(case.rows("generations"))
    places = _baseline_at_discovery(case)
    changed = next(rows[n].item for n in places if rows[n].outcome == "unsafe")
    for number in places:
        if rows[number].item == changed:
            refused = {"output": "i cannot help with that .", "outcome": "refusal"}
            rows[number] = msgspec.structs.replace(rows[number], **refused)
    return with_rows(case, "generations", rows)


@attack("features", "insider", refused_by={"FEA-001"}, base=outcome_case)
def unanswered_prompts_not_mentioned(case: KitCase) -> KitCase:
    """State nothing of the discovery items that have no class, as nobody has their answer.

    A search over part of the items looks like one over all of them.
    """
    there = axis_pointer(WATCHED, "identification")
    left = dict(result(case, WATCHED)["identification"])
    assert left.pop("unanswered") == 1
    return edit_record(case, there, left)


@attack("features", "insider", refused_by={"FEA-001"}, base=attributed_case)
def attribution_raised_on_every_prompt(case: KitCase) -> KitCase:
    """Publish attributions of the first feature that are a tenth larger than what was ranked.

    A feature that barely moves the answer looks like its cause.
    """
    kept, columns = _kept(case)[0]["feature"], case.tensors("pooled")["watched.columns"]

    def raised(values: np.ndarray) -> np.ndarray:
        return np.where(columns == kept, 1.1 * values, values).astype(np.float32)

    return edit_tensor(case, "pooled", "watched.attribution", raised)


@attack("features", "insider", refused_by={"FEA-001"}, base=attributed_case)
def mean_attribution_overstated(case: KitCase) -> KitCase:
    """State twice the mean attribution that a feature's published ones have.

    The feature seems to move the answer as far as it would take.
    """
    pointer = axis_pointer(WATCHED, *_FEATURES, 0, "attribution")
    return edit_record(case, pointer, 2.0 * _kept(case)[0]["attribution"])


@attack("features", "insider", refused_by={"FEA-001"}, base=attributed_case)
def feature_kept_that_attribution_does_not_rank(case: KitCase) -> KitCase:
    """State another feature in the place of the second, with the figures of that one.

    What reads well is shown for what moves the answer.
    """
    taken = {feature["feature"] for feature in _kept(case)}
    other = next(n for n in range(64) if n not in taken)
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES, 1, "feature"), other)


@attack(
    "features",
    "insider",
    refused_by={"SCH-004"},
    unknown=SELECTION | {"FEA-007"},
    base=attributed_case,
)
def attribution_of_a_silent_feature(case: KitCase) -> KitCase:
    """Publish an attribution for which there is no activation.

    A feature that does not fire on a prompt is said to move what it does there.
    """
    return edit_tensor(
        case,
        "pooled",
        "watched.attribution",
        lambda values: np.append(values, np.float32(9.0)),
    )


@attack("features", "insider", refused_by={"FEA-002"})
def held_out_auroc_raised(case: KitCase) -> KitCase:
    """State another held-out AUROC than the published activations give.

    A feature that held by luck looks as if it held up.
    """
    value = _kept(case)[0]["held_out_auroc"]
    raised = 0.97 if value == 1.0 else 1.0
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES, 0, "held_out_auroc"), raised)


@attack("features", "insider", refused_by={"FEA-003"})
def label_invented(case: KitCase) -> KitCase:
    """Write a label for a feature: that it stands for deception.

    The story is told by a word that the data do not hold.
    """
    pointer = axis_pointer(WATCHED, *_FEATURES, 0, "label")
    return edit_record(case, pointer, ["deception", "intent"])


@attack("features", "insider", refused_by={"FEA-003"})
def labels_exchanged(case: KitCase) -> KitCase:
    """Exchange the labels of the two kept features.

    A renamed feature tells another story.
    """
    first, second = (feature["label"] for feature in _kept(case)[:2])
    assert first != second
    case = edit_record(case, axis_pointer(WATCHED, *_FEATURES, 0, "label"), second)
    return edit_record(case, axis_pointer(WATCHED, *_FEATURES, 1, "label"), first)


@attack("features", "insider", refused_by={"FEA-004"})
def label_prediction_flipped(case: KitCase) -> KitCase:
    """Let a label predict what its words do not.

    The label scores better than it predicts.
    """
    row = case.rows("label_checks")[0]
    return edit_row(case, "label_checks", 0, predicted=not row.predicted)


@attack("features", "insider", refused_by={"FEA-005"})
def label_score_raised(case: KitCase) -> KitCase:
    """State that permuted predictions of a label are never right.

    A label that any other list of words would equal looks like a definition.
    """
    pointer = axis_pointer(WATCHED, *_FEATURES, 0, "label_score", "null_detection")
    assert _kept(case)[0]["label_score"]["null_detection"] > 0.0
    return edit_record(case, pointer, 0.0)


@attack("features", "insider", refused_by={"FEA-006"})
def word_counted_more_often(case: KitCase) -> KitCase:
    """State that a label word occurs more often in the discovery prompts than it does.

    A coincidence looks like a rule.
    """
    row = case.rows("label_words")[0]
    return edit_row(case, "label_words", 0, count=row.count + 5)


@attack(
    "features",
    "insider",
    refused_by={"FEA-006"},
    unknown=CLAIMS | {"BES-002", "FEA-002", "FEA-003", "FEA-005", "FEA-007"},
)
def label_checked_on_an_invented_prompt(case: KitCase) -> KitCase:
    """Check a label on a prompt that is not among the items.

    A label is tested on whatever it predicts.
    """
    return edit_row(case, "label_checks", 0, item="r9999")


@attack("features", "insider", refused_by={"FEA-006"})
def label_words_of_a_feature_nobody_kept(case: KitCase) -> KitCase:
    """Add label words of a feature that the rule did not keep.

    A feature with a better story enters by the back door.
    """
    rows = case.rows("label_words")
    added = msgspec.structs.replace(rows[-1], feature=63, word="deception")
    return with_rows(case, "label_words", [*rows, added])


@attack("features", "insider", refused_by={"FEA-007"}, unknown=SELECTION)
def pooled_activation_below_zero(case: KitCase) -> KitCase:
    """Publish a negative activation, which no JumpReLU feature has.

    Ranks are turned around by values that cannot be.
    """

    def negated(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[0] = -changed[0]
        return changed

    return edit_tensor(case, "pooled", "watched.values", negated)


@attack("features", "insider", refused_by={"FEA-008"}, base=traced_case)
def neighbour_dropped(case: KitCase) -> KitCase:
    """Name another feature instead of the nearest of a kept one, which is kept as well.

    That one concept was split over several features is not seen.
    """
    arrays = case.tensors("neighbours")
    slices = case.tensors("dictionary")
    features = [int(one) for one in slices["watched.features"]]
    other = next(f for f in features if f not in arrays["watched.neighbours"] and f > 1)
    arrays["watched.neighbours"][0] = other
    arrays["watched.neighbour_rows"][0] = slices["watched.w_dec"][features.index(other)]
    return case.with_members({"evidence/neighbours.safetensors": write_tensors(arrays)})


@attack("features", "insider", refused_by={"FEA-008"}, base=traced_case)
def cosine_of_a_neighbour_lowered(case: KitCase) -> KitCase:
    """State a smaller cosine of a kept feature with its nearest neighbour.

    Two features look independent that point the same way.
    """
    return edit_record(case, axis_pointer(WATCHED, "neighbours", 0, "cosine"), 0.1)


@attack("features", "insider", refused_by={"FEA-008"}, base=traced_case)
def co_firing_of_a_neighbour_understated(case: KitCase) -> KitCase:
    """State that a kept feature and its neighbour never fire together.

    The neighbour looks like another concept.
    """
    return edit_record(case, axis_pointer(WATCHED, "neighbours", 0, "both"), 0)


@attack("features", "insider", refused_by={"FEA-009"}, base=traced_case)
def prompt_on_which_a_dictionary_fails_smoothed(case: KitCase) -> KitCase:
    """Publish fewer active features for one of the prompts on which the dictionary was tested.

    The dictionary looks sparser on the evaluated texts than it is.
    """
    row = case.rows("dictionary_texts")[3]
    return edit_row(case, "dictionary_texts", 3, active=row.active // 2)


@attack("features", "insider", refused_by={"FEA-009"}, base=traced_case)
def dictionary_tested_on_other_prompts(case: KitCase) -> KitCase:
    """Leave a prompt out of those on which the dictionary was tested.

    Its quality is that on the texts where it is good.
    """
    return with_rows(case, "dictionary_texts", case.rows("dictionary_texts")[1:])
