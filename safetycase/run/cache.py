"""Keys and values of past positions, in buffers with room for those to come.

The layers of transformers' DynamicCache copy all of them at every step, to append one position.
Here a step writes its own position behind the others, and attention is given a view. Shapes and
masks are those of transformers' layers.
"""

from __future__ import annotations

import torch
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from typing_extensions import override

ROOM = 64
"""Positions that a new buffer has room for, beside those that it is made for."""


def new_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model; layers of a kind not known here stay transformers' own."""
    cache = DynamicCache(config=config)
    for number, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            cache.layers[number] = RoomyLayer()
        elif type(layer) is DynamicSlidingWindowLayer:
            cache.layers[number] = RoomySlidingLayer(layer.sliding_window)
    return cache


class Buffer:
    """Holds a tensor [rows, heads, positions, width] that grows by positions at its end."""

    def __init__(self) -> None:
        """No memory before something is appended."""
        self._whole = torch.empty(0)

    def appended(self, held: torch.Tensor | None, new: torch.Tensor) -> torch.Tensor:
        """What is held, and behind it what is new, as a view.

        `held` is nothing, or the end of what this gave last: then only the new positions are
        written while there is room. Or it lies elsewhere, and is copied.
        """
        if held is None or not held.numel():
            held = new[..., :0, :]
        before, more = held.shape[-2], new.shape[-2]
        start = self._start_of(held)
        if start is None or start + before + more > self._whole.shape[-2]:
            shape = (*new.shape[:-2], before + more + ROOM, new.shape[-1])
            self._whole, start = new.new_empty(shape), 0
            self._whole[..., :before, :] = held
        self._whole[..., start + before : start + before + more, :] = new
        return self._whole[..., start : start + before + more, :]

    def _start_of(self, held: torch.Tensor) -> int | None:
        """The position at which a view of this buffer begins; none if it is no such view."""
        if held.untyped_storage().data_ptr() != self._whole.untyped_storage().data_ptr():
            return None
        return held.storage_offset() // held.shape[-1]


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer whose attention reaches all positions."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._key_buffer, self._value_buffer = Buffer(), Buffer()

    @override
    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *_args: object,
        **_kwargs: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values [rows, heads, positions, width], these at the end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = self._key_buffer.appended(self.keys, key_states)
        self.values = self._value_buffer.appended(self.values, value_states)
        return self.keys, self.values

    @override
    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """These rows alone, named on whatever device."""
        if self.keys is not None:
            super().batch_select_indices(indices.to(self.keys.device))


class RoomySlidingLayer(DynamicSlidingWindowLayer):  # type: ignore[no-untyped-call]
    """A layer whose attention reaches the last positions, as many as its window."""

    def __init__(self, sliding_window: int) -> None:
        """Empty."""
        super().__init__(sliding_window)
        self._key_buffer, self._value_buffer = Buffer(), Buffer()

    @override
    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *_args: object,
        **_kwargs: object,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values that these positions reach; those that the next one does are kept."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.cumulative_length += key_states.shape[-2]
        keys = self._key_buffer.appended(self.keys, key_states)
        values = self._value_buffer.appended(self.values, value_states)
        self.keys = keys[..., -self.sliding_window + 1 :, :]
        self.values = values[..., -self.sliding_window + 1 :, :]
        return keys, values

    @override
    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """These rows alone, named on whatever device."""
        if self.keys is not None:
            super().batch_select_indices(indices.to(self.keys.device))
