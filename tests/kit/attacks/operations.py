"""Attacks on edits that depend on activations: gains, gauges, operations, traces."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from safetycase.verify.policy import Policy
from tests.kit.builder import Json, KitCase, edit_record, edit_rows, edit_tensor, policy
from tests.kit.cases import lenient
from tests.kit.operation_cases import projected_case, scaled_case, tried_edits_case
from tests.kit.places import WATCHED, arm_at, axis_pointer
from tests.kit.register import Alters, attack


def _insider(
    *refused_by: str,
    base: Callable[[], KitCase] = scaled_case,
    under: Callable[[], Policy] = policy,
) -> Callable[[Alters], Alters]:
    return attack("operations", "insider", refused_by=refused_by, base=base, under=under)


@_insider("IVN-001")
def control_without_its_gain(case: KitCase) -> KitCase:
    """State that a random set was scaled as it is, without the gain that matches its size.

    A control is weaker than the target, and counts all the same.
    """
    place = axis_pointer(WATCHED, "arms", arm_at(case, WATCHED, "watched/random_live/03"))
    return edit_record(case, f"{place}/gain", 1.0)


@_insider("IVN-001", "IVN-005")
def gauges_made_larger(case: KitCase) -> KitCase:
    """Let the rows that gains follow from report twice the size that the controls had.

    Every control comes out at half of the target's size.
    """

    def doubled(row: Json) -> Json:
        if "watched/gauge/" not in row.arm:
            return row
        return msgspec.structs.replace(row, delta=2.0 * row.delta)

    return edit_rows(case, "generations", doubled)


@_insider("IVN-002")
def scaled_and_said_to_be_ablated(case: KitCase) -> KitCase:
    """State that features were ablated, where the plan scales them.

    Another intervention is released than was measured.
    """
    return edit_record(case, axis_pointer(WATCHED, "intervention", "operation"), "ablate")


@_insider("IVN-001")
def direction_control_said_to_scale(case: KitCase) -> KitCase:
    """State that a random direction was scaled, where a vector was added.

    What controls did cannot be told from the record.
    """
    place = axis_pointer(WATCHED, "arms", arm_at(case, WATCHED, "watched/random_direction/03"))
    return edit_record(case, f"{place}/operation", "scale")


@_insider("IVN-002", base=tried_edits_case, under=lenient)
def edit_that_was_not_taken_shipped(case: KitCase) -> KitCase:
    """State the intervention as the edit that did less when both were tried.

    What is released is not what was measured.
    """
    intervention = axis_pointer(WATCHED, "intervention")
    return edit_record(case, f"{intervention}/operation", "add")


@_insider("STA-003", base=tried_edits_case, under=lenient)
def series_of_the_better_edit_hidden(case: KitCase) -> KitCase:
    """Leave out the dose series of the alternative, which did more.

    That another edit was tried is not seen.
    """
    responses = case.record["results"]["axes"][WATCHED]["dose_response"]
    kept = [response for response in responses if response.get("candidate") is None]
    return edit_record(case, axis_pointer(WATCHED, "dose_response"), kept)


def _doubled_where_any(case: KitCase) -> KitCase:
    """The case with the first traced edit that is not nothing twice as large."""

    def double(values: np.ndarray) -> np.ndarray:
        moved = np.flatnonzero(np.abs(values).max(axis=1) > 0.0)
        again = values.copy()
        again[moved[0]] *= np.float32(2.0)
        return again

    return edit_tensor(case, "traces", "watched.trace_delta", double)


@_insider("TRC-002", "TRC-006")
def traced_scaling_of_twice_the_activation(case: KitCase) -> KitCase:
    """Publish an edit that takes out twice what the features added.

    Features are turned round under the name of being taken out.
    """
    return _doubled_where_any(case)


@_insider("TRC-002", "TRC-006", base=projected_case, under=lenient)
def traced_projection_taken_out_twice(case: KitCase) -> KitCase:
    """Publish an edit that takes a projection out twice.

    The span is reflected, not removed.
    """
    return _doubled_where_any(case)
