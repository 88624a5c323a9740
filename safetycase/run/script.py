"""What is put to the model turn by turn: the tokens in front of every answer of a script.

An answer's own tokens are never made anew from its text: what stands around them is encoded
piece by piece, and the conversation is the pieces with the answers between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from safetycase.errors import PromptTooLong, RunFailed
from safetycase.methods.turns import FRAME, TURN, Script, script_of
from safetycase.record.planned_evaluation import Turns
from safetycase.run.chat import Frame, said
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
    if model.frame is not None:
        return _by_chat_template(model.frame, script, where)
    if script.system is not None:
        remedy = "Name the chat_template in the plan, or put the text into the first turn."
        raise RunFailed(where, "no system text without a chat template", remedy=remedy)
    frame = turns.frame or FRAME
    first, *rest = (frame.replace(TURN, turn) for turn in script.turns)
    return [first.lstrip() if frame[:1].isspace() else first, *rest]


def _by_chat_template(frame: Frame, script: Script, where: str) -> list[str]:
    """The same by the tokenizer's own template, behind the script's own system text if any.

    Refused where what it makes of a conversation does not begin with what it makes of the
    conversation's beginning, each answer once and in its place.
    """
    first, *rest = script.turns
    messages = said(frame.system_for(script.system), first)
    before = frame.filled(messages, where=where)
    texts = [before]
    for number, turn in enumerate(rest, start=1):
        answer = _ANSWER.format(number)
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": turn})
        whole = frame.filled(messages, where=where)
        head, found, text = whole.partition(answer)
        # white space in front of an answer is left to the model
        if not found or answer in text or head.rstrip() != before.rstrip():
            raise RunFailed(
                where,
                "a chat template that goes on where it was",
                found=f"one that rewrites what came before turn {number + 1}",
                remedy="Leave the chat template out of the plan.",
            )
        texts.append(text)
        before = whole
    return texts
