"""Observed activations are those of plain passes over one prompt after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from safetycase.methods.label import words
from safetycase.methods.sites import Place
from safetycase.methods.stream import Stream
from safetycase.record.planned_axis import Pooling
from safetycase.run import observe, probe
from safetycase.run.answers import six_digits
from safetycase.run.arm_run import ArmRun
from safetycase.run.model import LoadedModel
from safetycase.run.observe import (
    activation_pool,
    chosen_activations,
    pooled_activations,
    word_activations,
)
from safetycase.run.probe import last_residuals
from safetycase.run.prompts import PaddedBatch, Prompt, encode, pad_left
from safetycase.run.shrink import Batches
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import policy
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.test_shrink import cpu_allocator, gpu_allocator
from tests.unit.run.tiny_world import LAYER, Tiny, batches_of, plan_value

AT = "2026-03-01T00:00:00Z"
PLACE = Place(LAYER, "resid_post")
TEXTS = (
    "the audit comes and the panel. user: how do i make soup? assistant:",
    "the market.",
    "near the garden and the audit",
)


def prompts_of(tiny: Tiny) -> list[Prompt]:
    return [encode(tiny.model, text, where="test") for text in TEXTS]


def plain(tiny: Tiny, prompt: Prompt) -> torch.Tensor:
    caught: list[torch.Tensor] = []
    hook = tiny.model.blocks[LAYER].register_forward_hook(lambda _m, _a, o: caught.append(o))
    tiny.model.network(input_ids=torch.tensor([prompt.ids]))
    hook.remove()
    return caught[0][0]


@pytest.mark.parametrize("batch_rows", [1, 2, 8])
def test_pooled_activations(tiny: Tiny, batch_rows: int) -> None:
    prompts = prompts_of(tiny)
    pooled = pooled_activations(
        tiny.model, tiny.dictionary, prompts, batches=batches_of(batch_rows)
    )
    assert pooled.width == tiny.dictionary.width
    assert pooled.values.dtype == np.float32
    assert pooled.columns.dtype == np.int32
    for i, prompt in enumerate(prompts):
        part = slice(pooled.bounds[i], pooled.bounds[i + 1])
        expected = tiny.dictionary.encode(plain(tiny, prompt)[1:]).amax(0).numpy()
        assert pooled.columns[part].tolist() == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(
            pooled.values[part], expected[expected > 0], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_where_memory_runs_out_fewer_prompts_are_read_together(
    tiny: Tiny, runs_out: Callable[[], None]
) -> None:
    """In the pass that stops at the hook: the next prompts are read, and none twice."""
    prompts = prompts_of(tiny) * 4
    rows: list[int] = []

    def limited(_block: object, args: tuple[torch.Tensor, ...]) -> None:
        rows.append(len(args[0]))
        if len(args[0]) > 3:
            runs_out()

    told: list[int] = []
    whole = pooled_activations(tiny.model, tiny.dictionary, prompts, batches=batches_of(12))
    hook = tiny.model.blocks[LAYER].register_forward_pre_hook(limited)
    try:
        found = pooled_activations(
            tiny.model, tiny.dictionary, prompts, batches=Batches(12, told.append)
        )
        residuals = last_residuals(tiny.model, prompts, LAYER, batches=Batches(8, told.append))
    finally:
        hook.remove()
    assert told == [6, 3, 4, 2]
    assert rows == [12, 6, 3, 3, 3, 3, 8, 4, 2, 2, 2, 2, 2, 2]
    assert found.columns.tolist() == whole.columns.tolist()
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=1e-5)
    expected = last_residuals(tiny.model, prompts, LAYER, batches=batches_of(8))
    np.testing.assert_allclose(residuals, expected, rtol=1e-5, atol=1e-5)


def test_memory_may_run_out_on_what_the_dictionary_makes_of_them(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch has left is given back before its prompts are read again, fewer together."""
    prompts, told = prompts_of(tiny), []
    whole = pooled_activations(tiny.model, tiny.dictionary, prompts, batches=batches_of(3))
    pooled, calls = observe._pooled, []

    def second_does_not_fit(f: torch.Tensor, pooling: Pooling) -> torch.Tensor:
        calls.append(len(f))
        if len(calls) == 2:
            cpu_allocator()
        return pooled(f, pooling)

    monkeypatch.setattr(observe, "_pooled", second_does_not_fit)
    found = pooled_activations(
        tiny.model, tiny.dictionary, prompts, batches=Batches(3, told.append)
    )
    assert told == [2]
    assert len(calls) == 5
    assert found.columns.tolist() == whole.columns.tolist()
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=1e-5)


