"""Real runs with several dictionaries taken as one, on the tiny world: verified, repeated."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetycase.cli.as_written import require_verified
from safetycase.errors import PlanRefused, RunFailed
from safetycase.methods.replay import compared
from safetycase.methods.stacks import every_dictionary, stack_digest
from safetycase.record.replay import RowPlace
from safetycase.run.bind import RunOptions
from safetycase.run.freeze import freeze
from safetycase.run.progress import Silent
from safetycase.run.replay import WeightsAtHand, bind_case, measure_again
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from safetycase.verify.case import OpenedCase
from tests.kit.builder import policy
from tests.unit.run import test_layered_runs as layered
from tests.unit.run.test_operations import value_of
from tests.unit.run.test_pipeline import make, members, opened, write_plan
from tests.unit.run.tiny_world import (
    DICTIONARY_CONFIG,
    HIDDEN,
    Tiny,
    spanning_dictionary,
    write_dictionary,
)

pytestmark = pytest.mark.run

LAYERS = {"early": 1, "late": 2}
LEFT_OUT = 3
"""Directions of the later block that its dictionary does not have: widths differ."""
WIDTHS = {"early": 2 * (HIDDEN - 1), "late": 2 * (HIDDEN - 1 - LEFT_OUT)}


def write_parts(tiny: Tiny) -> None:
    for name, layer in LAYERS.items():
        tensors = spanning_dictionary(tiny.model.network, layer)
        half, kept = HIDDEN - 1, WIDTHS[name] // 2
        rows = np.concatenate([tensors["w_dec"][:kept], tensors["w_dec"][half : half + kept]])
        few = {
            "w_enc": np.ascontiguousarray(rows.T),
            "w_dec": rows,
            "b_enc": tensors["b_enc"][: len(rows)],
            "b_dec": tensors["b_dec"],
            "threshold": tensors["threshold"][: len(rows)],
        }
        hook = f"model.layers.{layer}.output"
        config = DICTIONARY_CONFIG | {"hf_hook_point_in": hook, "width": len(rows)}
        write_dictionary(tiny.folder / name, few, config)


CANDIDATES: dict[str, dict[str, Any]] = {
    "add": {
        "operation": "add",
        "unit": "residual_norm_fraction",
        "alternatives": [{"operation": "clamp", "unit": "max_activation_multiple"}],
    },
    "scale": {"operation": "scale", "unit": "activation_multiple"},
    "scale, on what is reconstructed": {
        "operation": "scale",
        "unit": "activation_multiple",
        "error_policy": "none",
    },
}


def stacked_value(candidate: dict[str, Any]) -> dict[str, Any]:
    value = value_of(copy.deepcopy(candidate))
    [dictionary] = value["dictionaries"]
    value["dictionaries"] = [
        dictionary | {"id": name, "path": f"../{name}", "layer": layer}
        for name, layer in LAYERS.items()
    ]
    value["stacks"] = [{"id": "both", "parts": list(LAYERS)}]
    value["axes"][0]["dictionary"] = "both"
    value["axes"][0]["selection"]["keep"] = 8
    return value | {"geometry": {"neighbours": 5}}


@pytest.fixture(scope="module", params=list(CANDIDATES))
def path(
    tiny: Tiny, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    write_parts(tiny)
    folder = tmp_path_factory.mktemp("stacks")
    case = make(tiny, folder, value=stacked_value(CANDIDATES[request.param]))
    generate(folder / "lab", "lab")
    sign_case(case, folder / "lab")
    return case


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_the_record_names_parts_and_stack(path: Path) -> None:
    plan, _, evidence, record = opened(path)
    assert [entry.id for entry in record.dictionaries] == list(LAYERS)
    assert {entry.id: entry.width for entry in record.dictionaries} == WIDTHS
    assert {entry.model_width for entry in record.dictionaries} == {HIDDEN}
    assert {test.subject for test in record.self_tests} == {"model", *LAYERS}
    assert evidence.tensor("context.width").tolist() == list(WIDTHS.values())
    assert evidence.tensor("context.w_dec").shape[1] == 2 * HIDDEN
    assert evidence.tensor("context.trace_before").shape[1] == 2 * HIDDEN
    [result] = record.results.axes
    edit = result.intervention
    assert edit is not None
    assert (edit.dictionary, edit.layer) == ("both", 1)
    assert edit.hook == "model.layers.{1,2}.output"
    digests = [entry.manifest_digest for entry in record.dictionaries]
    assert edit.dictionary_digest == stack_digest(digests)
    assert every_dictionary(plan)["both"].manifest_digest == edit.dictionary_digest
    assert "evidence/traces.jsonl" in members(path)


def test_features_of_both_blocks_are_kept_and_controls_have_as_many_of_each(path: Path) -> None:
    _, _, _, record = opened(path)
    [result] = record.results.axes

    def parts(features: tuple[int, ...]) -> Counter[str]:
        return Counter("early" if f < WIDTHS["early"] else "late" for f in features)

    target = next(arm for arm in result.arms if arm.role == "target")
    assert set(parts(target.features)) == set(LAYERS)
    drawn = [arm for arm in result.arms if arm.role in {"random_live", "best_of"}]
    assert len(drawn) >= 5
    assert {tuple(sorted(parts(arm.features).items())) for arm in drawn} == {
        tuple(sorted(parts(target.features).items()))
    }
    assert target.realised is not None
    for arm in drawn:
        assert arm.realised == pytest.approx(target.realised, rel=0.4)


def test_rows_are_measured_again_with_the_parts(path: Path, tiny: Tiny, tmp_path: Path) -> None:
    """One row of every arm, in other batches; a part of another block's files is refused."""
    here = OpenedCase(path, policy(), "2026-03-01T00:00:00Z")
    published = here.published

    def bound(**dictionaries: str) -> Any:
        return bind_case(
            here.record,
            here.container.read("plan.json"),
            published,
            WeightsAtHand("model", dictionaries, tiny.folder),
            cache=tmp_path,
            options=RunOptions(threads=1, batch_rows=40),
        ).bench

    wanted = {}
    for table, rows in published.tables.items():
        for line, row in enumerate(rows, start=2):
            wanted.setdefault((row.evaluation, row.arm), RowPlace(table=table, line=line))
    bench = bound(early="early", late="late")
    places = list(wanted.values())
    again = measure_again(bench, published, here.plan_digest, places, Silent())
    for place in places:
        assert compared(published, place, again[place]).differs == ()
    with pytest.raises(RunFailed) as caught:
        bound(early="late", late="early")
    assert caught.value.where == "dictionary early layer"
    with pytest.raises(RunFailed) as caught:
        bound(both="early")
    assert caught.value.expected == "the case's: early, late"


