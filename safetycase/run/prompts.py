"""Prompts as token ids behind one BOS, and batches of them padded on the left.

Padding is never read or edited: positions are counted from the first token, masks say what is
real. The first token takes up attention that nothing else wants and its activations are like no
other's, so it is neither read nor edited. Where a tokenizer has no BOS (Qwen), that is the
prompt's own first token: none is put in its place, since the model has never seen one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from safetycase.errors import PromptTooLong, RunFailed
from safetycase.run.model import LoadedModel


@dataclass(frozen=True)
class Prompt:
    """A prompt's tokens, BOS first if there is one, and the characters each token covers.

    Of `generated` tokens, none as a rule, the model itself has said each that is true.
    """

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    generated: tuple[bool, ...] = ()

    def __len__(self) -> int:
        """Number of tokens, the first included."""
        return len(self.ids)


def in_tokens(prompt: Prompt) -> str:
    """A prompt as an error names it where nothing else is known of it."""
    return f"a prompt of {len(prompt)} tokens"


@dataclass(frozen=True)
class PaddedBatch:
    """Prompts of several lengths as one rectangle, padded on the left; all [rows, positions].

    `real` is false on padding, `editable` on padding and the first token, from which
    `positions` counts; `generated` is true on tokens that the model has said.
    """

    ids: torch.Tensor
    real: torch.Tensor
    editable: torch.Tensor
    positions: torch.Tensor
    generated: torch.Tensor

    @property
    def last(self) -> torch.Tensor:
        """Index [1] of the last position, whose logits are wanted.

        As an index, not as a count: a slice is not contiguous, and the product with a large
        vocabulary is then an order of magnitude slower.
        """
        return torch.full((1,), self.ids.shape[1] - 1, device=self.ids.device)


def encode(
    model: LoadedModel,
    text: str,
    *,
    where: str,
    room: int = 0,
    literal: bool = False,
    plain: bool = False,
    begun: str = "",
) -> Prompt:
    """The tokens of a prompt, with BOS in front once and no end token behind.

    The model's frame stands around the text unless it is put `plain`; `begun` is how the answer
    begins, behind both. Offsets are those of the text: (0, 0) for tokens outside it. `literal`:
    special tokens that the text spells are read as plain text. Refused if the prompt
    spells a BOS itself, has no token behind the first, or leaves less than `room` positions of
    the model's context.
    """
    whole, moved, part = text, 0, slice(0, len(text))
    if model.frame is not None and not plain:
        whole, moved, part = model.frame.around(text, where=where)
    coded = model.tokenizer(
        whole + begun,
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=literal,
    )
    ids: list[int] = list(coded["input_ids"])
    offsets = [_inside(part, a - moved, b - moved) for a, b in coded["offset_mapping"]]
    if model.bos in ids:
        raise RunFailed(where, "a prompt without BOS, which the runner adds", found="one")
    if model.bos is not None:
        ids, offsets = [model.bos, *ids], [(0, 0), *offsets]
    if len(ids) < 2:  # the first, which is not read, and one more
        least = "one token" if model.bos is not None else "two tokens, without a BOS"
        raise RunFailed(where, f"a prompt of at least {least}", found=repr(text))
    if len(ids) + room > model.context:
        expected = f"at most {model.context} tokens with {room} more to come"
        raise PromptTooLong(
            where, expected, found=str(len(ids)),
            remedy="Leave the item out, or shorten its prompt or the answer's max_new_tokens.",
        )  # fmt: skip
    return Prompt(tuple(ids), tuple(offsets))


def sequences(model: LoadedModel, text: str, *, where: str, length: int) -> list[Prompt]:
    """A text's tokens cut into sequences of so many, BOS in front of each and counted.

    No frame stands around them; the last may be shorter. Refused: a length of less than two or
    beyond the model's context, a text that spells a BOS itself or has nothing that is read.
    """
    if not 2 <= length <= model.context:
        raise RunFailed("context", f"2 to {model.context} tokens", found=str(length))
    coded = model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = list(coded["input_ids"])
    offsets = [(int(a), int(b)) for a, b in coded["offset_mapping"]]
    if model.bos in ids:
        raise RunFailed(where, "a text without BOS, which the runner adds", found="one")
    first = () if model.bos is None else (model.bos,)
    step = length - len(first)
    parts = [
        Prompt(
            (*first, *ids[start : start + step]),
            (*((0, 0) for _ in first), *offsets[start : start + step]),
        )
        for start in range(0, len(ids), step)
    ]
    read = [part for part in parts if len(part) > 1]
    if not read:
        raise RunFailed(where, "a text with tokens that are read", found=repr(text[:40]))
    return read


def _inside(part: slice, start: int, end: int) -> tuple[int, int]:
    """What a token covers of a part of a text; (0, 0) if it lies outside."""
    if end <= part.start or start >= part.stop:
        return (0, 0)
    return (max(part.start, int(start)), min(part.stop, int(end)))


def pad_left(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
    """The prompts as one batch; row i is prompt i."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), longest), model.pad)
    real = torch.zeros((len(prompts), longest), dtype=torch.bool)
    generated = torch.zeros_like(real)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt.ids)
        real[row, longest - len(prompt) :] = True
        if prompt.generated:
            generated[row, longest - len(prompt) :] = torch.tensor(prompt.generated)
    positions = (real.cumsum(1) - 1).clamp(min=0)
    editable = real & (positions > 0)
    parts = (part.to(model.device) for part in (ids, real, editable, positions, generated))
    return PaddedBatch(*parts)