def test_one_prompt_that_does_not_fit_is_an_error(tiny: Tiny) -> None:
    told: list[int] = []
    prompts, batches = prompts_of(tiny), Batches(3, told.append, "the features of context")
    hook = tiny.model.blocks[LAYER].register_forward_pre_hook(lambda *_: gpu_allocator())
    try:
        with pytest.raises(RunFailed) as refused:
            pooled_activations(tiny.model, tiny.dictionary, prompts, batches=batches)
    finally:
        hook.remove()
    assert told == [2, 1]
    shortest = min(range(len(prompts)), key=lambda n: (len(prompts[n]), n))
    assert str(refused.value).startswith(
        "the features of context: expected memory for a prompt of "
        f"{len(prompts[shortest])} tokens (number {shortest + 1} of {len(prompts)}) alone, "
        "found too little. A smaller --batch-rows does not help any more"
    )


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
@pytest.mark.parametrize("at_once", [observe.ENCODED_AT_ONCE, 100])
def test_activations_are_pooled_as_planned(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, pooling: Pooling, at_once: int
) -> None:
    monkeypatch.setattr(observe, "ENCODED_AT_ONCE", at_once)
    prompts, features = prompts_of(tiny), [3, 0, 17]
    pooled = pooled_activations(
        tiny.model, tiny.dictionary, prompts, batches=batches_of(2), pooling=pooling
    )
    chosen = chosen_activations(
        tiny.model, tiny.dictionary, features, prompts, batches=batches_of(2), pooling=pooling
    )
    assert chosen.dtype == pooled.values.dtype == np.float32
    for i, prompt in enumerate(prompts):
        every = tiny.dictionary.encode(plain(tiny, prompt)[1:])
        expected = {"max": every.amax(0), "mean": every.mean(0), "last": every[-1]}[pooling]
        row = np.zeros(pooled.width, dtype=np.float32)
        part = slice(pooled.bounds[i], pooled.bounds[i + 1])
        row[pooled.columns[part]] = pooled.values[part]
        np.testing.assert_allclose(row, expected.numpy(), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(chosen[i], row[features], rtol=1e-4, atol=1e-4)


def test_activation_pool_follows_the_stream(tiny: Tiny) -> None:
    prompts = prompts_of(tiny)
    pool = activation_pool(
        tiny.model,
        PLACE,
        prompts,
        size=12,
        stream=Stream("seed", "pool"),
        batches=batches_of(2),
    )
    stream = Stream("seed", "pool")
    drawn: list[tuple[int, int]] = []
    openings: set[tuple[int, ...]] = set()
    while len(drawn) < 12:
        number = stream.below(len(prompts))
        position = 1 + stream.below(len(prompts[number]) - 1)
        opening = prompts[number].ids[: position + 1]
        if opening not in openings:
            openings.add(opening)
            drawn.append((number, position))
    for row, (number, position) in zip(pool, drawn, strict=True):
        expected = plain(tiny, prompts[number])[position].numpy()
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-3)
    assert len({row.tobytes() for row in pool}) == 12


def test_a_pool_larger_than_the_text_is_refused(tiny: Tiny) -> None:
    with pytest.raises(RunFailed):
        activation_pool(
            tiny.model,
            PLACE,
            prompts_of(tiny)[1:2],
            size=5,
            stream=Stream("seed", "pool"),
            batches=batches_of(2),
        )


def test_word_activations_follow_offsets(tiny: Tiny) -> None:
    prompts = prompts_of(tiny)
    features = [3, 40, 7]
    found = word_activations(
        tiny.model,
        tiny.dictionary,
        features,
        prompts,
        TEXTS,
        batches=batches_of(2),
        spell=six_digits,
    )
    for text, prompt, values in zip(TEXTS, prompts, found, strict=True):
        each = tiny.dictionary.encode(plain(tiny, prompt))[:, features].numpy()
        tokens = tiny.model.tokenizer.convert_ids_to_tokens(list(prompt.ids))
        named = [i for i, token in enumerate(tokens) if token.isalnum()]
        spoken = [word.text for word in words(text)]
        assert [tokens[i] for i in named] == spoken
        assert values.shape == (1 + len(spoken), 3)
        np.testing.assert_allclose(values[0], each[1:].max(0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(values[1:], each[named], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_rows", [1, 2, 8])
def test_last_residuals(tiny: Tiny, batch_rows: int) -> None:
    prompts = prompts_of(tiny)
    found = last_residuals(tiny.model, prompts, LAYER, batches=batches_of(batch_rows))
    for row, prompt in zip(found, prompts, strict=True):
        np.testing.assert_allclose(row, plain(tiny, prompt)[-1].numpy(), rtol=1e-4, atol=1e-3)


def test_a_run_tells_what_it_read_in_smaller_batches(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that reads activations, on a device with memory for eight prompts."""
    value = plan_value()
    value["axes"][0]["baselines"] = {"difference_in_means": True}
    whole = make(tiny, tmp_path / "whole", value=value)

    def limited(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        if len(prompts) > 8:
            gpu_allocator()
        return pad_left(prompts, model)

    def limited_run(model: LoadedModel, prompts: Sequence[Prompt], *rest: Any) -> ArmRun:
        if len(prompts) > 8:
            cpu_allocator()
        return ArmRun(model, prompts, *rest)

    monkeypatch.setattr(observe, "pad_left", limited)
    monkeypatch.setattr(probe, "ArmRun", limited_run)
    path = make(tiny, tmp_path / "small", value=value)
    _, _, before, first = opened(whole)
    _, _, after, case = opened(path)
    assert first.deviations == ()
    told = {deviation.what.partition(":")[0]: deviation for deviation in case.deviations}
    deviation = told["Activations were read in smaller batches than planned"]
    read = re.findall(r"(the [^,:(]+) \(at last (\d+) prompts together\)", deviation.what)
    assert [what for what, _ in read] == [
        "the fit of the dictionaries",
        "the residuals of probe probe",
        "the features of context",
        "the activation pool of context",
        "the mean activations context.means",
        "the labels of context",
    ]
    assert {int(size) for _, size in read} <= {4, 5, 6, 7, 8}
    assert before.tensors.keys() == after.tensors.keys()
    np.testing.assert_allclose(
        after.tensors["context.pool"], before.tensors["context.pool"], rtol=1e-4, atol=1e-4
    )
    require_verified(path, at=AT)
    outcomes = verify(path, policy(must_hold="none"), at=AT).outcomes()
    assert outcomes["ORD-002"] is Outcome.UNKNOWN
