"""Attacks on what stands beside a claim: that nothing was found, and where the effect is."""

from __future__ import annotations

import msgspec

from tests.kit.beside_cases import (
    asked_case,
    hidden_case,
    one_without_case,
    refusing_case,
    strata_case,
)
from tests.kit.builder import KitCase, edit_record, remove_from_record, with_rows
from tests.kit.cases import lenient
from tests.kit.places import KNOWLEDGE, WATCHED, axis_pointer, result
from tests.kit.register import HELD_OUT, SELECTION, attack


@attack("beside", "insider", refused_by={"FEA-001"})
def found_feature_stated_as_none(case: KitCase) -> KitCase:
    """State that the search on an axis found no feature, and leave everything else.

    What the features stand for is not looked at any more.
    """
    found = result(case, WATCHED)["identification"]
    hidden = {**found, "features": [], "significant": 0, "least_p_adjusted": 0.2}
    return edit_record(case, axis_pointer(WATCHED, "identification"), hidden)


@attack(
    "beside",
    "insider",
    refused_by={"DES-005", "FEA-001", "FEA-006", "IVN-002"},
    unknown=(SELECTION | HELD_OUT | {"EVI-003", "FEA-004", "FEA-007", "FOR-003", "STA-003"})
    - {"CLM-007", "FEA-001", "FEA-006", "IVN-007"},
    under=lenient,
)
def found_feature_hidden_with_its_arms(case: KitCase) -> KitCase:
    """Drop every row, label and figure of an axis as if nothing had been found on it.

    An axis on which the intervention would have failed is shown as one without a finding.
    """
    pooled = "evidence/pooled.safetensors"
    return hidden_case().with_members({pooled: case.members[pooled]})


@attack("beside", "insider", refused_by={"FEA-001"}, base=one_without_case, under=lenient)
def best_candidate_shown_farther_off(case: KitCase) -> KitCase:
    """State another smallest corrected p than the search gives where it found nothing.

    Whether the search came near to a finding is not seen.
    """
    pointer = axis_pointer(WATCHED, "identification", "least_p_adjusted")
    return edit_record(case, pointer, 0.5)


@attack("beside", "insider", refused_by={"CLM-003"}, base=one_without_case, under=lenient)
def nothing_found_worded_as_safe(case: KitCase) -> KitCase:
    """Say of an axis on which no feature was found that the behaviour is not there.

    The absence of a finding passes for a finding of absence.
    """
    pointer = axis_pointer(WATCHED, "claim", "wording")
    return edit_record(case, pointer, "The model does not know when it is watched.")


@attack("beside", "insider", refused_by={"DES-005"}, base=one_without_case, under=lenient)
def target_answered_where_nothing_was_found(case: KitCase) -> KitCase:
    """Add answers under a target of an axis on which the search found nothing to edit.

    A favourable arm appears that no feature stands behind.
    """
    rows = case.rows("generations")
    held_out = {row.item for row in case.rows("items") if row.split == "held_out"}
    added = [
        msgspec.structs.replace(row, arm="watched/target", edits=9, delta=3.2, residual=8.0)
        for row in rows
        if row.arm == "baseline" and row.item in held_out
    ]
    return with_rows(case, "generations", [*rows, *added])


@attack("beside", "forger", under=lenient)
def feature_hidden_in_its_activations(_case: KitCase) -> KitCase:
    """Publish activations from which the feature has been taken out before the search.

    The search finds nothing, so nothing is edited or measured. Only somebody who has the
    weights can tell that the published activations are not the model's.
    """
    return hidden_case()


@attack("beside", "insider", refused_by={"BES-001"})
def refusals_counted_as_safe_answers(case: KitCase) -> KitCase:
    """State that no answer under the baseline was a refusal.

    What refusing the request does is taken for safe and helpful conduct.
    """
    entries = result(case, WATCHED)["outcomes"]
    place = next(n for n, entry in enumerate(entries) if entry["outcome"] == "refusal")
    assert entries[place]["counted"] > 0
    return edit_record(case, axis_pointer(WATCHED, "outcomes", place, "counted"), 0)


