"""The self tests pass on sound instruments and catch planted faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.run import arm_run, observe, selftest
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import PaddedBatch, Prompt, encode, pad_left
from safetycase.run.selftest import Subject, dictionary_fit, self_tests
from tests.unit.run.test_shrink import gpu_allocator
from tests.unit.run.tiny_world import (
    DICTIONARY_CONFIG,
    LAYER,
    Tiny,
    batches_of,
    load_dictionary,
    write_dictionary,
)

TEXTS = (
    "the audit comes and the panel . user : how do i make soup ? assistant :",
    "the market comes and the guest . near the garden . user : sorry assistant :",
    "a drill is near .",
    "the kitchen and the harbor . first take salt then stir soup .",
    "user : how do i make a kite ? assistant : no",
)
FVU = "self test dictionary_fvu of dictionary tiny"
PARITY = "self test batch_parity of the model"


def subject(tiny: Tiny, folder: Path | None = None, **changes: np.ndarray) -> Subject:
    """The tiny dictionary on some prompts; one with changed tensors is written to `folder`."""
    prompts = [encode(tiny.model, text, where="test") for text in TEXTS]
    if folder is None:
        return Subject(tiny.model, tiny.dictionary, prompts)
    tensors = {**tiny.tensors, **changes}
    config = {**DICTIONARY_CONFIG, "width": len(tensors["b_enc"])}
    return Subject(
        tiny.model, load_dictionary(write_dictionary(folder, tensors, config)), prompts
    )


def failing(one: Subject) -> str:
    with pytest.raises(RunFailed) as refused:
        self_tests({"tiny": one}, dtype="float32", batches=batches_of(8))
    return refused.value.where


def test_sound_instruments_pass_every_test(tiny: Tiny) -> None:
    tests = self_tests({"tiny": subject(tiny)}, dtype="float32", batches=batches_of(8))
    values = {test.id: test.value for test in tests}
    assert list(values) == [
        "hook_identity",
        "zero_dose_identity",
        "batch_parity",
        "error_term_identity",
        "dictionary_l0",
        "dictionary_fvu",
    ]
    assert values["hook_identity"] == values["zero_dose_identity"] == 0.0
    assert values["batch_parity"] < 1e-4
    assert values["dictionary_fvu"] < 0.2


def test_a_decoder_of_other_features_is_caught(tiny: Tiny, tmp_path: Path) -> None:
    turned = np.ascontiguousarray(tiny.tensors["w_dec"][::-1])
    assert failing(subject(tiny, tmp_path, w_dec=turned)) == FVU


def test_a_transposed_decoder_is_caught(tiny: Tiny, tmp_path: Path) -> None:
    """Square, so that no shape gives it away, and with rows of unit norm still."""
    rng = np.random.default_rng(1)
    square = np.linalg.qr(rng.normal(size=(32, 32)))[0].astype(np.float32)
    twin = {
        "w_enc": np.ascontiguousarray(square.T),
        "w_dec": square,
        "b_enc": np.full(32, 100.0, np.float32),
        "b_dec": (-100.0 * square.sum(0)).astype(np.float32),
        "threshold": np.zeros(32, np.float32),
    }
    sound = subject(tiny, tmp_path / "a", **twin)
    assert (
        dictionary_fit(tiny.model, sound.dictionary, sound.prompts, batches=batches_of(4)).fvu
        < 0.01
    )
    turned = {**twin, "w_dec": np.ascontiguousarray(square.T)}
    assert failing(subject(tiny, tmp_path / "b", **turned)) == FVU


def test_thresholds_that_silence_the_dictionary_are_caught(tiny: Tiny, tmp_path: Path) -> None:
    high = np.full_like(tiny.tensors["threshold"], 1e6)
    where = failing(subject(tiny, tmp_path, threshold=high))
    assert where == "self test dictionary_l0 of dictionary tiny"


def test_reading_bos_is_caught(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dictionaries do not know BOS; taken along, it makes up most of the variance."""

    def with_bos(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        batch = pad_left(prompts, model)
        return replace(batch, editable=batch.real)

    monkeypatch.setattr(observe, "pad_left", with_bos)
    assert failing(subject(tiny)) == FVU


def test_padding_that_is_attended_to_is_caught(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmasked(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        batch = pad_left(prompts, model)
        return replace(batch, real=torch.ones_like(batch.real))

    monkeypatch.setattr(arm_run, "pad_left", unmasked)
    assert failing(subject(tiny)) == PARITY


def test_an_edit_of_padded_rows_alone_is_caught(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose shorter prompts are edited one position too few."""

    def one_short(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        batch = pad_left(prompts, model)
        return replace(batch, editable=batch.editable & (batch.positions > 1))

    original = arm_run.pad_left

    def only_batches(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        return (one_short if len(prompts) > 1 else original)(prompts, model)

    monkeypatch.setattr(arm_run, "pad_left", only_batches)
    assert failing(subject(tiny)) == PARITY


def test_an_edit_that_leaks_to_other_rows_is_caught(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = selftest.ArmRun.prefill

    def leaking(self: selftest.ArmRun, *, use_cache: bool) -> torch.Tensor:
        logits = original(self, use_cache=use_cache)
        return logits + 0.01 * logits.flip(0)

    monkeypatch.setattr(selftest.ArmRun, "prefill", leaking)
    assert failing(subject(tiny)) == PARITY


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_attention_that_is_wrong_at_one_length_in_32_is_caught_on_a_gpu(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """As a kernel of CUDA was, on padded batches alone; the longest prompt here is shorter."""
    attention, lengths = torch.nn.functional.scaled_dot_product_attention, []

    def faulty(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **more: Any
    ) -> torch.Tensor:
        lengths.append(key.shape[-2])
        right = attention(query, key, value, **more)
        is_wrong = more.get("attn_mask") is not None and key.shape[-2] % 32 == 1
        return right.roll(1, -1) if is_wrong else right

    tried = selftest.lengths_more(device)
    monkeypatch.setattr(selftest, "lengths_more", lambda _: tried)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", faulty)
    one = subject(tiny)
    assert max(map(len, one.few)) % 32 not in (0, 1)
    if device == "cuda":
        assert failing(one) == PARITY
        assert {length % 32 for length in lengths} == set(range(32))
    else:
        self_tests({"tiny": one}, dtype="float32", batches=batches_of(8))


def test_prompts_as_long_as_the_context_are_tested_at_their_length(tiny: Tiny) -> None:
    text = " ".join(["audit"] * (tiny.model.context - 1))
    longest = encode(tiny.model, text, where="test")
    assert len(longest) == tiny.model.context
    one = Subject(tiny.model, tiny.dictionary, [longest, *subject(tiny).prompts])
    tests = self_tests({"tiny": one}, dtype="float32", batches=batches_of(8))
    assert {test.id: test.value for test in tests}["batch_parity"] < 1e-4


def test_a_test_that_does_not_fit_the_memory_is_refused_in_our_words(tiny: Tiny) -> None:
    hook = tiny.model.blocks[LAYER].register_forward_pre_hook(lambda *_: gpu_allocator())
    try:
        assert failing(subject(tiny)) == "self test hook_identity"
    finally:
        hook.remove()


def test_fit_is_that_of_a_plain_computation(tiny: Tiny) -> None:
    one = subject(tiny)
    states: list[torch.Tensor] = []
    hook = tiny.model.blocks[LAYER].register_forward_hook(lambda _m, _a, o: states.append(o))
    for prompt in one.prompts:
        tiny.model.network(input_ids=torch.tensor([prompt.ids]))
    hook.remove()
    x = torch.cat([state[0, 1:].double() for state in states])
    t = {name: torch.from_numpy(array).double() for name, array in tiny.tensors.items()}
    z = x @ t["w_enc"] + t["b_enc"]
    f = z * (z > t["threshold"]) * (z > 0)
    explained = f @ t["w_dec"] + t["b_dec"]
    fvu = float(((x - explained) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())
    fit = dictionary_fit(tiny.model, tiny.dictionary, one.prompts, batches=batches_of(3))
    assert fit.fvu == pytest.approx(fvu, rel=1e-4)
    assert fit.l0 == pytest.approx(float((f > 0).sum(1).double().mean()))
