"""Dictionaries of several blocks as one: features part after part, activations side by side.

A part reads its own block and adds to it alone, by its own equation and with its own biases and
norms. The matrices are the parts': a stack holds nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from typing_extensions import override

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place, Span, places_of
from safetycase.methods.stacks import part_numbers
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.specification import Specification


class StackedDictionary(Dictionary):
    """Several dictionaries, each of one block and the lowest block's first.

    Activations x are [..., blocks · depth], features [..., sum of widths], float32 on the
    device. Refused: parts that normalise what they read in different ways.
    """

    def __init__(self, name: str, parts: Sequence[Dictionary]) -> None:
        """Of dictionaries that are loaded; nothing is read anew."""
        super().__init__(name, _as_one(name, parts), parts[0].device)
        self._parts = tuple(parts)
        self._places = places_of(self.reads)
        self._starts = np.cumsum([0, *(part.width for part in parts)])

    @property
    @override
    def widths(self) -> tuple[int, ...]:
        return tuple(part.width for part in self._parts)

    @override
    def preactivations(self, x: torch.Tensor) -> torch.Tensor:
        pairs = zip(self._parts, self._split(x), strict=True)
        return torch.cat([part.preactivations(own) for part, own in pairs], -1)

    @override
    def encode(self, x: torch.Tensor) -> torch.Tensor:
        pairs = zip(self._parts, self._split(x), strict=True)
        return torch.cat([part.encode(own) for part, own in pairs], -1)

    @override
    def encode_chosen(self, x: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        return self._chosen(dict(zip(self._places, self._split(x), strict=True)), features)

    @override
    def decode(self, f: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        made = zip(
            self._parts, torch.split(f, list(self.widths), -1), self._split(x), strict=True
        )
        return torch.cat([part.decode(own, read) for part, own, read in made], -1)

    @override
    def made_of(
        self, given: Mapping[Place, torch.Tensor], features: list[torch.Tensor]
    ) -> torch.Tensor:
        last = len(given) - 1
        return self._parts[last].reconstruct(given[self._places[last]])

    @override
    def chosen_at(
        self, given: Mapping[Place, torch.Tensor], features: Sequence[int]
    ) -> torch.Tensor:
        return self._chosen(given, features)

    @override
    def known_at(self, place: Place, features: Sequence[int]) -> list[int]:
        numbers = enumerate(part_numbers(features, self.widths))
        return [number for number, part in numbers if self._places[part] == place]

    @override
    def decoder_rows(self, features: Sequence[int]) -> np.ndarray:
        depth = self._parts[0].model_width
        rows = np.zeros((len(features), len(self._parts), depth), dtype=np.float32)
        for part, (own, numbers) in self._by_part(features).items():
            rows[numbers, part] = self._parts[part].decoder_rows(own)
        return rows.reshape(len(features), self.model_width)

    @override
    def slices(self, features: Sequence[int]) -> dict[str, np.ndarray]:
        by_part = self._by_part(features)
        found = [
            part.slices(by_part[number][0] if number in by_part else [])
            for number, part in enumerate(self._parts)
        ]
        depth = self._parts[0].model_width
        rows = np.zeros((len(features), len(self._parts), depth), dtype=np.float32)
        whole = {
            "normalisation": found[0]["normalisation"],
            "shift": np.concatenate([slices["shift"] for slices in found]),
        }
        each = {
            name: np.zeros(len(features), dtype=np.float32)
            for name in found[0].keys() - whole.keys() - {"w_enc"}
        }
        for part, (_, numbers) in by_part.items():
            rows[numbers, part] = found[part]["w_enc"]
            for name, values in each.items():
                values[numbers] = found[part][name]
        return {"w_enc": rows.reshape(len(features), self.model_width), **whole, **each}

    def _chosen(
        self, read: Mapping[Place, torch.Tensor], features: Sequence[int]
    ) -> torch.Tensor:
        """Activations [..., features] of what is read at their own places; no other is."""
        found = [
            (numbers, self._parts[part].encode_chosen(read[self._places[part]], own))
            for part, (own, numbers) in self._by_part(features).items()
        ]
        some = found[0][1] if found else read[self._places[0]]
        result = some.new_zeros((*some.shape[:-1], len(features)))
        for numbers, values in found:
            result[..., numbers] = values
        return result

    def _by_part(self, features: Sequence[int]) -> dict[int, tuple[list[int], list[int]]]:
        """By part: its features as it numbers them, and their places in the list."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for number, part in enumerate(part_numbers(features, self.widths)):
            own, numbers = found.setdefault(part, ([], []))
            own.append(int(features[number] - self._starts[part]))
            numbers.append(number)
        return found

    def _split(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(x, x.shape[-1] // len(self._parts), -1)


def _as_one(name: str, parts: Sequence[Dictionary]) -> Specification:
    """What is said of the parts together; what computes is said by each."""
    every = [part.specification for part in parts]
    norms = {(each.form.normalisation, each.form.undone) for each in every}
    if len(norms) > 1:
        found = ", ".join(each.form.normalisation for each in every)
        raise RunFailed(
            f"stack {name}",
            "parts that normalise what they read in one way",
            found=found,
            remedy="Take an axis for each.",
        )
    places = [place for part in parts for place in places_of(part.reads)]
    return Specification(
        equation=every[0].equation,
        made_for=every[0].made_for,
        reads=Span(tuple(place.layer for place in places), places[0].site),
        declared_l0=sum(each.declared_l0 for each in every),
        width=sum(each.width for each in every),
        depth=sum(each.depth for each in every),
        form=replace(every[0].form, rescaled=False),
        tensors={},
    )
