"""One batch of items by arms through the model: prompts once, then token by token.

Knows batches, masks and the cache; what is edited is told by `edit`, what is done with the
logits by the ways of measuring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

import torch
from transformers import DynamicCache

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place, Where, places_of
from safetycase.run.below import BlocksBelow
from safetycase.run.cache import new_cache
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import PaddedBatch, Prompt, pad_left
from safetycase.run.realised import Realised
from safetycase.run.row_edits import RowEdits
from safetycase.run.sites import on_read


class _Reached(Exception):  # a signal, not an error
    """What was to be read has been computed; the rest of the pass is not needed."""


class ArmRun:
    """Rows are items by arms, item by item; all arms of an item share its lower blocks.

    With `each`, row i is prompt i under arm i, and nothing is shared.
    """

    def __init__(
        self,
        model: LoadedModel,
        prompts: Sequence[Prompt],
        arms: Sequence[ArmEdit],
        dictionaries: Mapping[str, Dictionary],
        *,
        each: bool = False,
    ) -> None:
        """Pad the prompts and lay out the edits."""
        self._model, self._prompts = model, prompts
        self._batch = pad_left(prompts, model)
        self._edits = RowEdits(model, arms, 1 if each else len(prompts), dictionaries)
        self._cache = new_cache(model.network.config)
        self._spreads = not each
        self._real = self._per_row(self._batch.real)
        self._next = self._per_row(self._batch.positions[:, -1:]) + 1
        self.rows = self._edits.rows

    @contextmanager
    def editing(self) -> Iterator[None]:
        """Inside, the model is edited."""
        with self._edits.installed():
            yield

    def _per_row(self, values: torch.Tensor) -> torch.Tensor:
        """What the batch holds [prompts, …], one row a pair of prompt and arm."""
        return values.repeat_interleave(self._edits.arms, 0) if self._spreads else values

    def prefill(self, *, use_cache: bool, below: BlocksBelow | None = None) -> torch.Tensor:
        """Logits [rows, vocabulary] of the token after each prompt.

        `below`: what it keeps of the same prompts is not computed again; without a cache alone.
        """
        batch, edits = self._batch, self._edits
        blocks = 0 if use_cache or below is None else edits.untouched
        sharing = (
            below.shared(self._model, blocks, self._prompts)
            if below is not None and blocks
            else nullcontext()
        )
        with self._forward(), sharing:
            logits = _logits(self._model, batch, self._cache if use_cache else None)
        if use_cache and self._spreads:
            edits.spread_cache(self._cache)
        return _spread_unedited(logits, edits)

    def _forward(self) -> AbstractContextManager[None]:
        """A pass over the prompts goes in here."""
        editable, generated = map(self._per_row, (self._batch.editable, self._batch.generated))
        return self._edits.forward(editable, generated, spread=self._spreads)

    def watched_prefill(self) -> list[torch.Tensor]:
        """One pass over the prompts, and what the edit does in it, float32.

        Activations [rows, positions, width] before, what is added to, with the edit, and with
        it in the model's own number format; of an edit of several blocks, side by side.
        """
        seen: list[tuple[torch.Tensor, ...]] = []
        self._edits.watched = seen
        self.prefill(use_cache=False)
        if not seen:
            raise RunFailed("traced pass", "an arm that edits", found="none")
        return [torch.cat(parts, -1) for parts in zip(*seen, strict=True)]

    def step(self, tokens: torch.Tensor, unfinished: torch.Tensor) -> torch.Tensor:
        """Logits [rows, vocabulary] after one more token; only `unfinished` rows are edited."""
        self._real = torch.cat([self._real, torch.ones_like(self._real[:, :1])], 1)
        generated = torch.ones((1, 1), dtype=torch.bool, device=self.device)
        with self._edits.forward(unfinished[:, None], generated, spread=False):
            output = self._model.network(
                input_ids=tokens[:, None],
                attention_mask=self._real,
                position_ids=self._next,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._next = self._next + 1
        return _last(output.logits)

    def keep(self, rows: torch.Tensor) -> None:
        """From here on the batch holds only these of its present rows."""
        self._edits.keep(rows)
        self._real, self._next = self._real[rows], self._next[rows]
        self._cache.batch_select_indices(rows)

    def last_residuals(self, layer: int) -> torch.Tensor:
        """Residuals [rows, d_model] after a block at the last token of each prompt, float32.

        The pass stops there, unless an edit comes later.
        """
        edits = self._edits
        place = Place(layer, "resid_post")
        stop = edits.last is None or place.order >= edits.last.order
        with reading(self._model, [place], stop=stop) as caught, self._forward():
            run_until_read(self._model, self._batch)
        return _spread_unedited(caught[place][:, -1].float(), edits)

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """What a pass has left [rows or items, …], one row a pair of item and arm."""
        return _spread_unedited(values, self._edits)

    @property
    def device(self) -> torch.device:
        """Where the batch is."""
        return self._batch.ids.device

    def realised(self) -> list[Realised]:
        """What was done to every row."""
        return self._edits.realised()


def _spread_unedited(values: torch.Tensor, edits: RowEdits) -> torch.Tensor:
    """One row a pair of item and arm, also where the pass had one an item."""
    if values.shape[0] == edits.rows:
        return values
    return values.repeat_interleave(edits.arms, 0)


def _logits(model: LoadedModel, batch: PaddedBatch, cache: DynamicCache | None) -> torch.Tensor:
    output = model.network(
        input_ids=batch.ids,
        attention_mask=batch.real,
        position_ids=batch.positions,
        past_key_values=cache,
        use_cache=cache is not None,
        logits_to_keep=batch.last,
    )
    return _last(output.logits)


def _last(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, -1].float()


def side_by_side(caught: Mapping[Place, torch.Tensor], where: Where) -> torch.Tensor:
    """What passes left of a place, or of several blocks', float32 [rows, positions, width]."""
    return torch.cat([caught[place] for place in places_of(where)], -1).float()


@contextmanager
def reading(
    model: LoadedModel, places: Sequence[Place], *, stop: bool
) -> Iterator[dict[Place, torch.Tensor]]:
    """Inside, each pass leaves its activations at these places; it may end after the last."""
    caught: dict[Place, torch.Tensor] = {}
    last = max(places, key=lambda place: place.order)

    def keep(place: Place, value: torch.Tensor) -> None:
        caught[place] = value.to(model.device)
        if stop and place == last:
            raise _Reached

    with ExitStack() as stack:
        for place in set(places):
            stack.callback(on_read(model, place, partial(keep, place)).remove)
        yield caught


def run_until_read(model: LoadedModel, batch: PaddedBatch) -> None:
    """A forward pass for its hooks alone; it may end early by `reading(stop=True)`."""
    try:
        model.network(
            input_ids=batch.ids,
            attention_mask=batch.real,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=batch.last,
        )
    except _Reached:
        return
