"""A model is loaded whole, its blocks are found, its special tokens are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.run.model import load_model, residual_of, with_residual, wrap
from safetycase.run.prompts import encode
from tests.unit.run.tiny_world import Tiny, tiny_network, tiny_tokenizer


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_saved_model_is_the_same_model(tiny: Tiny, attention: str) -> None:
    loaded = load_model(tiny.folder / "model", dtype="float32", attention=attention)
    prompt = encode(loaded, "the audit comes and the panel .", where="test")
    ids = torch.tensor([prompt.ids])
    torch.testing.assert_close(
        loaded.network(input_ids=ids).logits, tiny.model.network(input_ids=ids).logits
    )
    assert loaded.attention == attention
    assert (loaded.blocks_path, len(loaded.blocks)) == ("model.layers", 3)
    assert (loaded.bos, loaded.pad, loaded.stops) == (2, 0, frozenset({1}))
    assert not loaded.network.training


def test_every_stop_token_of_the_generation_configuration_counts() -> None:
    network = tiny_network()
    network.generation_config.eos_token_id = [1, 7]
    assert wrap(network, tiny_tokenizer()).stops == frozenset({1, 7})


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailed):
        load_model(tmp_path, dtype="float32")


def test_a_tokenizer_without_bos_is_refused() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    with pytest.raises(RunFailed) as refused:
        wrap(tiny_network(), tokenizer)
    assert refused.value.expected == "a bos token"


def test_a_layer_beyond_the_last_is_refused(tiny: Tiny) -> None:
    with pytest.raises(RunFailed):
        tiny.model.block(3)


def test_the_residual_of_a_block_is_found_in_either_form() -> None:
    h = torch.ones(2, 3, 4)
    assert residual_of(h, "block") is h
    assert residual_of((h, None), "block") is h
    assert with_residual((h, None), h + 1)[1] is None
    assert with_residual(h, h + 1).shape == h.shape
    with pytest.raises(RunFailed):
        residual_of({"hidden": h}, "block")


def test_one_bos_stands_in_front(tiny: Tiny) -> None:
    prompt = encode(tiny.model, "the audit", where="test")
    assert prompt.ids[0] == tiny.model.bos
    assert len(prompt) == 3
    assert prompt.offsets == ((0, 0), (0, 3), (4, 9))


@pytest.mark.parametrize("text", ["", "<bos> the audit", "the " * 96])
def test_prompts_that_cannot_be_put_are_refused(tiny: Tiny, text: str) -> None:
    with pytest.raises(RunFailed):
        encode(tiny.model, text, where="test")


def test_room_for_the_answer_is_part_of_the_prompt(tiny: Tiny) -> None:
    encode(tiny.model, "the " * 90, where="test", room=5)
    with pytest.raises(RunFailed):
        encode(tiny.model, "the " * 90, where="test", room=6)
