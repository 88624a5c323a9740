"""Errors of several blocks dropped, or held as the unedited model has them: hooks and numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from safetycase.cli.as_written import require_verified
from safetycase.errors import PlanRefused, RunFailed
from safetycase.methods.operations import state_edit
from safetycase.methods.replay import compared
from safetycase.record.planned_axis import ErrorPolicy
from safetycase.record.replay import RowPlace
from safetycase.run.arm_run import ArmRun
from safetycase.run.bind import Bench, RunOptions
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.freeze import freeze
from safetycase.run.generate import generate
from safetycase.run.progress import Silent
from safetycase.run.replay import WeightsAtHand, bind_case, measure_again
from safetycase.sign.keys import generate as generate_keys
from safetycase.sign.signer import sign_case
from safetycase.verify.case import OpenedCase
from tests.kit.builder import policy
from tests.unit.run.test_pipeline import make, write_plan
from tests.unit.run.test_stacked_runs import LAYERS, WIDTHS, stacked_value, write_parts
from tests.unit.run.test_state_edits import GREEDY, prompts_of
from tests.unit.run.tiny_world import HIDDEN, Tiny

pytestmark = pytest.mark.run

AT = "2026-03-01T00:00:00Z"
CHANGED = {"early": (0, 3), "late": (1, 4)}
"""Features of each part, as it numbers them, that are turned round."""
C = -2.0


def value_of(candidate: dict[str, Any]) -> dict[str, Any]:
    scale = {"operation": "scale", "unit": "activation_multiple"}
    return stacked_value({**scale, **candidate})


def scored_value() -> dict[str, Any]:
    """An axis of which nothing is generated: choices and a probe are asked."""
    value = value_of({"error_policy": "clean"})
    [axis] = value["axes"]
    counted = {"evaluation": "choices", "outcomes": ["matching"]}
    axis["claim"] |= {"measure": counted, "direction": "down"}
    axis["dose_rule"] |= {"measure": counted, "direction": "down"}
    axis["side_effects"] = []
    del axis["baselines"]["prefix"]
    return value


VALUES: dict[str, Callable[[], dict[str, Any]]] = {
    "dropped": partial(value_of, {"error_policy": "none"}),
    "held, of prompts": partial(value_of, {"error_policy": "clean", "positions": "prompt"}),
    "held, scored": scored_value,
}


@pytest.fixture(scope="module", params=list(VALUES))
def case(
    tiny: Tiny, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> OpenedCase:
    write_parts(tiny)
    folder = tmp_path_factory.mktemp("policies")
    path = make(tiny, folder, value=VALUES[request.param]())
    require_verified(path, at=AT)
    generate_keys(folder / "lab", "lab")
    sign_case(path, folder / "lab")
    return OpenedCase(path, policy(), AT)


def bench_of(case: OpenedCase, tiny: Tiny, cache: Path) -> Bench:
    return bind_case(
        case.record,
        case.container.read("plan.json"),
        case.published,
        WeightsAtHand("model", {name: name for name in LAYERS}, tiny.folder),
        cache=cache,
        options=RunOptions(threads=1, batch_rows=40),
    ).bench


def test_rows_are_measured_again(case: OpenedCase, tiny: Tiny, tmp_path: Path) -> None:
    bench = bench_of(case, tiny, tmp_path)
    wanted: dict[tuple[str, str], RowPlace] = {}
    for table, rows in case.published.tables.items():
        for line, row in enumerate(rows, start=2):
            place = RowPlace(table=table, line=line)
            wanted.setdefault((row.evaluation, row.arm), place)
    places = list(wanted.values())
    again = measure_again(bench, case.published, case.plan_digest, places, Silent())
    for place in places:
        found = compared(case.published, place, again[place])
        assert found.differs == ()
        assert found.largest < 0.01


def test_a_dose_of_zero_with_held_errors_is_the_unedited_model(case: OpenedCase) -> None:
    plan, held = case.plan, case.record.results.axes[0]
    assert held.intervention is not None
    is_held = held.intervention.error_policy == "clean"
    [zero] = [arm.id for arm in held.arms if arm.role == "dose" and not arm.dose]
    name = plan.axes[0].dose_rule.measure.evaluation
    answers = case.evidence.answers
    after, baseline = answers[name, zero], answers[name, "baseline"]
    before = baseline.take(baseline.places_of(after))
    column = "output" if after.kind == "generations" else "forward_matching"
    if column == "output":
        same = after.texts(column).same_as(before.texts(column))
    else:
        same = np.isclose(after.numbers(column), before.numbers(column), rtol=1e-4)
    assert bool(same.all()) == is_held
    assert not after.delta.any()
    assert ("adds_to_reconstruction" in {c.id for c in held.claim.conditions}) != is_held


def test_traces_hold_what_is_added_to(case: OpenedCase) -> None:
    traces = case.axis("context").traces
    assert traces is not None
    parts = ("before", "reconstruction", "delta", "after")
    before, start, delta, after = (
        traces.tensor(f"trace_{name}").astype(np.float64) for name in parts
    )
    added = traces.specified.astype(np.float64)
    np.testing.assert_allclose(start + added, after, atol=1e-4)
    np.testing.assert_allclose(before + delta, after, atol=1e-4)
    moved = np.linalg.norm((start - before).reshape(-1, 2, HIDDEN), axis=-1)
    if case.plan.axes[0].candidate.error_policy == "clean":
        assert moved[:, 0].max() < 1e-4
    assert moved[:, 1].max() > 1e-2


def changed(arrays: dict[str, np.ndarray], features: tuple[int, ...], h: np.ndarray) -> Any:
    """What a part makes of h, and the same with its features turned round."""
    p = h @ arrays["w_enc"] + arrays["b_enc"]
    f = np.where(p > arrays["threshold"], np.maximum(p, 0.0), 0.0)
    turned = f.copy()
    turned[..., features] *= 1.0 + C
    return tuple(x @ arrays["w_dec"] + arrays["b_dec"] for x in (f, turned))


@contextmanager
def hooked(tiny: Tiny, change: Callable[[str, np.ndarray], np.ndarray]) -> Iterator[None]:
    """Inside, what every part's block gives is changed at all tokens but the first."""

    def edit(name: str, _module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        result = output.clone()
        result[0, 1:] = torch.from_numpy(change(name, output[0, 1:].numpy()).astype(np.float32))
        return result

    hooks = [
        tiny.model.blocks[layer].register_forward_hook(partial(edit, name))
        for name, layer in LAYERS.items()
    ]
    yield
    for hook in hooks:
        hook.remove()


def logits_of(tiny: Tiny, ids: tuple[int, ...]) -> torch.Tensor:
    return tiny.model.network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]


