"""Audit traces of a real run: what is published is what the network did."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace as replace_row

from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from safetycase.methods.arms import directions
from safetycase.methods.derive import arm_specs, traces_of
from safetycase.methods.fit import fit_faults, fvu_of, l0_of
from safetycase.methods.trace_draws import CONTROL_ROLES
from safetycase.methods.traces import Traces
from safetycase.run.arm_run import ArmRun
from safetycase.run.trace import require_sound
from safetycase.tables.codec import read_table
from safetycase.tables.evidence import Evidence
from tests.unit.run.test_pipeline import make, members, opened
from tests.unit.run.test_shrink import cpu_allocator
from tests.unit.run.tiny_world import LAYER, Tiny, plan_value

pytestmark = pytest.mark.run

ROWS, POSITIONS = 9, 3


def traced_plan() -> dict:
    return plan_value() | {
        "seed": "traced",
        "audit": {"rows": ROWS, "positions": POSITIONS},
        "geometry": {"neighbours": 5},
    }


@pytest.fixture(scope="module")
def case_path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("traced"), value=traced_plan())


@pytest.fixture(scope="module")
def traces(case_path: Path) -> Traces:
    plan, digest, evidence, _ = opened(case_path)
    rows = read_table("traces", members(case_path)["evidence/traces.jsonl"])
    (axis, *_) = plan.axes
    specs = arm_specs(plan, axis, digest, evidence)
    lines = directions(plan, axis, specs, evidence)
    found = traces_of(plan, axis, digest, replace(evidence, traces=rows), specs, lines)
    assert list(found.rows) == rows
    return found


def test_the_verifier_agrees(case_path: Path) -> None:
    require_verified(case_path, at="2026-03-01T00:00:00Z")


def test_a_row_that_does_not_fit_the_memory_is_named(
    case_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the run's own folder: all units are there, and only traces are measured."""
    monkeypatch.setattr(ArmRun, "watched_prefill", lambda _: cpu_allocator())
    with pytest.raises(RunFailed) as refused:
        make(tiny, case_path.parent, value=traced_plan())
    assert re.fullmatch(
        r"trace of evaluation requests, item r\d+: expected memory for one row under "
        r"context/\S+, found too little\. A smaller --batch-rows does not help any more: .*",
        str(refused.value),
    )


def test_half_of_the_traced_rows_are_the_targets(traces: Traces) -> None:
    roles = {spec.id: spec.role for spec in traces.specs}
    rows = {(row.arm, row.item) for row in traces.rows}
    assert len(rows) == ROWS
    found = [roles[arm] for arm, _ in rows]
    assert found.count("target") == (ROWS + 1) // 2
    assert set(found) <= {"target", *CONTROL_ROLES}
    assert {row.token for row in traces.rows} == {"prompt", "generated"}
    assert len(traces.rows) == ROWS * POSITIONS


def _keep(
    caught: list[torch.Tensor], _module: object, _inputs: object, output: torch.Tensor
) -> None:
    caught.append(output)


def test_activations_before_are_those_of_the_plain_network(traces: Traces, tiny: Tiny) -> None:
    """An edit changes nothing below it: an independent pass over the prompt gives the same."""
    before = traces.tensor("trace_before")
    prompts = {item.item: item.prompt for item in traces.evidence.items.rows}
    seen = 0
    for number, row in enumerate(traces.rows):
        if row.token != "prompt":
            continue
        ids = tiny.model.tokenizer(prompts[row.item], add_special_tokens=False)["input_ids"]
        caught: list[torch.Tensor] = []
        block = tiny.model.network.model.layers[LAYER]
        hook = block.register_forward_hook(partial(_keep, caught))
        tiny.model.network(input_ids=torch.tensor([[2, *ids]]))
        hook.remove()
        plain = caught[0][0, 1 + row.position].detach().numpy()
        np.testing.assert_allclose(before[number], plain, rtol=1e-4, atol=1e-4)
        seen += 1
    assert seen


