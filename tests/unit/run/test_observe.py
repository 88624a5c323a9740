"""Observed activations are those of plain passes over one prompt after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.methods.label import words
from safetycase.methods.sites import Place
from safetycase.methods.stream import Stream
from safetycase.record.planned_axis import Pooling
from safetycase.run import observe
from safetycase.run.answers import six_digits
from safetycase.run.observe import (
    activation_pool,
    chosen_activations,
    pooled_activations,
    word_activations,
)
from safetycase.run.probe import last_residuals
from safetycase.run.prompts import Prompt, encode
from tests.unit.run.tiny_world import LAYER, Tiny

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
    pooled = pooled_activations(tiny.model, tiny.dictionary, prompts, batch_rows=batch_rows)
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


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
@pytest.mark.parametrize("at_once", [observe.ENCODED_AT_ONCE, 100])
def test_activations_are_pooled_as_planned(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, pooling: Pooling, at_once: int
) -> None:
    monkeypatch.setattr(observe, "ENCODED_AT_ONCE", at_once)
    prompts, features = prompts_of(tiny), [3, 0, 17]
    pooled = pooled_activations(
        tiny.model, tiny.dictionary, prompts, batch_rows=2, pooling=pooling
    )
    chosen = chosen_activations(
        tiny.model, tiny.dictionary, features, prompts, batch_rows=2, pooling=pooling
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
        tiny.model, PLACE, prompts, size=12, stream=Stream("seed", "pool"), batch_rows=2
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
            batch_rows=2,
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
        batch_rows=2,
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
    found = last_residuals(tiny.model, prompts, LAYER, batch_rows=batch_rows)
    for row, prompt in zip(found, prompts, strict=True):
        np.testing.assert_allclose(row, plain(tiny, prompt)[-1].numpy(), rtol=1e-4, atol=1e-3)
