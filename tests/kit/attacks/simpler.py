"""Attacks on the refusal direction beside which a target stands."""

from __future__ import annotations

import numpy as np

from safetycase.methods.contrasts import mean_difference
from tests.kit.builder import (
    Json,
    KitCase,
    edit_record,
    edit_row,
    edit_tensor,
    remove_from_record,
)
from tests.kit.operation_cases import everywhere_case, refusal_case
from tests.kit.places import KNOWLEDGE, WATCHED, arm_at, axis_pointer, rows_at
from tests.kit.register import Alters, attack
from tests.kit.toy_world import ToyWorld

_ADDED, _TAKEN_OUT = "watched/refusal_direction", "knowledge/refusal_direction"


def _insider(*refused_by: str) -> Alters:
    return attack("simpler", "insider", refused_by=refused_by, base=refusal_case)


def _prompts(case: KitCase, split: str) -> list[Json]:
    return [r for r in case.rows("items") if (r.dataset, r.split) == ("requests", split)]


@_insider("IVN-004")
def refusal_direction_of_held_out_prompts(case: KitCase) -> KitCase:
    """Publish the direction between refused and answered prompts of the held-out split.

    The simpler intervention is made of the items on which it is measured.
    """
    held_out = _prompts(case, "held_out")
    last = ToyWorld(7).residuals(held_out)
    other = mean_difference(last, np.array([row.context == "deployment" for row in held_out]))

    def replaced(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[arm_at(case, WATCHED, _ADDED)] = other
        return changed

    return edit_tensor(case, "directions", "watched.directions", replaced)


@_insider("IVN-004", "TRC-002", "TRC-006")
def last_token_of_a_refused_prompt_altered(case: KitCase) -> KitCase:
    """Publish another activation at the last token of one discovery prompt.

    The refusal direction seems to follow from activations that were not there.
    """

    def moved(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[0] += 1.0
        return changed

    return edit_tensor(case, "means", "knowledge.refusal", moved)


@_insider("IVN-001")
def refusal_direction_said_to_be_taken_out(case: KitCase) -> KitCase:
    """State that the refusal direction was taken out where it was added.

    The stronger of two baselines seems to have been tried.
    """
    number = arm_at(case, WATCHED, _ADDED)
    return edit_record(case, axis_pointer(WATCHED, "arms", number, "operation"), "project_out")


@_insider("IVN-001")
def refusal_direction_said_to_be_longer(case: KitCase) -> KitCase:
    """State that the refusal direction was added at twice the length that its means give.

    What features are compared with looks stronger than it was.
    """
    place = axis_pointer(WATCHED, "arms", arm_at(case, WATCHED, _ADDED))
    length = refusal_case().record
    for step in place.split("/")[1:]:
        length = length[int(step) if isinstance(length, list) else step]
    return edit_record(case, f"{place}/coefficient", 2.0 * length["coefficient"])


@_insider("IVN-005", "IVN-006")
def refusal_direction_added_in_part(case: KitCase) -> KitCase:
    """Let one answer under the added refusal direction report half of the edit.

    A baseline that was weakened seems to fall short of the features.
    """
    number, row = next(rows_at(case, "generations", _ADDED, "ask"))
    return edit_row(case, "generations", number, delta=row.delta / 2)


@_insider("TRC-002", "TRC-006")
def refusal_direction_taken_out_in_part(case: KitCase) -> KitCase:
    """Publish a traced edit that takes out half of the refusal direction.

    A baseline that was weakened seems to fall short of the features.
    """
    rows = [row for row in case.rows("traces") if row.axis == "knowledge"]
    place = next(n for n, row in enumerate(rows) if row.arm == _TAKEN_OUT)

    def halved(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[place] *= np.float32(0.5)
        return changed

    return edit_tensor(case, "traces", "knowledge.trace_delta", halved)


@_insider("CTL-001")
def refusal_direction_not_shown(case: KitCase) -> KitCase:
    """Leave the comparison with the refusal direction out of the record.

    Nobody sees that the well-known direction does as much as the features.
    """
    return remove_from_record(case, axis_pointer(KNOWLEDGE, "baselines"))


@attack("simpler", "insider", refused_by={"IVN-001"}, base=everywhere_case)
def every_layer_said_to_be_one(case: KitCase) -> KitCase:
    """State that a direction was taken out at one layer, where it was at all of them.

    A strong edit passes for a gentle one that does as much damage.
    """
    place = axis_pointer(WATCHED, "arms", arm_at(case, WATCHED, _ADDED))
    return remove_from_record(case, f"{place}/layers")


@attack("simpler", "insider", refused_by={"FOR-003"}, base=everywhere_case)
def target_edited_upstream_as_well(case: KitCase) -> KitCase:
    """Let an answer under the target report activations that something has edited before.

    What one place does is helped by another.
    """
    number, row = next(rows_at(case, "choices", "watched/target", "quiz"))
    return edit_row(case, "choices", number, residual=0.9 * row.residual)
