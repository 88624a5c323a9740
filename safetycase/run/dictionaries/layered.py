"""A dictionary of several blocks: each feature reads one, and adds to that and to later ones.

What is read of the blocks, lowest first, lies side by side in x [..., blocks · depth], and what
is made of it in y; features are numbered source by source. With x_s and f_s the parts of source
s, b_dec_t and M_t of block t:

    f_s = activation(x_s·W_enc,s + b_enc,s)
    y_t = b_dec_t + Σ_{s ≤ t} f_s·W_dec,s→t + x_t·M_t

b_dec is added once to a block, however many sources write there. Nothing that is made of a
block needs what is read of a later one, so that a model can be edited in a single pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from typing_extensions import override

from safetycase.methods.sites import Place, places_of
from safetycase.run.dictionaries import activations
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.numbers import Numbers
from safetycase.run.dictionaries.specification import Source, Specification

_All = slice(None)


class _Loaded:
    """A source on the device: small parts at once, matrices when they are multiplied by."""

    def __init__(self, source: Source, device: torch.device) -> None:
        self.source = source
        self._device = device
        self.b_enc, self.b_dec = self._load(source.b_enc), self._load(source.b_dec)
        threshold = source.threshold
        self.threshold = None if threshold is None else self._load(threshold)
        self._decoders: dict[int, torch.Tensor] = {}

    def preactivations(self, x: torch.Tensor) -> torch.Tensor:
        """Of all features, of what is read of its block."""
        return x.float() @ self._encoder + self.b_enc

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of all features."""
        return self._activated(self.preactivations(x), _All)

    def encode_chosen(self, x: torch.Tensor, features: list[int]) -> torch.Tensor:
        """Activations of some features; the others' weights are not read."""
        h = x.float() @ self._columns(features) + self.b_enc[features]
        return self._activated(h, features)

    def adds(self, f: torch.Tensor, later: int) -> torch.Tensor:
        """What features add to the block that comes `later` places after their own."""
        if later not in self._decoders:
            self._decoders[later] = self._load(self.source.decoder[later])
        return f @ self._decoders[later]

    def skipped(self, x: torch.Tensor) -> torch.Tensor | float:
        """What the linear map of its block makes; nothing without one."""
        return 0.0 if self._skip is None else x.float() @ self._skip

    def _activated(self, h: torch.Tensor, chosen: slice | list[int]) -> torch.Tensor:
        if self.threshold is None:
            return activations.relu(h)
        return activations.jump_relu(h, self.threshold[chosen])

    def _columns(self, features: list[int]) -> torch.Tensor:
        if "_encoder" in self.__dict__:
            return self._encoder[:, features]
        columns = self.source.encoder.columns(features)
        return torch.from_numpy(np.ascontiguousarray(columns)).to(self._device)

    @cached_property
    def _encoder(self) -> torch.Tensor:
        return self._load(self.source.encoder)

    @cached_property
    def _skip(self) -> torch.Tensor | None:
        return None if self.source.skip is None else self._load(self.source.skip)

    def _load(self, numbers: Numbers) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers.whole())).to(self._device)


