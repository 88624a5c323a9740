"""A model is loaded whole, its blocks are found, its special tokens are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from safetycase.errors import PromptTooLong, RunFailed
from safetycase.methods.sites import Place
from safetycase.run.model import (
    LoadedModel,
    load_model,
    make_deterministic,
    residual_of,
    with_residual,
    wrap,
)
from safetycase.run.observe import activations
from safetycase.run.prompts import encode, pad_left
from safetycase.run.shrink import ONE_BY_ONE
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


def without_bos() -> LoadedModel:
    """The tiny model as Qwen's are: nothing stands in front of a prompt."""
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = None
    return wrap(tiny_network(), tokenizer)


def test_without_a_bos_the_prompts_own_first_token_is_neither_read_nor_edited() -> None:
    model = without_bos()
    prompt = encode(model, "the audit comes", where="test")
    assert prompt.offsets == ((0, 3), (4, 9), (10, 15))
    batch = pad_left([prompt, encode(model, "the audit", where="test")], model)
    assert batch.positions.tolist() == [[0, 1, 2], [0, 0, 1]]
    assert batch.editable.tolist() == [[False, True, True], [False, False, True]]
    place = Place(1, "resid_post")
    [read] = activations(model, [prompt], place, keep=lambda _, x: len(x), batches=ONE_BY_ONE)
    assert read == (0, 2)


def test_without_a_bos_a_prompt_has_at_least_two_tokens() -> None:
    with pytest.raises(RunFailed) as refused:
        encode(without_bos(), "the", where="test")
    assert refused.value.expected == "a prompt of at least two tokens, without a BOS"


def test_without_a_bos_a_prompt_may_fill_the_context() -> None:
    model = without_bos()
    words = ["the"] * model.context
    assert len(encode(model, " ".join(words), where="test")) == model.context
    with pytest.raises(PromptTooLong):
        encode(model, " ".join([*words, "the"]), where="test")


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


def test_the_kernel_that_is_wrong_on_some_padded_batches_is_not_used() -> None:
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=True)
    make_deterministic()
    assert not torch.backends.cuda.mem_efficient_sdp_enabled()
    assert torch.backends.cuda.math_sdp_enabled()
