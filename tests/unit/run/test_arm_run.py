"""Rows of a batch of items x arms are what the same pairs are alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.record.plan import Sampling
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.generate import Answer, GenerationSettings, generate, text_of
from safetycase.run.likelihood import median_nlls
from safetycase.run.prompts import Prompt, encode, pad_left
from safetycase.run.realised import Realised
from tests.unit.run.tiny_world import Tiny

GREEDY = GenerationSettings(Sampling(temperature=0.0, top_k=1), 8)
DRAWN = GenerationSettings(Sampling(temperature=1.0, top_k=20), 8)
TEXTS = (
    "the audit comes .",
    "the market is near the garden and the guest . user : how do i make soup ? assistant :",
    "user : how do i make a kite ? assistant :",
)


def prompts_of(tiny: Tiny) -> list[Prompt]:
    return [encode(tiny.model, text, where="test") for text in TEXTS]


def arms_of(layers: tuple[int, ...] = (1,)) -> list[ArmEdit]:
    rng = np.random.default_rng(1)
    arms = [BASELINE_EDIT]
    for layer in layers:
        arms.append(
            ArmEdit(f"sham{layer}", Place(layer, "resid_post"), np.zeros(32, np.float32), None)
        )
        for number in range(3):
            vector = rng.normal(size=32).astype(np.float32) * (number + 1)
            arms.append(
                ArmEdit(f"dose{layer}{number}", Place(layer, "resid_post"), vector, None)
            )
    arms.append(ArmEdit("reconstruction", Place(1, "resid_post"), None, "tiny"))
    return arms


def dictionaries(tiny: Tiny) -> dict[str, Dictionary]:
    return {"tiny": tiny.dictionary}


@pytest.mark.parametrize("layers", [(0,), (1,), (2,), (0, 2)])
def test_batched_logits_equal_those_of_each_pair_alone(
    tiny: Tiny, layers: tuple[int, ...]
) -> None:
    prompts, arms = prompts_of(tiny), arms_of(layers)
    run = ArmRun(tiny.model, prompts, arms, dictionaries(tiny))
    with run.editing():
        together = run.prefill(use_cache=False)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            alone = ArmRun(tiny.model, [prompt], [arm], dictionaries(tiny))
            with alone.editing():
                logits = alone.prefill(use_cache=False)
            torch.testing.assert_close(
                together[i * len(arms) + a], logits[0], rtol=1e-4, atol=1e-4
            )


def test_edit_equals_a_plain_hook_on_a_plain_model(tiny: Tiny) -> None:
    """The oracle: transformers' own forward pass, full recomputation, no cache, no padding."""
    prompt = prompts_of(tiny)[1]
    arm = arms_of()[3]
    ids = torch.tensor([prompt.ids])

    def add(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[:, 1:] += torch.from_numpy(arm.vector)
        return output

    said = []
    for _ in range(8):
        hook = tiny.model.blocks[arm.place.layer].register_forward_hook(add)
        logits = tiny.model.network(input_ids=ids, use_cache=False).logits[0, -1]
        hook.remove()
        said.append(int(logits.argmax()))
        if said[-1] in tiny.model.stops:
            break
        ids = torch.cat([ids, logits.argmax().view(1, 1)], 1)
    answers = generate(
        tiny.model,
        prompts_of(tiny),
        [0, 0, 0],
        arms_of(),
        {"tiny": tiny.dictionary},
        GREEDY,
    )
    assert answers[1][3].tokens == tuple(said)


@pytest.mark.parametrize("settings", [GREEDY, DRAWN])
def test_generation_in_a_batch_equals_generation_alone(
    tiny: Tiny, settings: GenerationSettings
) -> None:
    prompts, arms = prompts_of(tiny), arms_of()
    keys = [11, 12, 13]
    together = generate(tiny.model, prompts, keys, arms, dictionaries(tiny), settings)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            [[alone]] = generate(
                tiny.model, [prompt], [keys[i]], [arm], dictionaries(tiny), settings
            )
            assert together[i][a].tokens == alone.tokens
            assert together[i][a].realised.edits == alone.realised.edits
            assert together[i][a].realised.delta == pytest.approx(
                alone.realised.delta, rel=1e-4
            )


def test_account_of_edits(tiny: Tiny) -> None:
    prompts, arms = prompts_of(tiny), arms_of()
    answers = generate(tiny.model, prompts, [1, 2, 3], arms, dictionaries(tiny), GREEDY)
    for prompt, given in zip(prompts, answers, strict=True):
        assert (given[0].realised.edits, given[0].realised.delta) == (0, 0.0)
        for arm, answer in zip(arms[1:], given[1:], strict=True):
            assert answer.realised.edits == len(prompt) - 1 + len(answer.tokens) - 1
            assert answer.realised.residual > 0
            if arm.vector is not None:
                length = float(np.linalg.norm(arm.vector))
                assert answer.realised.delta == pytest.approx(length, rel=1e-5)
    assert all(given[1].tokens == given[0].tokens for given in answers)
    assert any(given[4].tokens != given[0].tokens for given in answers)


def test_a_hook_that_does_not_fire_is_an_error(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ArmRun(tiny.model, prompts_of(tiny), arms_of(), dictionaries(tiny))
    block = tiny.model.blocks[1]
    with run.editing():
        # The block is run, but not as a module: hooks are passed by.
        monkeypatch.setattr(type(block), "__call__", type(block).forward)
        with pytest.raises(RunFailed) as refused:
            run.prefill(use_cache=False)
    assert refused.value.where == "hook at resid_post of block 1"
    assert refused.value.found == "0"


def hooks_of(tiny: Tiny) -> list[list[int]]:
    """Every block's hooks; transformers leaves its own once hidden states are asked for."""
    return [[*b._forward_hooks, *b._forward_pre_hooks] for b in tiny.model.blocks]


def test_no_hook_is_left_behind(tiny: Tiny) -> None:
    before = hooks_of(tiny)
    run = ArmRun(tiny.model, prompts_of(tiny), arms_of(), dictionaries(tiny))
    with run.editing():
        assert hooks_of(tiny) != before
        run.prefill(use_cache=False)
    assert hooks_of(tiny) == before


def test_padding_and_bos_are_never_edited(tiny: Tiny) -> None:
    batch = pad_left(prompts_of(tiny), tiny.model)
    assert (batch.ids[~batch.real] == tiny.model.pad).all()
    assert (batch.real.sum(1) - batch.editable.sum(1)).tolist() == [1, 1, 1]
    assert not batch.editable[batch.ids == tiny.model.bos].any()
    assert (batch.positions[batch.ids == tiny.model.bos] == 0).all()


def test_median_nll_is_that_of_a_plain_pass(tiny: Tiny) -> None:
    prompts = prompts_of(tiny)
    outputs = [
        [(5, 6, 7, 1), (5, 6, 7, 1), (9, 1)],
        [(4,)],
        [(30, 31, 32, 33, 34, 35, 36, 37), (5, 1)],
    ]
    found = median_nlls(tiny.model, prompts, outputs)
    for prompt, given, nlls in zip(prompts, outputs, found, strict=True):
        assert set(nlls) == set(given)
        for output in given:
            ids = torch.tensor([[*prompt.ids, *output]])
            log_p = torch.log_softmax(tiny.model.network(input_ids=ids).logits[0], -1)
            start = len(prompt) - 1
            each = [-float(log_p[start + t, token]) for t, token in enumerate(output)]
            assert nlls[output] == pytest.approx(np.median(each), rel=1e-5)


def test_last_residuals_are_read_after_the_edit(tiny: Tiny) -> None:
    prompts, arms = prompts_of(tiny), arms_of((1,))
    for layer in (0, 1, 2):
        run = ArmRun(tiny.model, prompts, arms, dictionaries(tiny))
        with run.editing():
            read = run.last_residuals(layer)
        for i, prompt in enumerate(prompts):
            alone = ArmRun(tiny.model, [prompt], [arms[4]], dictionaries(tiny))
            with alone.editing():
                torch.testing.assert_close(
                    read[i * len(arms) + 4],
                    alone.last_residuals(layer)[0],
                    rtol=1e-4,
                    atol=1e-4,
                )
        moved = (read[4] - read[0]).norm() / np.linalg.norm(arms[4].vector)
        assert moved == pytest.approx(0.0 if layer == 0 else 1.0, abs=1e-5) or layer == 2


def test_a_text_tells_its_tokens_but_for_the_one_that_ended_it(tiny: Tiny) -> None:
    audit, bos = tiny.model.tokenizer.encode("audit", add_special_tokens=False)[0], 2
    stop = min(tiny.model.stops)
    answers = [
        Answer(tokens, stopped, Realised(0, 0.0, 0.0))
        for tokens, stopped in (
            ((audit, stop), True),
            ((audit, bos, audit), False),
            ((audit, audit, bos), False),
            ((bos, audit, audit), False),
        )
    ]
    texts = [text_of(tiny.model, answer) for answer in answers]
    assert texts[0] == "audit"
    assert len(set(texts)) == len(texts)
    assert all("<bos>" in text for text in texts[1:])