def arm_of(bench: Bench, error_policy: ErrorPolicy | None) -> ArmEdit:
    both = bench.dictionaries["both"]
    features = (*CHANGED["early"], *(WIDTHS["early"] + f for f in CHANGED["late"]))
    state = state_edit("scale", features, both.decoder_rows(features), coefficient=C)
    return ArmEdit("arm", both.writes, None, "both", state=state, error_policy=error_policy)


def test_every_policy_is_what_plain_hooks_do(
    case: OpenedCase, tiny: Tiny, tmp_path: Path
) -> None:
    bench = bench_of(case, tiny, tmp_path)
    parts = {name: load_file(tiny.folder / name / "params.safetensors") for name in LAYERS}
    policies: tuple[ErrorPolicy | None, ...] = (None, "none", "clean")
    prompts = prompts_of(tiny)
    arms = [BASELINE_EDIT, *(arm_of(bench, each) for each in policies)]
    run = ArmRun(tiny.model, prompts, arms, bench.dictionaries)
    with run.editing():
        found = run.prefill(use_cache=False).reshape(len(prompts), len(arms), -1)
    for number, prompt in enumerate(prompts):
        errors: dict[str, np.ndarray] = {}

        def read(name: str, h: np.ndarray, errors: dict[str, np.ndarray] = errors) -> Any:
            errors[name] = h - changed(parts[name], CHANGED[name], h)[0]
            return h

        def edited(
            name: str,
            h: np.ndarray,
            policy: ErrorPolicy | None,
            errors: dict[str, np.ndarray] = errors,
        ) -> np.ndarray:
            made, turned = changed(parts[name], CHANGED[name], h)
            return turned + {None: h - made, "none": 0.0, "clean": errors[name]}[policy]

        with hooked(tiny, read):
            logits_of(tiny, prompt.ids)
        wanted = []
        for each in policies:
            with hooked(tiny, partial(edited, policy=each)):
                wanted.append(logits_of(tiny, prompt.ids))
        for one, other in zip(wanted, found[number, 1:], strict=True):
            torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
        assert (wanted[0] - wanted[2]).abs().max() > 1e-2


def test_errors_are_not_held_where_the_unedited_model_reads_other_tokens(
    case: OpenedCase, tiny: Tiny, tmp_path: Path
) -> None:
    bench = bench_of(case, tiny, tmp_path)
    held = arm_of(bench, "clean")
    with pytest.raises(RunFailed, match="unedited model") as caught:
        generate(
            tiny.model,
            prompts_of(tiny),
            [0, 0],
            [BASELINE_EDIT, held],
            bench.dictionaries,
            GREEDY,
        )
    assert "generated" in caught.value.found
    with pytest.raises(RunFailed, match="unedited model"):
        generate(tiny.model, prompts_of(tiny), [0, 0], [held], bench.dictionaries, GREEDY)


def test_plans_that_cannot_hold_errors_are_refused(tiny: Tiny) -> None:
    write_parts(tiny)
    with pytest.raises(PlanRefused) as caught:
        freeze(write_plan(tiny, value_of({"error_policy": "clean"})))
    assert "requests generates" in caught.value.found
    value = scored_value()
    value["axes"][0]["dictionary"] = "early"
    with pytest.raises(PlanRefused) as caught:
        freeze(write_plan(tiny, value))
    assert "early edits one block" in caught.value.found
