"""The hooks of a batch of items by arms: another edit in every row, each counted.

Row i·A + a of a batch is item i under arm a. Blocks below the first edit see every item once;
what they give is then spread over the arms. A hook that does not fire is an error, never a
null result. What is needed at a place goes to the device on which that place is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from safetycase.errors import RunFailed
from safetycase.methods.operations import StateEdit
from safetycase.methods.sites import Place, Where, places_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.given import Given
from safetycase.run.model import LoadedModel
from safetycase.run.realised import Account, Realised
from safetycase.run.reconstructions import Batch, Replaced, Which
from safetycase.run.sites import on_read, on_write
from safetycase.run.state_edits import StateRows, rows_of, state_rows

_PER_ROW = ("attention_mask", "position_embeddings", "position_ids")


@dataclass
class _Edits:
    """The edits at one place, and how often its hook was called.

    Vectors [rows, width], the rows whose prompts and those whose generated tokens are edited,
    those of which the account is kept here, replacements, what depends on activations, the rows
    whose edit is added to a replacement (none: no arm's is), and whether no row to be replaced
    is edited below.
    """

    vectors: torch.Tensor
    in_prompt: torch.Tensor
    in_generated: torch.Tensor
    counted: torch.Tensor
    replaced: list[Replaced]
    state: list[StateRows]
    added_to: torch.Tensor | None
    alike: bool
    fired: int = 0

    def on(self, device: torch.device) -> _Edits:
        """The same, on a device: moved there once."""
        if self.vectors.device != device:
            self.vectors = self.vectors.to(device)
            self.in_prompt = self.in_prompt.to(device)
            self.in_generated = self.in_generated.to(device)
            self.counted = self.counted.to(device)
            self.replaced = [part.on(device) for part in self.replaced]
            self.state = [part.on(device) for part in self.state]
            self.added_to = None if self.added_to is None else self.added_to.to(device)
        return self

    @property
    def dictionaries(self) -> Iterator[Dictionary]:
        """All that must be given what they read."""
        yield from (each.dictionary for each in self.replaced)
        yield from (part.dictionary for part in self.state if part.dictionary is not None)


class RowEdits:
    """The hooks of a batch of items by arms, and the account of what they did."""

    def __init__(
        self,
        model: LoadedModel,
        arms: Sequence[ArmEdit],
        items: int,
        dictionaries: Mapping[str, Dictionary],
    ) -> None:
        """Lay out the edits; nothing is hooked before `installed`."""
        self.arms = len(arms)
        self.items = items
        self.rows = items * len(arms)
        self._model = model
        places = sorted(
            {place for arm in arms for place in arm.places(model)},
            key=lambda place: place.order,
        )
        self.first = places[0] if places else None
        self.last = places[-1] if places else None
        self._places = {
            place: _edits_at(model, place, arms, items, dictionaries) for place in places
        }
        self._read: dict[Place, torch.Tensor] = {}
        self._features: dict[tuple[str, str], list[torch.Tensor]] = {}
        nothing = (n for n, arm in enumerate(arms) if arm.does_nothing)
        self._unedited = next(nothing, None)
        self._forwards = 0
        self._spreading = False
        self._kept = torch.arange(self.rows, device=model.device)
        self._editable = torch.zeros((0, 0), dtype=torch.bool)
        self._generated = self._editable
        self._account = Account(self.rows)
        self.watched: list[tuple[torch.Tensor, ...]] | None = None
        """Where somebody put a list: activations before each edit, what is added to, with the
        edit, and rounded."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, every forward pass is edited; afterwards the model is as it was."""
        with ExitStack() as stack:
            for block in self._model.blocks[self._spread_from :]:
                before = block.register_forward_pre_hook(self._spread_inputs, with_kwargs=True)
                stack.callback(before.remove)
            for place in self._reads():
                keep = partial(self._read.__setitem__, place)
                stack.callback(on_read(self._model, place, keep).remove)
            for place in self._places:
                for hook in on_write(self._model, place, partial(self._edit, place)):
                    stack.callback(hook.remove)
            yield
        self._read.clear()

    def _reads(self) -> set[Place]:
        """Where dictionaries read, if not where they write."""
        return {
            read
            for edits in self._places.values()
            for dictionary in edits.dictionaries
            if dictionary.reads != dictionary.writes
            for read in places_of(dictionary.reads)
        }

    @property
    def _spreads_after_block(self) -> bool:
        """Whether the first edit comes when its block is done, and not inside it."""
        return self.first is not None and self.first.site == "resid_post"

    @property
    def _spread_from(self) -> int:
        """The first block that sees one row a pair of item and arm."""
        if self.first is None:
            return len(self._model.blocks)
        return self.first.layer + self._spreads_after_block

    @property
    def untouched(self) -> int:
        """How many of the first blocks do the same under all arms, and are not read inside."""
        if self.first is None or any(p.layer < self._spread_from for p in self._reads()):
            return 0
        return self._spread_from

    @contextmanager
    def forward(
        self, editable: torch.Tensor, generated: torch.Tensor, *, spread: bool
    ) -> Iterator[None]:
        """One forward pass goes in here.

        `editable` [rows, positions] says where edits may apply, `generated`, as many or one of
        either, which positions hold tokens that the model has generated.
        With `spread`, the batch enters with one row an item and leaves with one a pair of item
        and arm. Refused on leaving unless every hook fired exactly once.
        """
        self._editable, self._generated = editable, generated
        self._spreading = spread and self.first is not None
        self._forwards += 1
        yield
        self._account.close(self._kept)
        self._features.clear()
        self._spreading = False
        for place, edits in self._places.items():
            if edits.fired != self._forwards:
                raise RunFailed(
                    f"hook at {place}",
                    f"{self._forwards} calls",
                    found=str(edits.fired),
                    remedy="The model does not run this part as a module; no edit was made.",
                )

    def spread_cache(self, cache: DynamicCache) -> None:
        """Keys and values of the blocks that saw items only are repeated for every arm."""
        if self.first is not None:
            for layer in cache.layers[: self._spread_from]:
                cast("DynamicLayer", layer).batch_repeat_interleave(self.arms)

    def keep(self, rows: torch.Tensor) -> None:
        """From here on the batch holds only these of its present rows."""
        self._kept = self._kept[rows]

    def realised(self) -> list[Realised]:
        """What was done to every row, in the order of the full batch."""
        return self._account.realised()

    def _edit(self, place: Place, h: torch.Tensor) -> torch.Tensor:
        edits = self._places[place].on(h.device)
        edits.fired += 1
        kept, editable, generated = (
            part.to(h.device) for part in (self._kept, self._editable, self._generated)
        )
        if self._spreading and self._spreads_after_block and place == self.first:
            h = h.repeat_interleave(self.arms, 0)
        in_prompt, in_generated = edits.in_prompt[kept], edits.in_generated[kept]
        asked = torch.where(generated, in_generated[:, None], in_prompt[:, None])
        where = editable & asked
        self._read[place] = h
        batch = Batch(self.items, self.arms, self._unedited, kept)
        alike = edits.alike and self._spreading
        make = partial(self._made, place, h)
        start = h.float()
        for rows in edits.replaced:
            start = rows.put(start, batch, where, where & generated, make, alike=alike)
        edited = start + edits.vectors[kept][:, None, :] * where[..., None]
        for part in edits.state:
            chosen = torch.isin(kept, part.rows).nonzero().squeeze(1)
            if part.dictionary is None:
                read = start[chosen]
            else:
                given = self._given(part.dictionary, place, h, chosen)
                read = part.dictionary.chosen_at(given, part.features).float().to(h.device)
            added = part.added(read, kept[chosen])
            edited[chosen] += added * where[chosen][..., None]
        result = edited.to(h.dtype)
        if self.watched is not None:
            self.watched.append((h.float(), start, edited, result.float()))
        counted = where & edits.counted[kept][:, None]
        if edits.added_to is None:
            self._account.note(h, result, counted, start=None)
        else:
            added_to = edits.added_to[kept][:, None, None]
            start = torch.where(added_to, start.to(h.dtype), h)
            self._account.note(h, result, counted, start=start)
        return result

    def _made(
        self, place: Place, h: torch.Tensor, dictionary: Dictionary, which: Which
    ) -> torch.Tensor:
        """What a dictionary makes there in some rows, float32 [n, positions, width]."""
        features = self._features.setdefault((dictionary.id, which.name), [])
        given = self._given(dictionary, place, h, which.rows)
        return dictionary.made_of(given, features).to(h.device)

    def _given(
        self, dictionary: Dictionary, place: Place, h: torch.Tensor, chosen: torch.Tensor
    ) -> Given:
        """What a dictionary has read by then in this pass, of the chosen rows."""
        read = [each for each in places_of(dictionary.reads) if each.order <= place.order]
        return Given(
            self._read,
            read,
            rows=h.shape[0],
            arms=self.arms,
            chosen=chosen,
            device=dictionary.device,
        )

    def _spread_inputs(
        self, block: nn.Module, args: tuple[object, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[object, ...], dict[str, Any]] | None:
        """Spread what blocks are given beside the stream; for the first of them, that too."""
        if not self._spreading:
            return None
        spread = {name: self._spread(kwargs[name]) for name in _PER_ROW if name in kwargs}
        beside = tuple(self._spread(value) for value in args[1:])
        stream = cast("torch.Tensor", args[0])
        if block is self._model.blocks[self._spread_from] and not self._spreads_after_block:
            stream = stream.repeat_interleave(self.arms, 0)
        return (stream, *beside), {**kwargs, **spread}

    def _spread(self, value: object) -> object:
        if isinstance(value, tuple):
            return tuple(self._spread(part) for part in value)
        if isinstance(value, torch.Tensor) and value.shape[0] == self.items > 1:
            return value.repeat_interleave(self.arms, 0)
        return value


def _edits_at(
    model: LoadedModel,
    place: Place,
    arms: Sequence[ArmEdit],
    items: int,
    dictionaries: Mapping[str, Dictionary],
) -> _Edits:
    """Laid out on the processor: the first pass moves them to where they are needed."""
    width = model.shape.width_at(place)
    vectors = torch.zeros((len(arms), width))
    in_prompt = torch.zeros(len(arms), dtype=torch.bool)
    in_generated = torch.zeros_like(in_prompt)
    counted = torch.tensor([arm.is_counted_at(place) for arm in arms])
    replaced: dict[tuple[str, bool], list[int]] = {}
    added_to = [arm.error_policy is not None for arm in arms]
    for number, arm in enumerate(arms):
        if not arm.is_at(place, model):
            continue
        in_prompt[number] = arm.positions != "generated"
        in_generated[number] = arm.positions != "prompt"
        if arm.vector is not None:
            vectors[number] = torch.from_numpy(arm.vector[_share(arm, place, width)])
        if _is_replaced(arm, place, model):
            key = cast("str", arm.dictionary), arm.error_policy == "clean"
            replaced.setdefault(key, []).append(number)
    return _Edits(
        vectors=vectors.repeat(items, 1),
        in_prompt=in_prompt.repeat(items),
        in_generated=in_generated.repeat(items),
        counted=counted.repeat(items),
        replaced=[
            Replaced(dictionaries[name], rows_of(numbers, len(arms), items), clean)
            for (name, clean), numbers in replaced.items()
        ],
        state=state_rows(
            [_state_at(arm, place, model, dictionaries) for arm in arms],
            items,
            dictionaries,
        ),
        added_to=torch.tensor(added_to).repeat(items) if any(added_to) else None,
        alike=all(
            arm.places(model) == [place] for arm in arms if _is_replaced(arm, place, model)
        ),
    )


def _is_replaced(arm: ArmEdit, place: Place, model: LoadedModel) -> bool:
    return arm.replaces and arm.is_at(place, model)


def _share(arm: ArmEdit, place: Place, width: int) -> slice:
    """Which part of what an arm adds, side by side, is a place's."""
    start = width * places_of(cast("Where", arm.place)).index(place)
    return slice(start, start + width)


def _state_at(
    arm: ArmEdit, place: Place, model: LoadedModel, dictionaries: Mapping[str, Dictionary]
) -> tuple[StateEdit, str | None] | None:
    """What an arm does at a place that depends on activations; none if nothing.

    Features that read what is not known by then add nothing there.
    """
    state = arm.state
    if state is None or not arm.is_at(place, model):
        return None
    if not state.features or len(places_of(cast("Where", arm.place))) == 1:
        return state, arm.dictionary
    known = dictionaries[cast("str", arm.dictionary)].known_at(place, state.features)
    part = replace(
        state,
        features=tuple(state.features[number] for number in known),
        rows=state.rows[known, _share(arm, place, model.shape.width_at(place))],
        slope=state.slope[known],
        offset=state.offset[known],
    )
    return (part, arm.dictionary) if known else None