def test_activations_are_those_of_the_dictionary(traces: Traces, tiny: Tiny) -> None:
    x = traces.tensor("trace_before")
    h = x @ tiny.tensors["w_enc"] + tiny.tensors["b_enc"]
    f = np.where(h > tiny.tensors["threshold"], h, 0.0)[:, traces.tensor("features")]
    np.testing.assert_allclose(traces.tensor("trace_activations"), f, rtol=1e-4, atol=1e-4)
    assert (f > 0).any()


def test_the_figures_stand_in_the_record(case_path: Path, traces: Traces) -> None:
    _, _, _, case = opened(case_path)
    stated = case.results.axes[0].traces
    assert stated == traces.summary()
    assert stated is not None
    assert stated.traces == ROWS * POSITIONS
    assert 0 < stated.generated < stated.traces
    assert stated.edit_gap < 1e-5


def test_neighbours_are_the_nearest_of_the_whole_decoder(case_path: Path, tiny: Tiny) -> None:
    _, _, evidence, case = opened(case_path)
    stated = case.results.axes[0].neighbours
    assert stated is not None
    rows = tiny.tensors["w_dec"].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kept = [each.feature for each in case.results.axes[0].identification.features]
    assert [each.feature for each in stated] == [f for f in kept for _ in range(5)]
    for feature in kept:
        similar = rows @ rows[feature]
        similar[feature] = -2.0
        found = [each.cosine for each in stated if each.feature == feature]
        np.testing.assert_allclose(found, np.sort(similar)[::-1][:5], atol=1e-5)
    assert evidence.tensor("context.neighbour_rows").shape == (5 * len(kept), rows.shape[1])


def test_the_fit_of_the_dictionary_follows_from_its_prompts(case_path: Path) -> None:
    plan, _, evidence, case = opened(case_path)
    rows = read_table("dictionary_texts", members(case_path)["evidence/dictionary_texts.jsonl"])
    assert list(fit_faults(plan, evidence.items, rows, case.self_tests)) == []
    stated = {test.id: test.value for test in case.self_tests}
    assert l0_of(rows) == pytest.approx(stated["dictionary_l0"], rel=1e-5)
    assert fvu_of(rows) == pytest.approx(stated["dictionary_fvu"], rel=1e-5)
    assert list(fit_faults(plan, evidence.items, rows[1:], case.self_tests))
    louder = [replace_row(row, error=row.error * 1.01) for row in rows]
    assert list(fit_faults(plan, evidence.items, louder, case.self_tests))


def _with(traces: Traces, name: str, values: np.ndarray) -> Traces:
    tensors = {**traces.evidence.tensors, f"context.{name}": values}
    changed = Evidence(
        traces.evidence.items,
        traces.evidence.answers,
        traces.evidence.label_words,
        traces.evidence.label_checks,
        tensors,
    )
    return replace(traces, evidence=changed)


@pytest.mark.parametrize(
    ("name", "factor", "kind"),
    [
        ("trace_delta", 1.001, Traces.edit_faults),
        ("trace_after", 1.001, Traces.edit_faults),
        ("trace_before", 1.001, Traces.activation_faults),
        ("trace_activations", 1.001, Traces.activation_faults),
        ("w_enc", 1.001, Traces.activation_faults),
        ("trace_activations", 50.0, Traces.activation_faults),
    ],
)
def test_a_part_that_is_altered_does_not_agree(
    traces: Traces, name: str, factor: float, kind: object
) -> None:
    values = traces.tensor(name) * np.float32(factor)
    altered = _with(traces, name, values)
    assert list(kind(altered))  # type: ignore[operator]  # one of the methods above
    with pytest.raises(RunFailed):
        require_sound(altered)


def test_an_edit_of_another_direction_of_the_same_size_does_not_agree(traces: Traces) -> None:
    delta = np.roll(traces.tensor("trace_delta"), 1, axis=1)
    faults = list(_with(traces, "trace_delta", delta).edit_faults())
    assert {fault.trace for fault in faults} == set(range(len(traces.rows)))


def test_bfloat16_must_be_numbers_that_it_holds(traces: Traces) -> None:
    plan = traces.plan.model_copy(
        update={"model": traces.plan.model.model_copy(update={"dtype": "bfloat16"})}
    )
    faults = list(replace(traces, plan=plan).edit_faults())
    assert any("bfloat16" in fault.expected for fault in faults)
