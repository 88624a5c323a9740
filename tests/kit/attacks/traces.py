"""Attacks on audit traces: single edits, activations, slices, and which rows were drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from safetycase.bundle.tensors import write_tensors
from safetycase.methods.encode import recomputed
from safetycase.methods.traces import Traces
from safetycase.verify.case import OpenedCase
from tests.kit.builder import (
    AT,
    KitCase,
    build_case,
    edit_record,
    edit_row,
    edit_tensor,
    policy,
    with_rows,
)
from tests.kit.cases import traced_case, traced_plan
from tests.kit.places import WATCHED, axis_pointer
from tests.kit.register import Alters, attack
from tests.kit.toy_world import ToyWorld

_TRACE = 4


def _traces(case: KitCase) -> Traces:
    found = OpenedCase(case.to_bytes(), policy(), AT).axis("watched").traces
    assert found is not None
    return found


def _insider(*refused_by: str) -> Callable[[Alters], Alters]:
    return attack("traces", "insider", refused_by=refused_by, base=traced_case)


def _edited(
    case: KitCase, name: str, change: Callable[[np.ndarray], None], stem: str = "traces"
) -> KitCase:
    """The case with one tensor of the first axis changed in place."""

    def changed(values: np.ndarray) -> np.ndarray:
        again = values.copy()
        change(again)
        return again

    return edit_tensor(case, stem, f"watched.{name}", changed)


def _restated(case: KitCase) -> KitCase:
    """The case with the figures that its altered traces give."""
    summary = _traces(case).summary().spelled()
    return edit_record(case, axis_pointer(WATCHED, "traces"), summary)


def _encoded_again(case: KitCase) -> KitCase:
    """The case with the activations that its slices give of its altered traces."""
    traces = _traces(case)
    equation = traces.plan.dictionaries[0].equation
    again = recomputed(equation, traces.tensor, traces.tensor("trace_before")).exact
    name = "watched.trace_activations"
    return edit_tensor(case, "traces", name, lambda _: again.astype(np.float32))


@_insider("TRC-001")
def traced_position_chosen(case: KitCase) -> KitCase:
    """Trace another position of a row than the one that the plan's digest draws.

    The author shows the positions that look well.
    """
    row = case.rows("traces")[_TRACE]
    return edit_row(case, "traces", _TRACE, position=row.position + 1)


@_insider("TRC-001")
def traced_row_chosen(case: KitCase) -> KitCase:
    """Say that a trace belongs to a control, though the digest drew the target's row.

    The edit of the target is shown as that of a control.
    """
    return edit_row(case, "traces", _TRACE, arm="watched/random_live/01")


@_insider("TRC-001")
def trace_left_out_of_the_index(case: KitCase) -> KitCase:
    """Leave one trace out of the index.

    An inconvenient edit is not looked at.
    """
    rows = case.rows("traces")
    return with_rows(case, "traces", rows[:_TRACE] + rows[_TRACE + 1 :])


@_insider("TRC-002", "TRC-006")
def traced_edit_rescaled(case: KitCase) -> KitCase:
    """Publish one edit that is twice as large as its coefficient says.

    The dose was doubled where nobody looked.
    """

    def double(delta: np.ndarray) -> None:
        delta[_TRACE] *= np.float32(2.0)

    return _edited(case, "trace_delta", double)


@_insider("TRC-002")
def edit_that_left_no_trace(case: KitCase) -> KitCase:
    """Let a number of an activation after the edit be another than before plus edit.

    Something else was done to the model than what was specified.
    """

    def moved(after: np.ndarray) -> None:
        after[_TRACE, 7] *= np.float32(1.0001)

    return _edited(case, "trace_after", moved)


@_insider("TRC-002", "TRC-004")
def edit_of_the_target_written_over_a_control(case: KitCase) -> KitCase:
    """Publish a whole trace in which twice the specified edit was added, rightly summed.

    The sum is right, but it is not what was specified.
    """
    arrays = {name: _traces(case).tensor(f"trace_{name}") for name in ("before", "delta")}
    delta = np.float32(2.0) * arrays["delta"][_TRACE]

    def doubled(values: np.ndarray) -> None:
        values[_TRACE] = delta

    def summed(values: np.ndarray) -> None:
        values[_TRACE] = arrays["before"][_TRACE] + delta

    changed = _edited(_edited(case, "trace_delta", doubled), "trace_after", summed)
    return _restated(changed)


@_insider("TRC-003")
def traced_activation_raised(case: KitCase) -> KitCase:
    """Publish a larger activation of a feature than its slices give, with the gap as it is.

    A feature seems to fire where it is silent.
    """

    def raised(activations: np.ndarray) -> None:
        activations[_TRACE, 3] += np.float32(0.01)

    return _restated(_edited(case, "trace_activations", raised))


@_insider("TRC-003")
def slice_of_another_feature(case: KitCase) -> KitCase:
    """Publish the encoder slices of two features under each other's index.

    The features that were edited are not those that are shown.
    """

    def swapped(rows: np.ndarray) -> None:
        rows[[0, 3]] = rows[[3, 0]]

    return _restated(_edited(case, "w_enc", swapped, "encoder"))


@_insider("TRC-003")
def threshold_raised(case: KitCase) -> KitCase:
    """Publish a threshold above an activation that is shown as active.

    Another dictionary fires than the one whose equation is stated.
    """
    stated = _traces(case).tensor("trace_activations")
    feature = int(np.flatnonzero((stated > 0).any(axis=0))[0])

    def raised(thresholds: np.ndarray) -> None:
        thresholds[feature] = np.float32(50.0)

    return _restated(_edited(case, "threshold", raised, "encoder"))


@_insider("TRC-003", "TRC-006")
def slices_with_a_scale_of_their_own(case: KitCase) -> KitCase:
    """Publish a scale for a feature of a family whose equation has none.

    A free factor makes any activation come out.
    """

    def scaled(scale: np.ndarray) -> None:
        scale[1] = np.float32(2.0)

    return _edited(case, "scale", scaled, "encoder")


@_insider("TRC-003")
def residual_swapped(case: KitCase) -> KitCase:
    """Put the activation of another position before and after an edit.

    The edit is shown where it did not take place.
    """
    traces = _traces(case)
    stated = traces.tensor("trace_activations")
    loud = int((stated > 0).any(axis=1).argmax())
    other = int(next(n for n in range(len(stated)) if not (stated[n] > 0).any()))
    before = traces.tensor("trace_before")[other]
    after = before + traces.tensor("trace_delta")[loud]

    def put_before(values: np.ndarray) -> None:
        values[loud] = before

    def put_after(values: np.ndarray) -> None:
        values[loud] = after

    changed = _edited(_edited(case, "trace_before", put_before), "trace_after", put_after)
    return _restated(changed)


@_insider("TRC-004")
def activation_inflated_where_no_slice_reads(case: KitCase) -> KitCase:
    """Add a large vector to an activation, before and after, that no published slice reads.

    The edit looks small beside an activation that the model never had.
    """
    traces = _traces(case)
    rows = traces.tensor("w_enc").astype(np.float64)
    unread = np.linalg.svd(rows)[2][-1]
    added = (500.0 * unread).astype(np.float32)

    def inflated(values: np.ndarray) -> None:
        values[_TRACE] += added

    changed = _edited(_edited(case, "trace_before", inflated), "trace_after", inflated)
    return _restated(_encoded_again(changed))


@_insider("TRC-005")
def trace_of_another_prompt(case: KitCase) -> KitCase:
    """Show an activation of another prompt, with its own features, for a drawn position.

    Features seem to fire on prompts on which they are silent.
    """
    traces = _traces(case)
    column = int(np.flatnonzero(traces.tensor("features") == 0)[0])
    silent = {
        check.item
        for check in traces.evidence.label_checks
        if (check.axis, check.feature, check.position) == ("watched", 0, -1)
        and not check.activation
    }
    place = next(
        n for n, row in enumerate(traces.rows) if row.token == "prompt" and row.item in silent
    )
    added = 1.5 * ToyWorld(7).w_dec[0]
    assert traces.tensor("trace_activations")[place, column] == 0.0

    def read(values: np.ndarray) -> None:
        values[place] += added

    changed = _edited(_edited(case, "trace_before", read), "trace_after", read)
    return _restated(_encoded_again(changed))


@_insider("TRC-006")
def gap_of_the_traces_misstated(case: KitCase) -> KitCase:
    """State a smaller gap between edits and specification than the traces show.

    The instruments look better than they are.
    """
    return edit_record(case, axis_pointer(WATCHED, "traces", "edit_gap"), 0.0)


@_insider("SCH-004")
def trace_tensor_renamed(case: KitCase) -> KitCase:
    """Publish a tensor of traces for an axis that the plan does not have.

    A reader takes it for evidence.
    """
    arrays = case.tensors("traces")
    arrays["watching.trace_delta"] = arrays["watched.trace_delta"]
    return case.with_members({"evidence/traces.safetensors": write_tensors(arrays)})


@attack("traces", "forger")
def traces_invented(_case: KitCase) -> KitCase:
    """Invent activations, slices and edits that agree with each other and with the rows.

    Edits that no model ever saw look right number by number. Only the weights can tell.
    """
    return build_case(traced_plan(), world=ToyWorld(11), signed=False)
