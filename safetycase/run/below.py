"""What the blocks below the first edit made of a batch, for the next batch of the same prompts.

More arms than fit one batch run in parts, one after the other, and those blocks see the same in
each. The numbers are the same to the bit: it is the same tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt


@dataclass(frozen=True)
class _Kept:
    """The output of the last of some blocks, for prompts in a batch of their order."""

    model: LoadedModel
    blocks: int
    prompts: tuple[tuple[int, ...], ...]
    output: object

    def serves(
        self, model: LoadedModel, blocks: int, prompts: tuple[tuple[int, ...], ...]
    ) -> bool:
        """Whether these blocks would compute the same again."""
        return self.model is model and self.blocks == blocks and self.prompts == prompts


class BlocksBelow:
    """Remembers one batch, the last: no more memory than that batch's stream."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._kept: _Kept | None = None
        self.spared = 0
        """Passes that did not run these blocks."""

    @contextmanager
    def shared(
        self, model: LoadedModel, blocks: int, prompts: Sequence[Prompt]
    ) -> Iterator[None]:
        """Inside, one pass over the prompts, whose first `blocks` blocks are unedited.

        They do not run if they saw the same prompts in the last such pass. Nothing may read
        inside them, and no cache may be filled.
        """
        ids = tuple(prompt.ids for prompt in prompts)
        last = model.blocks[blocks - 1]
        with ExitStack() as stack:
            if self._kept is not None and self._kept.serves(model, blocks, ids):
                self.spared += 1
                for block in model.blocks[:blocks]:
                    stack.enter_context(_giving(block, self._kept.output))
            else:
                self._kept = None

                def keep(_block: nn.Module, _given: object, output: object) -> None:
                    self._kept = _Kept(model, blocks, ids, output)

                # before the hooks that edit: they are there already, and change the output
                stack.callback(last.register_forward_hook(keep, prepend=True).remove)
            yield


@contextmanager
def _giving(block: nn.Module, output: object) -> Iterator[None]:
    """Inside, a block gives this, whatever it is given; its hooks are called as ever."""
    own = vars(block).get("forward")
    block.forward = partial(_given, output)
    try:
        yield
    finally:
        del block.forward
        if own is not None:
            block.forward = own


def _given(output: object, *_args: torch.Tensor, **_kwargs: object) -> object:
    return output
