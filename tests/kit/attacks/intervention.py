"""Attacks on what was added: arms, doses, directions and safeguards."""

from __future__ import annotations

import msgspec
import numpy as np

from safetycase.bundle.tensors import write_tensors
from tests.kit.builder import Json, KitCase, edit_record, edit_row, edit_tensor, with_rows
from tests.kit.cases import lenient
from tests.kit.places import KNOWLEDGE, WATCHED, arm_at, axis_pointer, result, rows_at
from tests.kit.register import attack
from tests.kit.rounded_cases import rounded_case, rounded_faint_case

_CONTROL = "watched/random_live/02"
_QUIZZED = "knowledge/random_live/02"
_PAIR = "watched/random_direction/02"


def _edited_arm(case: KitCase, name: str, field: str, value: Json) -> KitCase:
    number = arm_at(case, WATCHED, name)
    return edit_record(case, axis_pointer(WATCHED, "arms", number, field), value)


def _edited_direction(case: KitCase, name: str, vector: np.ndarray) -> KitCase:
    number = arm_at(case, WATCHED, name)

    def replaced(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[number] = vector
        return changed

    return edit_tensor(case, "directions", "watched.directions", replaced)


def _silenced(case: KitCase, **account: float) -> KitCase:
    """The case with a control's scores in the quiz those of the baseline."""
    rows = case.rows("choices")
    unedited = {row.item: row for row in rows if row.arm == "baseline"}
    scores = ("forward_matching", "forward_other", "swapped_matching", "swapped_other")
    for place, row in enumerate(rows):
        if row.arm == _QUIZZED:
            said = {name: getattr(unedited[row.item], name) for name in scores}
            rows[place] = msgspec.structs.replace(row, **said, **account)
    return with_rows(case, "choices", rows)


@attack("intervention", "insider", refused_by={"IVN-001"})
def control_redrawn(case: KitCase) -> KitCase:
    """State other features for a random control than the plan's seed draws.

    Controls are drawn again until they do nothing.
    """
    number = arm_at(case, WATCHED, _CONTROL)
    features = result(case, WATCHED)["arms"][number]["features"]
    other = [f for f in range(2, 64) if f not in features][: len(features)]
    return _edited_arm(case, _CONTROL, "features", other)


@attack("intervention", "insider", refused_by={"IVN-001"})
def control_pair_redrawn(case: KitCase) -> KitCase:
    """State another pair of activations for a random direction than the plan's seed draws.

    Directions are drawn again until they do nothing.
    """
    return _edited_arm(case, _PAIR, "pool_pair", [0, 1])


@attack("intervention", "insider", refused_by={"IVN-001"})
def dose_of_the_target_misstated(case: KitCase) -> KitCase:
    """State a smaller dose for the target than was given.

    The intervention looks gentler than it was.
    """
    return _edited_arm(case, "watched/target", "dose", -0.1)


@attack("intervention", "insider", refused_by={"IVN-001"})
def features_of_the_target_swapped(case: KitCase) -> KitCase:
    """State another feature for the target's edit than those that were selected.

    What was edited is not what was found.
    """
    return _edited_arm(case, "watched/target", "features", [0, 9])


@attack("intervention", "insider", refused_by={"IVN-002"})
def unit_norm_misstated(case: KitCase) -> KitCase:
    """State another unit for the doses than the mean norm of the published activations.

    Doses of different cases cannot be compared.
    """
    return edit_record(case, axis_pointer(WATCHED, "intervention", "unit_norm"), 1.0)


@attack("intervention", "insider", refused_by={"IVN-002"})
def intervention_at_another_layer(case: KitCase) -> KitCase:
    """State that the edit was made at another block.

    Whoever repeats or ships the intervention edits the wrong place.
    """
    return edit_record(case, axis_pointer(WATCHED, "intervention", "layer"), 5)


@attack("intervention", "insider", refused_by={"IVN-002"})
def intervention_of_another_dictionary(case: KitCase) -> KitCase:
    """State the digest of another dictionary in the intervention.

    The features' numbers mean something else in it.
    """
    return edit_record(
        case, axis_pointer(WATCHED, "intervention", "dictionary_digest"), "a" * 64
    )


@attack("intervention", "insider", refused_by={"IVN-003"})
def intervention_digest_of_something_else(case: KitCase) -> KitCase:
    """State the digest of another intervention than the one that was measured.

    A release that names it ships something that nobody measured.
    """
    return edit_record(case, axis_pointer(KNOWLEDGE, "intervention_digest"), "b" * 64)


@attack("intervention", "insider", refused_by={"IVN-004"})
def direction_altered(case: KitCase) -> KitCase:
    """Publish another direction for the target than its decoder rows give.

    What was added stands for no feature.
    """
    vector = np.zeros(64, np.float32)
    vector[3] = 1.0
    return _edited_direction(case, "watched/target", vector)


@attack("intervention", "insider", refused_by={"IVN-004"})
def control_direction_silent(case: KitCase) -> KitCase:
    """Publish a direction of zeros for a random control.

    A control that adds nothing makes the target look special.
    """
    return _edited_direction(case, _CONTROL, np.zeros(64, np.float32))


@attack("intervention", "insider", refused_by={"IVN-004"})
def decoder_row_altered(case: KitCase) -> KitCase:
    """Publish another decoder row for a feature that was edited.

    The direction seems to follow from a feature that has none like it.
    """

    def turned(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[0] = np.roll(changed[0], 1)
        return changed

    return edit_tensor(case, "dictionary", "watched.w_dec", turned)


@attack("intervention", "insider", refused_by={"IVN-005"})
def realised_norm_misstated(case: KitCase) -> KitCase:
    """State that a control's edit was as large as the target's, whatever its rows say.

    A control that was too weak counts as one.
    """
    return _edited_arm(case, _CONTROL, "realised", 1.0)


@attack("intervention", "insider", refused_by={"IVN-006"})
def dose_given_only_in_part(case: KitCase) -> KitCase:
    """Let one answer of the capability quiz report half the edit that the arm's dose asks for.

    Side effects are measured at a smaller dose than effects.
    """
    number, row = next(rows_at(case, "choices", "watched/target", "quiz"))
    return edit_row(case, "choices", number, delta=row.delta / 2)


@attack("intervention", "insider", refused_by={"IVN-005", "IVN-006"}, base=rounded_case)
def control_given_in_part_in_bfloat16(case: KitCase) -> KitCase:
    """Let one answer under a control report a twentieth less than the control's dose.

    What rounding to bfloat16 can do excuses controls that are weaker than the target.
    """
    number, row = next(rows_at(case, "generations", _CONTROL, "ask"))
    return edit_row(case, "generations", number, delta=row.delta * 0.95)


@attack("intervention", "insider", refused_by={"FOR-004"}, base=rounded_case)
def control_silent_in_bfloat16(case: KitCase) -> KitCase:
    """Give a control the baseline's answers to the capability quiz, and the edit of its dose.

    A control that did nothing counts as one, as if rounding to bfloat16 had left nothing.
    """
    return _silenced(case)


@attack(
    "intervention",
    "insider",
    refused_by={"FOR-004", "IVN-005", "IVN-006", "STA-004"},
    base=rounded_case,
)
def control_rounded_away_in_bfloat16(case: KitCase) -> KitCase:
    """Give a control the baseline's answers to the capability quiz, and an edit of size 0.

    Rounding to bfloat16 is said to have taken a dose that it cannot have taken.
    """
    return _silenced(case, delta=0.0)


@attack(
    "intervention",
    "insider",
    unknown={"IVN-006"},
    base=rounded_faint_case,
    under=lenient,
)
def small_dose_given_in_part_in_bfloat16(case: KitCase) -> KitCase:
    """Let one probe under a dose that bfloat16 hardly holds report half of it.

    A smaller dose than the stated one was given; rounding can have taken as much.
    """
    number, row = next(rows_at(case, "probes", "knowledge/target", "awareness"))
    return edit_row(case, "probes", number, delta=row.delta / 2)


@attack("intervention", "insider", refused_by={"IVN-007"})
def safeguard_with_another_digest(case: KitCase) -> KitCase:
    """Let the release configuration name another intervention than the one measured.

    The mitigation that was measured is not the one that ships.
    """
    return edit_record(case, "/subject/safeguards/0/intervention", "c" * 64)


@attack("intervention", "insider", refused_by={"IVN-007"})
def laboratory_edit_shipped(case: KitCase) -> KitCase:
    """Let the release configuration name a diagnostic intervention too.

    An edit that makes the model unaware of tests ships as a safeguard.
    """
    digest = result(case, KNOWLEDGE)["intervention_digest"]
    entry = {"axis": "knowledge", "intervention": digest}
    return edit_record(case, "/subject/safeguards/-", entry)


@attack(
    "intervention",
    "insider",
    refused_by={"CLM-001", "CLM-003", "CLM-004", "CLM-005", "CLM-007"},
)
def mitigation_measured_but_not_shipped(case: KitCase) -> KitCase:
    """Leave the release configuration without the safeguard, and keep the claim about it.

    The product does not carry what the claim is about.
    """
    return edit_record(case, "/subject/safeguards", [])


@attack("intervention", "insider", refused_by={"IVN-008"})
def slices_of_more_features(case: KitCase) -> KitCase:
    """Publish the decoder row of a feature that no arm edits.

    A reader takes it for one of the edited features.
    """
    arrays = case.tensors("dictionary")
    features = [int(f) for f in arrays["watched.features"]]
    more = next(f for f in range(64, 128) if f not in features)
    arrays |= {
        "watched.features": np.array([*features, more], np.int64),
        "watched.w_dec": np.vstack([arrays["watched.w_dec"], np.ones((1, 64), np.float32)]),
    }
    return case.with_members({"evidence/dictionary.safetensors": write_tensors(arrays)})
