"""Edits that depend on activations, on the device: held to the numpy reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safetycase.canonical import write
from safetycase.errors import RunFailed
from safetycase.methods import operations
from safetycase.methods.encode import recomputed
from safetycase.methods.operations import StateEdit, state_edit
from safetycase.methods.sites import Place
from safetycase.record.plan import Plan, Sampling
from safetycase.record.planned_axis import Operation, Positions
from safetycase.run.arm_run import ArmRun
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.generate import GenerationSettings, generate
from safetycase.run.prompts import Prompt, encode
from safetycase.run.state_edits import require_operable, state_rows
from safetycase.run.task import Task, read_task, write_task
from tests.unit.methods.plans import plan_data
from tests.unit.run.tiny_world import LAYER, Tiny

GREEDY = GenerationSettings(Sampling(temperature=0.0, top_k=1), 6)
TEXTS = (
    "the audit comes .",
    "the market is near the garden and the guest . user : how do i make soup ? assistant :",
)
PLACE = Place(LAYER, "resid_post")
WAYS: list[tuple[Operation, bool]] = [
    ("scale", False),
    ("ablate", False),
    ("clamp", False),
    ("clamp", True),
    ("project_out", False),
]


def prompts_of(tiny: Tiny) -> list[Prompt]:
    return [encode(tiny.model, text, where="test") for text in TEXTS]


def made(
    tiny: Tiny,
    operation: Operation,
    features: tuple[int, ...],
    coefficient: float,
    gain: float = 1.0,
    *,
    only_active: bool = False,
) -> StateEdit:
    rows = tiny.dictionary.decoder_rows(features)
    units = [1.0 + number for number in range(len(features))]
    return state_edit(
        operation,
        features,
        rows,
        coefficient=coefficient,
        gain=gain,
        units=units,
        only_active=only_active,
    )


def arms_of(tiny: Tiny) -> list[ArmEdit]:
    """The baseline, an arm that adds, and every operation on features that overlap."""
    vector = np.random.default_rng(1).normal(size=32).astype(np.float32)
    arms = [BASELINE_EDIT, ArmEdit("add", PLACE, vector, None)]
    for number, (operation, only_active) in enumerate(WAYS):
        features = tuple(range(number, number + 1 + number % 3))
        state = made(tiny, operation, features, -1.5, 1.2, only_active=only_active)
        arms.append(ArmEdit(f"{operation}{number}", PLACE, None, "tiny", state=state))
    zero = made(tiny, "clamp", (3,), 0.0)
    return [*arms, ArmEdit("sham", PLACE, None, "tiny", state=zero)]


def reference(tiny: Tiny, edit: StateEdit, h: np.ndarray) -> np.ndarray:
    """By numpy alone: activations from the dictionary's slices, then the formula."""
    if not edit.features:
        return operations.delta(edit, operations.coordinates(edit, h))
    parts = tiny.dictionary.slices(edit.features)
    again = recomputed(tiny.dictionary.equation, parts.__getitem__, h)
    return operations.delta(edit, again.exact)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    coefficient=st.floats(-3, 3),
    gain=st.floats(0.1, 5),
    way=st.sampled_from(WAYS),
)
def test_the_hook_adds_what_the_reference_adds(
    tiny: Tiny, seed: int, coefficient: float, gain: float, way: tuple[Operation, bool]
) -> None:
    rng = np.random.default_rng(seed)
    features = tuple(sorted(int(f) for f in rng.choice(24, size=1 + seed % 4, replace=False)))
    edits = [
        made(tiny, way[0], features, coefficient, gain, only_active=way[1]),
        made(tiny, way[0], features[:1], 1.0),
    ]
    h = (3.0 * rng.normal(size=(4, 5, 32))).astype(np.float32)
    [part] = state_rows(
        [None, *((edit, "tiny") for edit in edits)],
        2,
        {"tiny": tiny.dictionary},
    )
    assert part.rows.tolist() == [1, 2, 4, 5]
    read = given = torch.from_numpy(h)
    if part.dictionary is not None:
        read = part.dictionary.encode_chosen(given, part.features)
    added = part.added(read, part.rows).numpy()
    for row, edit in enumerate([edits[0], edits[1]] * 2):
        wanted = reference(tiny, edit, h[row])
        size = max(1.0, float(np.abs(wanted).max()), float(np.abs(h[row]).max()))
        assert np.abs(added[row] - wanted).max() <= 1e-5 * size


def test_rows_of_a_mixed_batch_are_what_each_is_alone(tiny: Tiny) -> None:
    prompts, arms = prompts_of(tiny), arms_of(tiny)
    run = ArmRun(tiny.model, prompts, arms, {"tiny": tiny.dictionary})
    with run.editing():
        together = run.prefill(use_cache=False)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            alone = ArmRun(tiny.model, [prompt], [arm], {"tiny": tiny.dictionary})
            with alone.editing():
                logits = alone.prefill(use_cache=False)
            found = together[i * len(arms) + a]
            torch.testing.assert_close(found, logits[0], rtol=1e-4, atol=1e-4)
    rows = together.reshape(len(prompts), len(arms), -1)
    torch.testing.assert_close(rows[:, -1], rows[:, 0], rtol=0, atol=0)
    assert all((rows[:, a] - rows[:, 0]).abs().amax() > 1e-3 for a in range(1, len(arms) - 1))


