"""Edits made on reconstructions: what is traced, what counts as a copy, what a claim needs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from safetycase.methods.claims import claim_p
from safetycase.methods.copies import copies, without_edit
from safetycase.methods.dropped_error import in_format
from safetycase.methods.traces import Traces
from safetycase.verify.case import OpenedCase
from tests.kit.builder import AT, policy
from tests.kit.operation_cases import dropped_case, dropped_projection_case


@cache
def opened() -> OpenedCase:
    return OpenedCase(dropped_case().to_bytes(), policy(), AT)


@pytest.fixture(scope="module")
def traces() -> Traces:
    found = opened().axis("watched").traces
    assert found is not None
    return found


def altered(traces: Traces, **parts: np.ndarray) -> Traces:
    named = {f"watched.{name}": values for name, values in parts.items()}
    held = replace(traces.evidence, tensors={**traces.evidence.tensors, **named})
    return replace(traces, evidence=held)


def faults(traces: Traces) -> int:
    return len([*traces.edit_faults(), *traces.account_faults()])


def test_numbers_are_rounded_as_the_format_rounds_them() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -3.1415927, 0.0, 1e-40, 65504.0])
    torch = pytest.importorskip("torch")
    single = values.astype(np.float32)
    wanted = torch.from_numpy(single).bfloat16().float().numpy()
    np.testing.assert_array_equal(in_format(single, "bfloat16"), wanted)
    np.testing.assert_array_equal(in_format(single, "float32"), single)


def test_what_is_added_to_a_reconstruction_is_held_to_it(traces: Traces) -> None:
    assert faults(traces) == 0
    made = traces.tensor("trace_reconstruction")
    dropped = made.any(axis=1)
    kept = {row.arm for row, drops in zip(traces.rows, dropped, strict=True) if not drops}
    assert kept == {"watched/refusal_direction"}
    moved = altered(traces, trace_reconstruction=made * np.float32(1.001))
    assert {fault.trace for fault in moved.edit_faults()} == set(np.flatnonzero(dropped))


def test_a_reconstruction_where_none_is_used_is_refused(traces: Traces) -> None:
    made = traces.tensor("trace_reconstruction")
    made = np.where(made.any(axis=1)[:, None], made, np.float32(1.0))
    found = list(altered(traces, trace_reconstruction=made).edit_faults())
    assert found
    assert {traces.rows[fault.trace].arm for fault in found} == {"watched/refusal_direction"}
    assert {fault.found for fault in found} == {"what a dictionary made"}


def hidden(traces: Traces, row: int, times: float) -> Traces:
    """The same with more of what is added at a trace counted as the reconstruction's."""
    names = ("trace_reconstruction", "trace_delta", "trace_after")
    parts = {name: traces.tensor(name).copy() for name in names}
    away = traces.tensor("trace_before")[row] - parts["trace_reconstruction"][row]
    for values in parts.values():
        values[row] += np.float32(times) * away
    return altered(traces, **parts)


def test_an_edit_hidden_in_a_reconstruction_is_bounded_by_that_arms_rows(
    traces: Traces,
) -> None:
    """Within the bound nothing tells: the reconstruction is its maker's word."""
    row = next(n for n, one in enumerate(traces.rows) if one.arm == "watched/target")
    assert traces.rows[row].token == "prompt"
    assert faults(hidden(traces, row, -0.001)) == 0
    [fault] = hidden(traces, row, -40.0).account_faults()
    assert "dropped errors that sum to at most" in fault.expected


def test_a_projection_is_taken_out_of_what_the_dictionary_makes() -> None:
    case = OpenedCase(dropped_projection_case().to_bytes(), policy(), AT)
    traces = case.axis("watched").traces
    assert traces is not None
    made = traces.tensor("trace_reconstruction").astype(np.float64)
    numbers = {spec.id: number for number, spec in enumerate(traces.specs)}
    for trace, row in enumerate(traces.rows):
        spec, state = traces.specs[numbers[row.arm]], traces.states[numbers[row.arm]]
        if state is None:
            continue
        basis = np.linalg.qr(state.rows.astype(np.float64).T)[0]
        gain = 1.0 if spec.gain is None else spec.gain
        wanted = gain * spec.coefficient * (made[trace] @ basis) @ basis.T
        np.testing.assert_allclose(traces.specified[trace], wanted, atol=1e-5)


def test_an_arm_that_only_reconstructs_is_no_copy_and_one_that_adds_is() -> None:
    case = opened()
    watched = case.axis("watched").arm_specs
    by_id = {spec.id: spec for spec in watched}
    gauge = by_id["watched/gauge/random_live/03"]
    assert without_edit(gauge, watched) == ["baseline", "watched/dose/02"]
    assert without_edit(by_id["watched/refusal_direction"], watched) == ["baseline"]
    specs, answers = case.axis("knowledge").arm_specs, dict(case.evidence.answers)
    one, two = (spec for spec in specs if spec.id[-3:] in {"/03", "/04"} and spec.pool_pair)
    assert without_edit(one, specs) == ["baseline", "knowledge/reconstruction"]

    def copied(source: str) -> set[tuple[str, str]]:
        same = {("quiz", arm.id): answers["quiz", source] for arm in (one, two)}
        found = copies({**answers, **same}, specs)
        return {(copy.arm, copy.of) for copy in found if copy.evaluation == "quiz"}

    assert copied("knowledge/reconstruction") == set()
    assert copied(one.id) == {(two.id, one.id)}


def test_the_largest_p_is_taken_of_the_comparison_with_the_reconstruction_too() -> None:
    found = opened().axis("watched").findings
    assert found.beside_reconstruction is not None
    assert claim_p(found) == pytest.approx(0.05)
    weak = found.beside_reconstruction.model_copy(update={"p": 0.7})
    others = [each for each in found.baselines if each.arm != weak.arm]
    assert claim_p(replace(found, baselines=(weak, *others))) == 0.7
