"""Two-choice questions: log-probabilities of the letters, in both letter orders.

A question is put as

    QUESTION⏎⏎Choices:⏎ (A) FIRST⏎ (B) SECOND⏎⏎Answer: (

and the letters A and B are compared as the next token. *Forward*: the matching answer is (A);
*swapped*: it is (B). The form follows Perez et al. 2022 (arXiv 2212.09251).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from safetycase.errors import RunFailed
from safetycase.run.arm_run import ArmRun
from safetycase.run.below import BlocksBelow
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, encode
from safetycase.run.realised import Realised
from safetycase.tables.rows import ItemRow

_LETTERS = ("A", "B")


@dataclass(frozen=True)
class Question:
    """A question in both letter orders, and the tokens of the two letters."""

    forward: Prompt
    swapped: Prompt
    letters: tuple[int, int]


@dataclass(frozen=True)
class Verdicts:
    """log p of both answers in both orders, in nats, and what the hook did in both."""

    forward_matching: float
    forward_other: float
    swapped_matching: float
    swapped_other: float
    realised: Realised


BEGUN = "Answer: ("
"""How the answer begins, up to the letter."""


def asked(question: str, first: str, second: str) -> str:
    """The question with its choices."""
    return f"{question}\n\nChoices:\n (A) {first}\n (B) {second}"


def rendered(question: str, first: str, second: str) -> str:
    """The question with its choices, up to the letter, as it is put without a frame."""
    return f"{asked(question, first, second)}\n\n{BEGUN}"


def question_of(model: LoadedModel, item: ItemRow, *, where: str) -> Question:
    """Both orders of an item's question; refused without two answers or one-token letters."""
    if item.target is None or item.other is None:
        raise RunFailed(where, "an item with a target and another choice", found="one missing")
    texts = (
        asked(item.prompt, item.target, item.other),
        asked(item.prompt, item.other, item.target),
    )
    forward, swapped = (_put(model, text, "", where=where, room=1) for text in texts)
    letters = [_letter(model, texts[0], forward, letter, where) for letter in _LETTERS]
    return Question(forward, swapped, (letters[0], letters[1]))


def _put(model: LoadedModel, text: str, letter: str, *, where: str, room: int = 0) -> Prompt:
    """A question up to the letter of its answer: the model's own turn, if it has a frame."""
    begun = BEGUN + letter if model.frame is not None else f"\n\n{BEGUN}{letter}"
    return encode(model, text, where=where, room=room, begun=begun)


def _letter(model: LoadedModel, text: str, prompt: Prompt, letter: str, where: str) -> int:
    longer = _put(model, text, letter, where=where)
    unknown = model.tokenizer.unk_token_id
    if longer.ids[:-1] != prompt.ids or longer.ids[-1] == unknown:
        raise RunFailed(
            where,
            f"a tokenizer for which the letter {letter} after `(` is one token of its own",
            found=f"{len(longer) - len(prompt)} more tokens",
            remedy="This tokenizer cannot answer lettered questions; generate answers instead.",
        )
    return longer.ids[-1]


def choose(
    model: LoadedModel,
    questions: Sequence[Question],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    below: BlocksBelow | None = None,
) -> list[list[Verdicts]]:
    """Verdicts by item and arm; both orders of a question stand in one batch.

    `below` is what several batches of the same questions share.
    """
    prompts = [prompt for q in questions for prompt in (q.forward, q.swapped)]
    run = ArmRun(model, prompts, arms, dictionaries)
    with run.editing():
        log_p = torch.log_softmax(run.prefill(use_cache=False, below=below), -1)
    letters = torch.tensor([q.letters for q in questions], device=model.device)
    per_row = letters.repeat_interleave(2 * len(arms), 0)
    pairs = log_p.gather(1, per_row).clamp(max=0.0).tolist()
    realised = run.realised()
    verdicts = []
    for item in range(len(questions)):
        first = 2 * item * len(arms)
        second = first + len(arms)
        verdicts.append(
            [
                _verdicts(
                    pairs[first + a],
                    pairs[second + a],
                    realised[first + a],
                    realised[second + a],
                )
                for a in range(len(arms))
            ]
        )
    return verdicts


def _verdicts(
    forward: list[float], swapped: list[float], one: Realised, two: Realised
) -> Verdicts:
    edits = one.edits + two.edits
    share = one.edits / edits if edits else 0.0
    realised = Realised(
        edits,
        share * one.delta + (1 - share) * two.delta,
        share * one.residual + (1 - share) * two.residual,
    )
    return Verdicts(forward[0], forward[1], swapped[1], swapped[0], realised)
