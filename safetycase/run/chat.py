"""Prompts as turns of a conversation, spelled by the tokenizer's own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast as FastTokenizer

from safetycase.digest import sha256_hex
from safetycase.errors import RunFailed
from safetycase.record.plan import ChatTemplate
from safetycase.run.model import LoadedModel

_PROMPT = "\ue000PROMPT\ue001"
"""Stands for a prompt while a template is filled in; characters that no text has."""
_CLOCK = "strftime_now"
_NO_CLOCK = f"{{% set {_CLOCK} = none +%}}"
"""In front of a template: whoever asks the clock is told nothing, and fails."""
_REMEDY = "Leave chat_template out of the plan, or take a model that was trained on one."


@dataclass(frozen=True)
class Frame:
    """What a chat template puts around a user's only turn, without BOS."""

    tokenizer: FastTokenizer
    chat: ChatTemplate
    before: str
    after: str
    trims: bool
    """Whether white space around the turn is dropped."""
    leads: bool = False
    """Whether the system text stands in front of an item's own, as an arm's does; else an
    item's own takes its place."""

    def system_for(self, own: str | None) -> str | None:
        """The system text in front of an item that may have one of its own."""
        if own is None:
            return self.chat.system
        return f"{self.chat.system}\n\n{own}" if self.leads else own

    def around(self, text: str, *, where: str) -> tuple[str, int, slice]:
        """The whole that is put to the model, how far the text is moved, what of it is there.

        Refused: a text of which the template makes something else than of any other text.
        """
        turn = text.strip() if self.trims else text
        whole = f"{self.before}{turn}{self.after}"
        if self.filled(said(self.chat.system, text), where=where) != whole:
            expected = "a prompt that the chat template puts in as it is"
            raise RunFailed(where, expected, found=repr(text[:60]))
        dropped = len(text) - len(text.lstrip()) if self.trims else 0
        return whole, len(self.before) - dropped, slice(dropped, dropped + len(turn))

    def filled(self, messages: Sequence[dict[str, str]], *, where: str) -> str:
        """What the template makes of a conversation up to the answer, without BOS."""
        return _filled(self.tokenizer, self.chat, messages, where)


def said(system: str | None, text: str) -> list[dict[str, str]]:
    """A conversation of one turn, behind a system text if there is one."""
    first = [] if system is None else [{"role": "system", "content": system}]
    return [*first, {"role": "user", "content": text}]


def _filled(
    tokenizer: FastTokenizer, chat: ChatTemplate, messages: Sequence[dict[str, str]], where: str
) -> str:
    given: dict[str, Any] = {"enable_thinking": chat.thinking, "date_string": chat.date}
    try:
        whole = tokenizer.apply_chat_template(
            list(messages),
            chat_template=f"{_NO_CLOCK}{tokenizer.chat_template}",
            tokenize=False,
            add_generation_prompt=True,
            **{name: value for name, value in given.items() if value is not None},
        )
    except (TemplateError, ValueError, TypeError) as error:
        if isinstance(error, TypeError) and _CLOCK in str(tokenizer.chat_template):
            raise RunFailed(
                where,
                "a template that says the same on every day",
                found=f"one that asks the clock ({_CLOCK})",
                remedy="State chat_template/date, if the template takes a date_string.",
            ) from None
        expected = "messages that the chat template takes"
        raise RunFailed(where, expected, found=str(error), remedy=_REMEDY) from None
    return str(whole).removeprefix(str(tokenizer.bos_token or ""))


def _digest_of(tokenizer: FastTokenizer, *, where: str) -> str:
    """SHA-256 of the text of a tokenizer's chat template; refused if it has not exactly one."""
    template = tokenizer.chat_template
    if not isinstance(template, str):
        found = "several" if template else "none"
        raise RunFailed(
            where, "a tokenizer with one chat template", found=found, remedy=_REMEDY
        )
    return sha256_hex(template.encode())


def with_frame(model: LoadedModel, chat: ChatTemplate | None) -> LoadedModel:
    """The model as the plan puts prompts to it; refused if it has another template."""
    if chat is None:
        return model
    where = "chat_template"
    digest = _digest_of(model.tokenizer, where=where)
    if digest != chat.sha256:
        raise RunFailed(where, f"the template of digest {chat.sha256}", found=digest)
    return replace(model, frame=_frame(model.tokenizer, chat, where))


def with_system(model: LoadedModel, text: str, *, where: str) -> LoadedModel:
    """The model behind another system message than the plan's.

    Refused: a model without a chat template, a template with no place for the message.
    """
    if model.frame is None:
        raise RunFailed(
            where,
            "a plan with a chat_template, which a system message needs",
            remedy="Name the chat_template in the plan, or ask for a prefix.",
        )
    chat = model.frame.chat.model_copy(update={"system": text})
    frame = replace(_frame(model.tokenizer, chat, where), leads=True)
    return replace(model, frame=frame)


def _frame(tokenizer: FastTokenizer, chat: ChatTemplate, where: str) -> Frame:
    def put(text: str) -> str:
        return _filled(tokenizer, chat, said(chat.system, text), where)

    before, found, after = put(_PROMPT).partition(_PROMPT)
    if not found or _PROMPT in after:
        raise RunFailed(where, "a template that spells a turn once", found="another")
    if chat.system is not None and chat.system.strip() not in before + after:
        raise RunFailed(
            where,
            "a template that says the system message",
            found="one that leaves it out",
            remedy="Leave the system message out, or take a model that was trained on one.",
        )
    spaced = f"\t{_PROMPT}\t"
    return Frame(tokenizer, chat, before, after, trims=spaced not in put(spaced))
