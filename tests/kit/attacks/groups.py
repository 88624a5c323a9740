"""Attacks on what is edited beside the kept features."""

from __future__ import annotations

import numpy as np

from tests.kit.builder import KitCase, build_case, edit_record, edit_tensor
from tests.kit.operation_cases import grouped_case, grouped_plan
from tests.kit.places import KNOWLEDGE, WATCHED, arm_at, axis_pointer, result
from tests.kit.register import ARMS, CLAIMS, Alters, attack
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_world import ToyWorld

_TRACES = frozenset(f"TRC-00{number}" for number in range(1, 7))


def _insider(*refused_by: str) -> Alters:
    return attack("groups", "insider", refused_by=refused_by, base=grouped_case)


def _changed(case: KitCase, name: str, place: int, value: float) -> KitCase:
    def put(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[place] = value
        return changed

    return edit_tensor(case, "neighbours", name, put)


@_insider("FEA-010")
def group_member_not_shown(case: KitCase) -> KitCase:
    """Leave out of the record that a decoder neighbour was edited with the kept feature.

    One feature seems to do what took two.
    """
    assert result(case, WATCHED)["groups"]
    return edit_record(case, axis_pointer(WATCHED, "groups"), [])


@_insider("FEA-010")
def group_member_added(case: KitCase) -> KitCase:
    """State a decoder neighbour in a group that the rule does not bring in.

    A concept seems to have been taken out whole.
    """
    member = result(case, WATCHED)["groups"][0]
    found = [{**member, "feature": 1, "member": 9, "cosine": 0.8}]
    return edit_record(case, axis_pointer(KNOWLEDGE, "groups"), found)


@_insider("FEA-010")
def co_firing_of_a_member_overstated(case: KitCase) -> KitCase:
    """State that a member fires on more prompts together with its feature than it does.

    Two features that have little to do with each other look like one concept.
    """
    both = result(case, WATCHED)["groups"][0]["both"]
    return edit_record(case, axis_pointer(WATCHED, "groups", 0, "both"), both + 9)


@_insider("FEA-010")
def cosine_of_a_companion_lowered(case: KitCase) -> KitCase:
    """Publish a smaller cosine of a feature that stays outside the group all the same.

    Where the published decoder row of a control contradicts it, it is seen.
    """
    others = case.tensors("neighbours")["watched.group_features"].tolist()
    rows = case.tensors("dictionary")["watched.features"].tolist()
    place = next(n for n, other in enumerate(others) if other in rows and other > 1)
    return _changed(case, "watched.group_cosines", place, -0.5)


@_insider("IVN-001")
def target_said_to_be_the_kept_feature_alone(case: KitCase) -> KitCase:
    """State that the kept feature alone was edited, without its group.

    What is released is half of what was measured.
    """
    number = arm_at(case, WATCHED, "watched/target")
    return edit_record(case, axis_pointer(WATCHED, "arms", number, "features"), [0])


@attack(
    "groups",
    "insider",
    refused_by={
        "CLM-003", "CLM-005", "FEA-010", "IVN-001", "IVN-003", "IVN-007", "IVN-008",
    },
    unknown=_TRACES,
    base=grouped_case,
)  # fmt: skip
def cosine_of_a_member_lowered(case: KitCase) -> KitCase:
    """Publish a cosine of a member so small that the rule does not bring it in.

    Every arm was then edited otherwise than the rule has it.
    """
    return _changed(case, "watched.group_cosines", 0, 0.1)


@attack(
    "groups",
    "insider",
    refused_by={"FEA-010"},
    unknown=(ARMS | CLAIMS | _TRACES) - {"BES-002"},
    base=grouped_case,
)
def companions_of_other_features(case: KitCase) -> KitCase:
    """Publish cosines under the numbers of features that do not fire with the kept one.

    A near neighbour is passed over in silence.
    """
    return _changed(case, "watched.group_features", 0, 60)


class _TurnedWorld(ToyWorld):
    """A toy of which it is said that its second planted feature points elsewhere."""

    @property
    def rows_compared(self) -> np.ndarray:
        rows = self.w_dec.copy()
        rows[1] = rows[9]
        return rows


@attack("groups", "forger")
def part_of_a_concept_said_to_lie_elsewhere(_case: KitCase) -> KitCase:
    """Say from the start that a feature which fires with the kept one points elsewhere.

    A part of the concept is left in place. Its decoder row would tell; plans are tried until no
    control draws it, and it is not published.
    """
    plan = grouped_plan() | {"seed": "once more"}
    plan["axes"][0]["candidate"] = toy_plan()["axes"][0]["candidate"]
    case = build_case(plan, world=_TurnedWorld(7), signed=False)
    assert not result(case, WATCHED)["groups"]
    assert 1 not in case.tensors("dictionary")["watched.features"]
    return case