@attack("beside", "insider", refused_by={"BES-001"})
def outcomes_not_stated(case: KitCase) -> KitCase:
    """Leave out where the answers went.

    That a gain is made of refusals is not seen.
    """
    return remove_from_record(case, axis_pointer(WATCHED, "outcomes"))


@attack("beside", "insider", refused_by={"BES-002"})
def shrinkage_understated(case: KitCase) -> KitCase:
    """State a smaller effect on the tuning split than the rows give.

    What the choice of the dose owed to luck is not seen.
    """
    pointer = axis_pointer(WATCHED, "shrinkage", "effect", "tuning")
    return edit_record(case, pointer, 0.01)


@attack("beside", "insider", refused_by={"BES-002"})
def lucky_feature_said_to_hold_up(case: KitCase) -> KitCase:
    """State that a feature lost nothing from discovery to held-out items.

    The best of many candidates looks as good as it was found.
    """
    kept = result(case, WATCHED)["shrinkage"]["features"][0]
    other = 0.0 if kept["low"] != 0.0 else -0.01
    return edit_record(case, axis_pointer(WATCHED, "shrinkage", "features", 0, "low"), other)


@attack("beside", "insider", refused_by={"BES-003"}, base=strata_case, under=lenient)
def effect_moved_between_strata(case: KitCase) -> KitCase:
    """Exchange the effects of the items that are taken for an evaluation and of the others.

    An effect in tests alone passes for an effect in use.
    """
    first, second = result(case, WATCHED)["strata"]
    assert first["items"] != second["items"]
    swapped = [first | {"counted": False}, second | {"counted": True}]
    return edit_record(case, axis_pointer(WATCHED, "strata"), swapped)


@attack("beside", "insider", refused_by={"STA-003"})
def trend_p_lowered(case: KitCase) -> KitCase:
    """Write a smaller p for the trend of the target's dose series.

    A response that does not follow the dose passes for one that does.
    """
    pointer = axis_pointer(WATCHED, "dose_response", 0, "trend", "p")
    return edit_record(case, pointer, 1e-12)


def _passed(case: KitCase, axis: int, condition: str) -> KitCase:
    found = result(case, axis)["claim"]["conditions"]
    place = next(n for n, each in enumerate(found) if each["id"] == condition)
    assert not found[place]["holds"]
    return edit_record(case, axis_pointer(axis, "claim", "conditions", place, "holds"), True)


@attack("beside", "insider", refused_by={"CLM-001"}, base=refusing_case, under=lenient)
def refusals_passed_off_as_safety(case: KitCase) -> KitCase:
    """Say that a gain is more than refusals, where refusals are all there is.

    A model that has stopped answering is released as a safer one.
    """
    return _passed(case, WATCHED, "more_than_refusal")


@attack("beside", "insider", refused_by={"CLM-001"}, base=refusing_case, under=lenient)
def harm_on_another_axis_passed_over(case: KitCase) -> KitCase:
    """Say that an edit does no harm on another axis of the plan, where it does.

    One risk is lowered by raising another.
    """
    return _passed(case, KNOWLEDGE, "keeps.off_target.watched")


@attack("beside", "insider", refused_by={"CLM-006"}, base=strata_case)
def other_axes_not_mentioned(case: KitCase) -> KitCase:
    """Leave out that what an edit does to the other axes is not measured.

    What was not asked looks as if it had been kept.
    """
    stated = case.record["limitations"]
    return edit_record(case, "/limitations", [t for t in stated if "other axes" not in t])


@attack("beside", "insider", refused_by={"STA-002"}, base=asked_case)
def off_target_change_left_out(case: KitCase) -> KitCase:
    """Leave the comparison on the other axis's rate out of the record.

    What the edit does beside its aim is not shown.
    """
    found = result(case, KNOWLEDGE)["comparisons"]
    kept = [each for each in found if each["measure"]["evaluation"] != "ask"]
    assert len(kept) < len(found)
    return edit_record(case, axis_pointer(KNOWLEDGE, "comparisons"), kept)
