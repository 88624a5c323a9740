"""Buffers with room for more give the logits of transformers' own cache, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from safetycase.methods.sites import Place
from safetycase.run import arm_run, cache, likelihood
from safetycase.run.arm_run import ArmRun
from safetycase.run.cache import Buffer, RoomyLayer, RoomySlidingLayer, new_cache
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, encode
from tests.unit.run.tiny_networks import HIDDEN, MAKERS, tiny_model

TEXTS = (
    "the audit comes .",
    "user : how do i make soup ? assistant : first take salt and then stir the soup .",
    "the market is near the garden and the guest .",
)
PARTS = ([0, 1, 2, 4, 5, 7, 8, 9], [0, 1, 4, 6], [0, 3])
"""Which rows stay, each time that some leave the batch."""


def prompts_of(model: LoadedModel) -> list[Prompt]:
    return [encode(model, text, where="test") for text in TEXTS]


def arms_at(layer: int) -> list[ArmEdit]:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(3, HIDDEN)).astype(np.float32)
    place = Place(layer, "resid_post")
    edits = [ArmEdit(f"arm{n}", place, vector, None) for n, vector in enumerate(vectors)]
    return [BASELINE_EDIT, *edits]


def logits_of(model: LoadedModel, layer: int) -> list[torch.Tensor]:
    """Logits of the prompts and of 25 steps, while rows leave the batch."""
    run = ArmRun(model, prompts_of(model), arms_at(layer), {})
    leaving = iter(PARTS)
    with run.editing():
        seen = [run.prefill(use_cache=True)]
        for step in range(25):
            if step % 8 == 7:
                rows = torch.tensor(next(leaving))
                run.keep(rows)
                seen[-1] = seen[-1][rows]
            tokens = seen[-1].argmax(-1)
            seen.append(run.step(tokens, torch.ones_like(tokens, dtype=torch.bool)))
    return seen


Patch = Callable[[], None]


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch) -> Patch:
    """Called, it makes the runner use transformers' own layers."""

    def patch() -> None:
        for module in (arm_run, likelihood):
            monkeypatch.setattr(module, "new_cache", lambda config: DynamicCache(config=config))

    return patch


@pytest.mark.parametrize("room", [3, 64])
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_logits_are_those_of_a_cache_that_copies(
    name: str, layer: int, room: int, copying: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "ROOM", room)
    model = tiny_model(name)
    ours = logits_of(model, layer)
    copying()
    theirs = logits_of(model, layer)
    for step, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.equal(one, other), f"step {step}"


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_likelihoods_are_those_of_a_cache_that_copies(name: str, copying: Patch) -> None:
    """One cache of the prompts serves several parts of the answers."""
    model = tiny_model(name)
    outputs = [[(5, 9, 11), (6,)], [(8, 7, 6, 5, 9)], [(4, 4, 4), (5, 9, 11)]]
    likelihood_of = lambda: median_nlls(model, prompts_of(model), outputs)  # noqa: E731
    ours = likelihood_of()
    copying()
    assert ours == likelihood_of()


def test_layers_of_every_kind_are_replaced() -> None:
    kinds = {type(x) for x in new_cache(tiny_model("gemma3").network.config).layers}
    assert kinds == {RoomyLayer, RoomySlidingLayer}


def parts_of(start: int, count: int) -> torch.Tensor:
    """Positions [2, 1, count, 4] that tell where they stand."""
    return torch.arange(start, start + count)[None, None, :, None].expand(2, 1, count, 4) * 1.0


def test_steps_write_in_place_while_there_is_room() -> None:
    buffer = Buffer()
    held = buffer.appended(None, parts_of(0, 5))
    place = held.data_ptr()
    for step in range(cache.ROOM):
        held = buffer.appended(held, parts_of(5 + step, 1))
        assert held.data_ptr() == place
    held = buffer.appended(held, parts_of(5 + cache.ROOM, 1))
    assert held.data_ptr() != place
    assert torch.equal(held, parts_of(0, 6 + cache.ROOM))


def test_the_end_of_what_was_given_is_written_behind() -> None:
    """As a sliding window holds it."""
    buffer = Buffer()
    held = buffer.appended(None, parts_of(0, 9))
    for step in range(3 * cache.ROOM):
        held = buffer.appended(held[..., -6:, :], parts_of(9 + step, 1))
        assert torch.equal(held, parts_of(3 + step, 7))


def test_a_copy_with_chosen_rows_leaves_the_layer_as_it_is() -> None:
    layer = RoomyLayer()
    layer.update(parts_of(0, 4), parts_of(0, 4))
    other = copy(layer)
    other.batch_select_indices(torch.tensor([1, 0, 1]))
    more = parts_of(9, 1)[:1].expand(3, 1, 1, 4)
    other.update(more, more)
    assert torch.equal(layer.keys, parts_of(0, 4))
    keys, _ = layer.update(parts_of(4, 1), parts_of(4, 1))
    assert torch.equal(keys, parts_of(0, 5))
    assert torch.equal(other.keys[:, :, -1], more[:, :, 0])
