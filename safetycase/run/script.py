"""What is put to the model turn by turn: the tokens in front of every answer of a script.

An answer's own tokens are never made anew from its text: what stands around them is encoded
piece by piece, and the conversation is the pieces with the answers between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from jinja2 import TemplateError

from safetycase.errors import PromptTooLong, RunFailed
from safetycase.methods.turns import FRAME, TURN, Script, script_of
from safetycase.record.planned_evaluation import Turns
from safetycase.run.model import LoadedModel

_ANSWER = "\ue000ANSWER{}\ue001"
"""Stands for an answer while a chat template is filled in; characters that no text has."""


@dataclass(frozen=True)
class Pieces:
    """The tokens in front of every answer, one piece a turn; a BOS begins the first."""

    ids: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        """Number of tokens without any answer, the first included."""
        return sum(map(len, self.ids))


@dataclass(frozen=True)
class Room:
    """What answers need of the context: the most tokens of one, and whether of all turns."""

    tokens: int
    every_turn: bool


def pieces_of(
    model: LoadedModel, prompt: str, turns: Turns, room: Room, *, where: str, prefix: str = ""
) -> Pieces:
    """The pieces of the script that a prompt spells, with a text in front of the first turn.

    Refused: a prompt that spells no script, a system text without a chat template, a turn that
    spells BOS, a script that leaves less room in the model's context than its answers need.
    """
    script = script_of(prompt)
    if script is None:
        raise RunFailed(where, "a script of turns", found=repr(prompt[:60]))
    texts = _texts(model, script.after(prefix), turns, where)
    coded = [
        tuple(cast("list[int]", model.tokenizer(text, add_special_tokens=False)["input_ids"]))
        for text in texts
    ]
    if any(model.bos in ids for ids in coded):
        raise RunFailed(where, "turns without BOS, which the runner adds", found="one")
    first = coded[0] if model.bos is None else (model.bos, *coded[0])
    if not all(coded) or len(first) < 2:  # the first token of all is not read
        raise RunFailed(where, "turns of a token or more", found="none, or but the first")
    pieces = Pieces((first, *coded[1:]))
    needed = room.tokens * (len(coded) if room.every_turn else 1)
    if len(pieces) + needed > model.context:
        raise PromptTooLong(
            where,
            f"at most {model.context} tokens with {needed} more to come",
            found=f"{len(pieces)} of its turns alone",
            remedy="Leave the script out, shorten its turns or the answers' max_new_tokens"
            + ("." if not room.every_turn else ", or permit transcript_longer_than_context."),
        )
    return pieces


def _texts(model: LoadedModel, script: Script, turns: Turns, where: str) -> list[str]:
    """What stands in front of every answer."""
    if turns.template == "chat":
        return _by_chat_template(model, script, where)
    if script.system is not None:
        remedy = "Take the chat template, or put the text into the first turn."
        raise RunFailed(where, "no system text without a chat template", remedy=remedy)
    frame = turns.frame or FRAME
    first, *rest = (frame.replace(TURN, turn) for turn in script.turns)
    return [first.lstrip() if frame[:1].isspace() else first, *rest]


def _by_chat_template(model: LoadedModel, script: Script, where: str) -> list[str]:
    """The same by the tokenizer's own template, without the BOS that it may spell in front.

    Refused where what it makes of a conversation does not begin with what it makes of the
    conversation's beginning, each answer once and in its place.
    """
    if not model.tokenizer.chat_template:
        remedy = "Take the template text, or a model with a chat template."
        raise RunFailed(where, "a tokenizer with a chat template", found="none", remedy=remedy)
    first, *rest = script.turns
    said = [] if script.system is None else [{"role": "system", "content": script.system}]
    said.append({"role": "user", "content": first})
    before = _filled(model, said, where)
    texts = [before.removeprefix(str(model.tokenizer.bos_token or ""))]
    for number, turn in enumerate(rest, start=1):
        answer = _ANSWER.format(number)
        said.append({"role": "assistant", "content": answer})
        said.append({"role": "user", "content": turn})
        filled = _filled(model, said, where)
        head, found, text = filled.partition(answer)
        # white space in front of an answer is left to the model
        if not found or answer in text or head.rstrip() != before.rstrip():
            raise RunFailed(
                where,
                "a chat template that goes on where it was",
                found=f"one that rewrites what came before turn {number + 1}",
                remedy="Take the template text.",
            )
        texts.append(text)
        before = filled
    return texts


def _filled(model: LoadedModel, messages: list[dict[str, str]], where: str) -> str:
    try:
        return str(
            model.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )
    except (TemplateError, ValueError, TypeError) as error:
        raise RunFailed(where, "turns that the chat template takes", found=str(error)) from None
