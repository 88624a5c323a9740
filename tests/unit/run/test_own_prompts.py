"""Rows with a prompt of their own each: as later turns of scripts are answered."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from safetycase.record.planned_axis import Positions
from safetycase.run.edit import ArmEdit
from safetycase.run.generate import generate, generate_each
from safetycase.run.prompts import Prompt, pad_left
from tests.unit.run.test_arm_run import DRAWN, dictionaries, prompts_of
from tests.unit.run.test_arm_run import arms_of as adding_arms
from tests.unit.run.test_state_edits import arms_of as state_arms
from tests.unit.run.tiny_world import Tiny

pytestmark = pytest.mark.run


def half_said(prompt: Prompt) -> Prompt:
    """The same, of which the model has said every other token but the first."""
    return replace(prompt, generated=tuple(n % 2 == 1 for n in range(len(prompt))))


def rows_of(tiny: Tiny) -> list[tuple[Prompt, ArmEdit]]:
    """Every kind of arm at every kind of positions, on prompts of different lengths."""
    prompts = [half_said(prompt) for prompt in prompts_of(tiny)]
    arms = [
        replace(arm, positions=positions)
        for arm in [*adding_arms((0, 2)), *state_arms(tiny)]
        for positions in get_args(Positions)
    ]
    return [(prompts[n % len(prompts)], arm) for n, arm in enumerate(arms)]


def test_what_was_said_is_told_from_the_prompt_behind_padding(tiny: Tiny) -> None:
    prompts = [half_said(prompt) for prompt in prompts_of(tiny)]
    batch = pad_left([*prompts, prompts_of(tiny)[0]], tiny.model)
    for row, prompt in enumerate(prompts):
        padding = batch.ids.shape[1] - len(prompt)
        assert batch.generated[row].tolist() == [False] * padding + list(prompt.generated)
    assert not batch.generated[-1].any()


def test_rows_of_their_own_prompts_are_what_each_is_alone(tiny: Tiny) -> None:
    rows = rows_of(tiny)
    prompts, arms = [prompt for prompt, _ in rows], [arm for _, arm in rows]
    known, keys = dictionaries(tiny), list(range(len(rows)))
    together = generate_each(tiny.model, prompts, keys, arms, known, DRAWN)
    for (prompt, arm), key, row in zip(rows, keys, together, strict=True):
        [[alone]] = generate(tiny.model, [prompt], [key], [arm], known, DRAWN)
        assert (arm.arm, row.tokens) == (arm.arm, alone.tokens)
        assert row.realised.edits == alone.realised.edits
        assert row.realised.delta == pytest.approx(alone.realised.delta, rel=1e-4)
        assert row.realised.residual == pytest.approx(alone.realised.residual, rel=1e-4)
    assert len({row.tokens for row in together}) > len(rows) // 3


def test_positions_are_those_of_the_text_and_of_what_comes(tiny: Tiny) -> None:
    """Of the tokens behind the first, what the model has said, and what it has not."""
    counts = {}
    for prompt, arm in rows_of(tiny):
        if arm.arm == "sham0":
            [row] = generate_each(tiny.model, [prompt], [0], [arm], dictionaries(tiny), DRAWN)
            said = sum(prompt.generated)
            counts[arm.positions] = row.realised.edits
            fed = len(row.tokens) - 1
            asked = len(prompt) - 1 - said
            wanted = {
                "prompt": asked,
                "generated": said + fed,
                "all_but_bos": asked + said + fed,
            }
            assert row.realised.edits == wanted[arm.positions]
    assert set(counts) == set(get_args(Positions))
