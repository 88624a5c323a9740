"""Attacks on edits that depend on activations: gains, gauges, operations, traces."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from safetycase.verify.case import OpenedCase
from safetycase.verify.policy import Policy
from tests.kit.builder import (
    AT,
    Json,
    KitCase,
    edit_record,
    edit_rows,
    edit_tensor,
    policy,
    remove_from_record,
)
from tests.kit.cases import lenient
from tests.kit.operation_cases import (
    dropped_case,
    projected_case,
    scaled_case,
    tried_edits_case,
)
from tests.kit.places import KNOWLEDGE, WATCHED, arm_at, axis_pointer
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


@_insider("IVN-002", base=dropped_case)
def error_said_to_have_stayed(case: KitCase) -> KitCase:
    """State that what the dictionary does not explain stayed, where the plan drops it.

    What is shipped edits the model, and what was measured edited a reconstruction of it.
    """
    place = axis_pointer(WATCHED, "intervention", "error_policy")
    return edit_record(case, place, "current")


@_insider("IVN-001", base=dropped_case)
def control_said_to_keep_the_error(case: KitCase) -> KitCase:
    """State that a control was added to the activation as it is.

    Target and control then differ in more than their directions, and nobody sees which way.
    """
    place = axis_pointer(WATCHED, "arms", arm_at(case, WATCHED, "watched/random_direction/03"))
    return remove_from_record(case, f"{place}/error_policy")


@_insider("CTL-001", base=dropped_case)
def reconstruction_left_out_of_what_is_compared(case: KitCase) -> KitCase:
    """Leave out what the target adds to the reconstruction alone.

    What the dictionary leaves out of activations passes for what the features do.
    """
    return remove_from_record(case, axis_pointer(KNOWLEDGE, "baselines"))


@_insider("FOR-004", base=dropped_case)
def control_that_only_reconstructs(case: KitCase) -> KitCase:
    """Give a control's quiz the reconstruction's log-probabilities: nothing was added.

    A control that does nothing makes the target look special.
    """
    scores = ("forward_matching", "forward_other", "swapped_matching", "swapped_other")
    given = {
        row.item: row for row in case.rows("choices") if row.arm == "knowledge/reconstruction"
    }

    def copied(row: Json) -> Json:
        if row.arm != "knowledge/random_direction/03":
            return row
        return msgspec.structs.replace(row, **{s: getattr(given[row.item], s) for s in scores})

    return edit_rows(case, "choices", copied)


def _moved_reconstruction(case: KitCase, names: tuple[str, ...], times: float) -> KitCase:
    """The case with the first trace's reconstruction further from the activation."""
    held = case.tensors("traces")
    away = held["watched.trace_reconstruction"][0] - held["watched.trace_before"][0]
    for name in names:

        def moved(values: np.ndarray) -> np.ndarray:
            again = values.copy()
            again[0] += np.float32(times) * away
            return again

        case = edit_tensor(case, "traces", f"watched.trace_{name}", moved)
    return case


@_insider("TRC-002", "TRC-006", base=dropped_case)
def traced_reconstruction_of_something_else(case: KitCase) -> KitCase:
    """Publish another reconstruction than the one that the edit was added to.

    Part of the edit is put down to the dictionary.
    """
    return _moved_reconstruction(case, ("reconstruction",), 1.0)


@_insider("TRC-004", base=dropped_case)
def edit_hidden_in_a_reconstruction(case: KitCase) -> KitCase:
    """Put a large edit into a traced reconstruction, and let delta, sum and figures follow.

    What did it is no feature, and the traces agree all the same.
    """
    moved = _moved_reconstruction(case, ("reconstruction", "delta", "after"), 40.0)
    traces = OpenedCase(moved.to_bytes(), policy(), AT).axis("watched").traces
    assert traces is not None
    return edit_record(moved, axis_pointer(WATCHED, "traces"), traces.summary().spelled())


@_insider("TRC-002", base=dropped_case)
def reconstruction_traced_where_none_was_made(case: KitCase) -> KitCase:
    """Publish a reconstruction at a trace of the refusal direction, which needs none.

    A reader takes it that this arm was edited like the others.
    """

    def made(values: np.ndarray) -> np.ndarray:
        again = values.copy()
        again[np.flatnonzero(~again.any(axis=1))[0]] = np.float32(1.0)
        return again

    return edit_tensor(case, "traces", "watched.trace_reconstruction", made)