def said_without_cache(
    tiny: Tiny, prompt: Prompt, edit: Callable[..., torch.Tensor]
) -> list[int]:
    """The likeliest tokens under a plain hook; the whole text is computed at every one."""
    ids, said = torch.tensor([prompt.ids]), []
    for _ in range(GREEDY.max_new_tokens):
        hook = tiny.model.blocks[LAYER].register_forward_hook(edit)
        with torch.no_grad():
            logits = tiny.model.network(input_ids=ids, use_cache=False).logits[0, -1]
        hook.remove()
        said.append(int(logits.argmax()))
        if said[-1] in tiny.model.stops:
            break
        ids = torch.cat([ids, logits.argmax().view(1, 1)], 1)
    return said


def test_generation_is_that_of_a_plain_hook_without_a_cache(tiny: Tiny) -> None:
    """The oracle recomputes the whole text at every token and edits by the numpy reference."""
    prompts, arms = prompts_of(tiny), arms_of(tiny)
    answers = generate(tiny.model, prompts, [0, 0], arms, {"tiny": tiny.dictionary}, GREEDY)
    for number in range(2, len(arms) - 1):
        state = arms[number].state
        assert state is not None
        sizes: list[np.ndarray] = []

        def edit(
            _module: object,
            _args: object,
            output: torch.Tensor,
            state: StateEdit = state,
            sizes: list[np.ndarray] = sizes,
        ) -> torch.Tensor:
            h = output[0, 1:].numpy()
            added = reference(tiny, state, h)
            sizes[:] = [np.linalg.norm(added, axis=1)]
            changed = output.clone()
            changed[0, 1:] = torch.from_numpy((h + added).astype(np.float32))
            return changed

        said = said_without_cache(tiny, prompts[1], edit)
        answer = answers[1][number]
        assert answer.tokens == tuple(said)
        assert answer.realised.edits == len(sizes[0])
        assert answer.realised.delta == pytest.approx(float(sizes[0].mean()), rel=1e-4)


@pytest.mark.parametrize("positions", ["all_but_bos", "prompt", "generated"])
def test_only_the_positions_asked_for_are_edited(tiny: Tiny, positions: Positions) -> None:
    """The oracle recomputes the whole text at every token, edited at these positions alone."""
    vector = 3.0 * np.random.default_rng(4).normal(size=32).astype(np.float32)
    arms = [BASELINE_EDIT, ArmEdit("add", PLACE, vector, None, positions=positions)]
    state = made(tiny, "scale", (0, 1, 2), -1.5)
    arms.append(ArmEdit("scale", PLACE, None, "tiny", state=state, positions=positions))
    arms.append(ArmEdit("else", PLACE, vector, None))
    prompts = prompts_of(tiny)
    answers = generate(tiny.model, prompts, [0, 0], arms, {"tiny": tiny.dictionary}, GREEDY)
    asked = len(prompts[1])
    for number in (1, 2):
        arm = arms[number]

        def edit(
            _module: object, _args: object, output: torch.Tensor, arm: ArmEdit = arm
        ) -> torch.Tensor:
            h = output[0].numpy()
            added = vector if arm.state is None else reference(tiny, arm.state, h)
            place = np.arange(len(h))[:, None]
            where = (place > 0) & (positions != "generated") & (place < asked)
            where |= (positions != "prompt") & (place >= asked)
            return torch.from_numpy((h + added * where).astype(np.float32))[None]

        said = said_without_cache(tiny, prompts[1], edit)
        answer = answers[1][number]
        assert answer.tokens == tuple(said)
        counts = {"prompt": asked - 1, "generated": len(said) - 1}
        assert answer.realised.edits == counts.get(positions, sum(counts.values()))


def test_a_task_keeps_every_part_of_an_edit(tiny: Tiny) -> None:
    arms = arms_of(tiny)
    again = read_task(write_task(Task("ask", [], arms, None))).arms
    for one, two in zip(arms, again, strict=True):
        assert (one.state is None) == (two.state is None)
        if one.state is not None and two.state is not None:
            assert one.state.digest == two.state.digest


@pytest.mark.parametrize("operation", ["scale", "clamp"])
def test_features_without_a_length_of_their_own_cannot_be_scaled(
    tiny: Tiny, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = plan_data()
    data["axes"][0]["candidate"]["operation"] = operation
    plan = Plan.model_validate_json(write(data))
    require_operable(plan, {"dict": tiny.dictionary})
    monkeypatch.setattr(type(tiny.dictionary), "scales_by_token", property(lambda _: True))
    with pytest.raises(RunFailed, match="token by token"):
        require_operable(plan, {"dict": tiny.dictionary})
    data["axes"][0]["candidate"]["operation"] = "project_out"
    require_operable(Plan.model_validate_json(write(data)), {"dict": tiny.dictionary})
