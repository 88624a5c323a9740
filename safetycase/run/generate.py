"""Text under every arm: items by arms in one batch, edited from the first prompt token on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from safetycase.record.plan import Sampling
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt
from safetycase.run.realised import Realised
from safetycase.run.sampling import next_tokens


@dataclass(frozen=True)
class Answer:
    """Generated tokens, the stop token included, and what the hook did meanwhile."""

    tokens: tuple[int, ...]
    stopped: bool
    realised: Realised

    @property
    def said(self) -> tuple[int, ...]:
        """The tokens without the stop token."""
        return self.tokens[:-1] if self.stopped else self.tokens


@dataclass(frozen=True)
class GenerationSettings:
    """How tokens are drawn, and how many at most."""

    sampling: Sampling
    max_new_tokens: int


def generate(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    keys: Sequence[int],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    settings: GenerationSettings,
) -> list[list[Answer]]:
    """Answers by item and arm; `keys` are the noise keys of the items, shared by all arms.

    A row ends at a stop token or at the limit. The last token of a row is never fed back, so
    it is never edited. Once half of the rows have ended, they leave the batch.
    """
    run = ArmRun(model, prompts, arms, dictionaries)
    answers = _drawn(
        model, run, np.repeat(np.array(keys, dtype=np.uint64), len(arms)), settings
    )
    return [answers[i : i + len(arms)] for i in range(0, run.rows, len(arms))]


def generate_each(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    keys: Sequence[int],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    settings: GenerationSettings,
) -> list[Answer]:
    """The same of rows that share no prompt: answer i follows prompt i under arm i."""
    run = ArmRun(model, prompts, arms, dictionaries, each=True)
    return _drawn(model, run, np.array(keys, dtype=np.uint64), settings)


def _drawn(
    model: LoadedModel, run: ArmRun, noise: np.ndarray, settings: GenerationSettings
) -> list[Answer]:
    """An answer to every row of a batch, by its noise key."""
    drawn: list[list[int]] = [[] for _ in range(run.rows)]
    rows = np.arange(run.rows)
    with run.editing():
        logits = run.prefill(use_cache=True)
        for step in range(settings.max_new_tokens):
            tokens = next_tokens(logits, settings.sampling, noise[rows], step)
            unfinished = _note(drawn, rows, tokens, model.stops)
            if not unfinished.any() or step + 1 == settings.max_new_tokens:
                break
            if 2 * unfinished.sum() <= rows.size:
                left = torch.from_numpy(unfinished.nonzero()[0]).to(model.device)
                run.keep(left)
                rows, tokens, unfinished = (
                    rows[unfinished],
                    tokens[left],
                    unfinished[unfinished],
                )
            logits = run.step(tokens, torch.from_numpy(unfinished).to(model.device))
    return [
        Answer(tuple(ids), ids[-1] in model.stops, realised)
        for ids, realised in zip(drawn, run.realised(), strict=True)
    ]


def _note(
    drawn: list[list[int]], rows: np.ndarray, tokens: torch.Tensor, stops: frozenset[int]
) -> np.ndarray:
    """Append new tokens to the rows that have not ended; which of them go on, bool [rows]."""
    unfinished = np.zeros(rows.size, dtype=bool)
    for place, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
        said = drawn[row]
        if said and said[-1] in stops:
            continue
        said.append(token)
        unfinished[place] = token not in stops
    return unfinished


def text_of(model: LoadedModel, answer: Answer) -> str:
    """The answer as text: without the stop token, but with every other special token.

    Where special tokens were left out, two answers of different tokens had one text, and broken
    text looked like a short answer.
    """
    text = model.tokenizer.decode(
        list(answer.said), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    return str(text)