def test_an_early_edit_is_in_what_the_later_block_reads(path: Path) -> None:
    """Traces state what stood before each edit: in the later block it is not the unedited."""
    plan, _, evidence, _ = opened(path)
    assert plan.audit is not None
    before = evidence.tensor("context.trace_before").reshape(-1, 2, HIDDEN)
    after = evidence.tensor("context.trace_after").reshape(-1, 2, HIDDEN)
    moved = np.linalg.norm(after - before, axis=-1)
    assert (moved > 0).any(axis=0).all()


def test_a_stack_of_what_is_not_there_is_refused(tiny: Tiny) -> None:
    write_parts(tiny)
    value = stacked_value(CANDIDATES["add"])
    value["stacks"][0]["parts"] = ["early", "later"]
    with pytest.raises(PlanRefused) as caught:
        freeze(write_plan(tiny, value))
    assert "the plan has no dictionary later; known: early, late" in caught.value.found


@pytest.mark.parametrize("kind", ["stack", "crosscoder"])
def test_where_no_feature_is_found_the_run_goes_on(
    kind: str, tiny: Tiny, tmp_path: Path
) -> None:
    if kind == "stack":
        write_parts(tiny)
        value = stacked_value(CANDIDATES["add"])
    else:
        layered.crosscoder(tiny, tiny.folder / kind)
        value = layered.value_with(kind)
    value["axes"][0]["selection"]["minimum_density"] = 1.0
    value["axes"][0]["selection"]["alpha"] = 1e-9
    case = make(tiny, tmp_path, value=value)
    require_verified(case, at="2026-03-01T00:00:00Z")
    here = OpenedCase(case, policy(), "2026-03-01T00:00:00Z")
    assert here.record.results.axes[0].intervention is None
    assert here.evidence.tensor("context.w_dec").shape == (0, 2 * HIDDEN)


@pytest.mark.parametrize("kind", ["stack", "crosscoder"])
def test_what_a_later_block_reads_may_fire_more_than_unedited(
    kind: str, tiny: Tiny, tmp_path: Path
) -> None:
    """The claim asks the contrast's own prompts, whose labels were checked without an edit."""
    if kind == "stack":
        write_parts(tiny)
        value = stacked_value(CANDIDATES["add"])
    else:
        layered.crosscoder(tiny, tiny.folder / kind)
        value = layered.value_with(kind)
    [asked] = [each for each in value["evaluations"] if each["id"] == "requests"]
    asked["dataset"] = "contrast"
    asked["measure"]["grader"]["rules"] = asked["measure"]["grader"]["rules"][:1]
    value["audit"] = {"rows": 40, "positions": 6}
    case = make(tiny, tmp_path, value=value)
    require_verified(case, at="2026-03-01T00:00:00Z")
    here = OpenedCase(case, policy(), "2026-03-01T00:00:00Z").evidence
    features = here.tensor("context.features").tolist()
    stated = here.tensor("context.trace_activations")
    most = {(c.item, c.feature): c.activation for c in here.label_checks if c.position < 0}
    above = [
        feature
        for trace, row in zip(stated, here.traces, strict=True)
        for feature, activation in zip(features, trace, strict=True)
        if row.token == "prompt" and activation > 1.01 * most.get((row.item, feature), np.inf)
    ]
    assert above
    assert min(above) >= WIDTHS["early"]
