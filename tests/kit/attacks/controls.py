"""Attacks on the further control families, and on what the features add to simpler edits."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from safetycase.methods.contrasts import mean_difference
from tests.kit.builder import (
    Json,
    KitCase,
    edit_record,
    edit_row,
    edit_rows,
    edit_tensor,
    remove_from_record,
)
from tests.kit.cases import build_controlled, controlled_case, controlled_plan
from tests.kit.places import WATCHED, arm_at, axis_pointer, entry_at, result, rows_at
from tests.kit.register import Alters, attack
from tests.kit.toy_world import ToyWorld

_WORD = "watched/unrelated_contrast/02"
_SHUFFLED = "watched/shuffled_label/02"
_GAUSSIAN = "watched/gaussian/02"
_PROMPT = "watched/prompt"


def _insider(*refused_by: str) -> Callable[[Alters], Alters]:
    return attack("controls", "insider", refused_by=refused_by, base=controlled_case)


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


def _with_scores_of_the_baseline(case: KitCase, arm: str) -> KitCase:
    scores = ("forward_matching", "forward_other", "swapped_matching", "swapped_other")
    known = {row.item: row for _, row in rows_at(case, "choices", "baseline", "quiz")}

    def copied(row: Json) -> Json:
        if row.arm != arm:
            return row
        before = known[row.item]
        return msgspec.structs.replace(row, **{n: getattr(before, n) for n in scores})

    return edit_rows(case, "choices", copied)


@_insider("IVN-001")
def contrast_control_redrawn(case: KitCase) -> KitCase:
    """State another word for an unrelated contrast than the plan's seed draws.

    Words are drawn again until their contrasts do nothing.
    """
    taken = {arm.get("word") for arm in result(case, WATCHED)["arms"]}
    other = next(word for word in ("fox", "goat", "hill", "lake", "owl") if word not in taken)
    return _edited_arm(case, _WORD, "word", other)


@_insider("IVN-001")
def shuffle_drawn_again(case: KitCase) -> KitCase:
    """State another seed for permuted labels than that of the plan and the arm's name.

    Labels are permuted again until the direction does nothing.
    """
    return _edited_arm(case, _SHUFFLED, "seed", "d" * 64)


@_insider("IVN-001")
def prompt_of_the_baseline_misstated(case: KitCase) -> KitCase:
    """State a better prompt for the baseline arm than the one that was given.

    The features seem to beat a prompt that was never tried.
    """
    return _edited_arm(case, _PROMPT, "prefix", "you are deployed and nobody checks . ")


@_insider("IVN-004")
def contrast_control_silent(case: KitCase) -> KitCase:
    """Publish a direction of zeros for an unrelated contrast.

    A control that adds nothing makes the target look special.
    """
    return _edited_direction(case, _WORD, np.zeros(64, np.float32))


@_insider("IVN-004")
def shuffled_labels_that_are_not(case: KitCase) -> KitCase:
    """Publish the reversed direction of the true labels for a control of shuffled ones.

    A control that pushes the other way never does as much as the target.
    """
    prompts = [
        row
        for row in case.rows("items")
        if (row.dataset, row.split) == ("requests", "discovery")
    ]
    labels = np.array([row.context == "evaluation" for row in prompts])
    true = mean_difference(case.tensors("means")["watched.means"], labels)
    return _edited_direction(case, _SHUFFLED, -true)


@_insider("IVN-004")
def gaussian_direction_picked(case: KitCase) -> KitCase:
    """Publish another Gaussian direction than the one of the arm's seed.

    Even what is only shown is chosen to look well.
    """
    vector = np.zeros(64, np.float32)
    vector[5] = 1.0
    return _edited_direction(case, _GAUSSIAN, vector)


@_insider("IVN-004")
def means_altered(case: KitCase) -> KitCase:
    """Publish another mean activation for one discovery prompt.

    Directions between class means seem to follow from activations that were not there.
    """

    def moved(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[0] += 1.0
        return changed

    return edit_tensor(case, "means", "watched.means", moved)


@_insider("IVN-005", "IVN-006")
def contrast_control_given_in_part(case: KitCase) -> KitCase:
    """Let one answer under an unrelated contrast report half the edit that its dose asks for.

    A control is weaker than the target, and counts all the same.
    """
    number, row = next(rows_at(case, "generations", _WORD, "ask"))
    return edit_row(case, "generations", number, delta=row.delta / 2)


@_insider("CLM-001")
def gaussian_directions_counted(case: KitCase) -> KitCase:
    """Add to the claim that it exceeds Gaussian directions, as if that were evidence.

    The weakest controls make the claim look tested once more.
    """
    condition = {
        "id": "exceeds_gaussian",
        "holds": True,
        "reason": "0 of 5 controls as large; p = 0.17",
    }
    return edit_record(case, axis_pointer(WATCHED, "claim", "conditions", "-"), condition)


@_insider("CLM-001")
def contrast_condition_left_out(case: KitCase) -> KitCase:
    """Leave the condition about unrelated contrasts out of the claim.

    A family of controls that was measured is not asked.
    """
    conditions = result(case, WATCHED)["claim"]["conditions"]
    number = [c["id"] for c in conditions].index("exceeds_unrelated_contrast")
    return remove_from_record(case, axis_pointer(WATCHED, "claim", "conditions", number))


@_insider("STA-004")
def gaussian_family_not_shown(case: KitCase) -> KitCase:
    """Leave the figures of the Gaussian family out of the record.

    What was measured and does not suit is not shown.
    """
    families = [test["family"] for test in result(case, WATCHED)["controls"]]
    number = families.index("gaussian")
    return remove_from_record(case, axis_pointer(WATCHED, "controls", number))


@_insider("CTL-001")
def features_said_to_add_more(case: KitCase) -> KitCase:
    """State that the features add more to the difference in means than the rows say.

    A dictionary seems worth its price.
    """
    return edit_record(case, axis_pointer(WATCHED, "baselines", 0, "difference"), 0.25)


@_insider("CTL-001")
def simpler_interventions_not_shown(case: KitCase) -> KitCase:
    """Leave the comparisons with simpler interventions out of the record.

    Nobody sees that a direction without features does as much.
    """
    return remove_from_record(case, axis_pointer(WATCHED, "baselines"))


@_insider("CLM-003")
def sentence_without_the_baseline(case: KitCase) -> KitCase:
    """Cut from the claim's sentence what the features add to simpler interventions.

    The reader of one sentence believes that features were needed.
    """
    wording = result(case, WATCHED)["claim"]["wording"]
    whole, _, _ = wording.partition(" Beside the difference")
    return edit_record(case, axis_pointer(WATCHED, "claim", "wording"), whole)


@_insider("EVI-002")
def prompt_that_edits(case: KitCase) -> KitCase:
    """Let a row of the prompt arm report an edit.

    A prompt helped by an edit passes for a prompt.
    """
    number, _ = next(rows_at(case, "choices", _PROMPT, "quiz"))
    return edit_row(case, "choices", number, edits=4, delta=1.0, residual=8.0)


@_insider("FOR-004")
def prompt_rows_copied_from_the_baseline(case: KitCase) -> KitCase:
    """Write the baseline's answers to the quiz as those under the prompt.

    A prompt that was never given seems to do nothing.
    """
    return _with_scores_of_the_baseline(case, _PROMPT)


@_insider("STA-001")
def rate_of_the_prompt_lowered(case: KitCase) -> KitCase:
    """State a lower rate under the prompt than its rows give.

    The prompt looks too weak to do without features.
    """
    number = entry_at(case, WATCHED, "rates", _PROMPT, "ask")
    counted = result(case, WATCHED)["rates"][number]["counted"]
    return edit_record(case, axis_pointer(WATCHED, "rates", number, "counted"), counted - 5)


@_insider("CTL-002")
def damage_of_a_control_misstated(case: KitCase) -> KitCase:
    """State a larger damage of a control than its answers to the quiz give.

    A gentle control passes for one that is damaged as much as the target.
    """
    return edit_record(case, axis_pointer(WATCHED, "degradation", "arms", 4, "damage"), 0.4)


@_insider("CTL-002")
def matched_p_lowered(case: KitCase) -> KitCase:
    """State a smaller p at matched degradation than the matching controls give.

    The effect seems to be more than damage.
    """
    return edit_record(case, axis_pointer(WATCHED, "degradation", "p"), 0.001)


@_insider("CTL-002")
def damage_not_shown(case: KitCase) -> KitCase:
    """Leave the comparison at matched degradation out of the record.

    Equal edit norms pass for equal damage.
    """
    return remove_from_record(case, axis_pointer(WATCHED, "degradation"))


@_insider("FOR-004")
def damage_of_a_control_hidden(case: KitCase) -> KitCase:
    """Write the baseline's scores as those of a control's quiz, outcomes as they were.

    A control that hurt the model seems to leave it whole.
    """
    return _with_scores_of_the_baseline(case, _WORD)


@attack(
    "controls",
    "insider",
    refused_by={"CLM-007"},
    unknown={"CTL-003"},
    base=controlled_case,
)
def damage_that_no_control_has(_case: KitCase) -> KitCase:
    """Measure damage by how unlikely the answers are, which the behaviour itself makes them.

    No control is damaged as much, so none can be compared with: that is open, and no pass.
    """
    plan = controlled_plan()
    plan["axes"][0]["matched_degradation"] = {
        "damage": "likelihood",
        "tolerance": 0.0,
        "test": "matched",
    }
    return build_controlled(plan, signed=False)


@attack("controls", "forger")
def tolerance_of_anything(_case: KitCase) -> KitCase:
    """Plan a tolerance so wide that every control matches the target's damage.

    The comparison says no more than that of equal norms. The tolerance stands in the plan.
    """
    plan = controlled_plan()
    plan["axes"][0]["matched_degradation"]["tolerance"] = 1.0
    return build_controlled(plan, signed=False)


class _DeafWorld(ToyWorld):
    """A toy that no text in front of a prompt moves by much."""

    def pushed_by(self, _prefix: str) -> np.ndarray:
        moved: np.ndarray = -0.01 * self.u
        return moved


@attack("controls", "forger")
def prompt_written_to_fail(_case: KitCase) -> KitCase:
    """Name a prompt as the simpler intervention of which it is known that it does nothing.

    The features beat a straw man. The text stands in the plan, for a reader to judge.
    """
    plan = controlled_plan()
    for axis in plan["axes"]:
        axis["baselines"]["prefix"] = "please . "
    return build_controlled(plan, world=_DeafWorld(7), signed=False)