class LayeredDictionary(Dictionary):
    """Features of one site of several blocks, and what they write there or at the MLPs.

    Activations x are [..., blocks · depth], features [..., width], float32 on the device.
    """

    def __init__(self, name: str, specification: Specification, device: torch.device) -> None:
        """Read the small parts; the matrices stay where they are."""
        super().__init__(name, specification, device)
        self._sources = [_Loaded(source, device) for source in specification.sources]
        self._each = specification.width // len(self._sources)
        self._depth = specification.depth // len(self._sources)

    @override
    def preactivations(self, x: torch.Tensor) -> torch.Tensor:
        pairs = zip(self._sources, self._split(x), strict=True)
        return torch.cat([source.preactivations(part) for source, part in pairs], -1)

    @override
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        pairs = zip(self._sources, self._split(x), strict=True)
        return torch.cat([source.encode(part) for source, part in pairs], -1)

    @override
    def encode_chosen(self, x: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        return self._chosen(dict(enumerate(self._split(x))), features)

    @override
    def chosen_at(
        self, given: Mapping[Place, torch.Tensor], features: Sequence[int]
    ) -> torch.Tensor:
        places = places_of(self.reads)
        needed = {int(feature) // self._each for feature in features}
        return self._chosen({block: given[places[block]] for block in needed}, features)

    @override
    def known_at(self, place: Place, features: Sequence[int]) -> list[int]:
        orders = [read.order for read in places_of(self.reads)]
        return [
            number
            for number, feature in enumerate(features)
            if orders[feature // self._each] <= place.order
        ]

    @override
    def decode(self, f: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        features, parts = torch.split(f, self._each, -1), self._split(x)
        blocks = range(len(self._sources))
        return torch.cat([self._made(b, features, parts[b]) for b in blocks], -1)

    @override
    def made_of(
        self, given: Mapping[Place, torch.Tensor], features: list[torch.Tensor]
    ) -> torch.Tensor:
        places, last = places_of(self.reads), len(given) - 1
        new = range(len(features), last)
        features.extend(self._sources[number].encode(given[places[number]]) for number in new)
        x = given[places[last]]
        features.append(self._sources[last].encode(x))
        return self._made(last, features, x)

    @override
    def decoder_rows(self, features: Sequence[int]) -> np.ndarray:
        rows = np.zeros((len(features), len(self._sources), self._depth), dtype=np.float32)
        for block, (chosen, numbers) in self._by_source(features).items():
            decoders = self.specification.sources[block].decoder
            for later, decoder in enumerate(decoders, block):
                rows[numbers, later] = decoder.rows(chosen)
        return rows.reshape(len(features), self.model_width)

    @override
    def slices(self, features: Sequence[int]) -> dict[str, np.ndarray]:
        count = len(features)
        rows = np.zeros((count, len(self._sources), self._depth), dtype=np.float32)
        parts = {"bias": np.zeros(count), "threshold": np.zeros(count)}
        for block, (chosen, numbers) in self._by_source(features).items():
            source = self._sources[block]
            rows[numbers, block] = source.source.encoder.columns(chosen).T
            parts["bias"][numbers] = source.b_enc[chosen].cpu().numpy()
            if source.threshold is not None:
                parts["threshold"][numbers] = source.threshold[chosen].cpu().numpy()
        parts |= {"scale": np.ones(count), "shift": np.zeros(self.model_width)}
        found: dict[str, np.ndarray] = {
            part: values.astype(np.float32) for part, values in parts.items()
        }
        whole: dict[str, np.ndarray] = {
            "w_enc": rows.reshape(count, self.model_width),
            "normalisation": np.zeros(1, dtype=np.int64),
        }
        return found | whole

    @override
    def transposed_skip(self) -> Dictionary:
        sources = tuple(
            replace(source, skip=None if source.skip is None else source.skip.turned())
            for source in self.specification.sources
        )
        return LayeredDictionary(
            self.id, replace(self.specification, sources=sources), self._device
        )

    def _made(
        self, block: int, features: Sequence[torch.Tensor], x: torch.Tensor
    ) -> torch.Tensor:
        """What the features of this block and of earlier ones make of it, and its own terms."""
        own = self._sources[block]
        made = own.b_dec + own.skipped(x)
        for number in range(block + 1):
            made = made + self._sources[number].adds(features[number], block - number)
        return made

    def _chosen(
        self, parts: Mapping[int, torch.Tensor], features: Sequence[int]
    ) -> torch.Tensor:
        """Activations [..., features], of what is read of the blocks as far as it is known."""
        some = next(iter(parts.values()))
        result = torch.zeros((*some.shape[:-1], len(features)), device=some.device)
        for block, (chosen, numbers) in self._by_source(features).items():
            result[..., numbers] = self._sources[block].encode_chosen(parts[block], chosen)
        return result

    def _by_source(self, features: Sequence[int]) -> dict[int, tuple[list[int], list[int]]]:
        """By source: its features as it numbers them, and their places in the list."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for number, feature in enumerate(features):
            block, own = divmod(int(feature), self._each)
            chosen, numbers = found.setdefault(block, ([], []))
            chosen.append(own)
            numbers.append(number)
        return found

    def _split(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(x, self._depth, -1)


def load(name: str, specification: Specification, device: torch.device) -> Dictionary:
    """The dictionary of a specification, of one block or of several."""
    made = LayeredDictionary if specification.sources else Dictionary
    return made(name, specification, device)
