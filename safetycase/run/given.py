"""What a dictionary has read by the time that a place is edited, row by row as it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from typing_extensions import override

from safetycase.methods.sites import Place


class Given(Mapping[Place, torch.Tensor]):
    """Activations of some rows of a pass, float32 [chosen, positions, width], by place.

    Nothing is copied of a place that is not looked up. Blocks below the first edit see one row
    an item; those are repeated for every arm. What is looked up is on the device given.
    """

    def __init__(
        self,
        read: Mapping[Place, torch.Tensor],
        places: Sequence[Place],
        *,
        rows: int,
        arms: int,
        chosen: torch.Tensor,
        device: torch.device,
    ) -> None:
        """Of the passes' activations `read`, those of `places`; `chosen` of so many rows."""
        self._read, self._places = read, places
        self._rows, self._arms, self._chosen = rows, arms, chosen
        self._device = device

    @override
    def __getitem__(self, place: Place) -> torch.Tensor:
        if place not in self._places:
            raise KeyError(place)
        whole = self._read[place]
        if whole.shape[0] != self._rows:
            whole = whole.repeat_interleave(self._arms, 0)
        return whole[self._chosen.to(whole.device)].float().to(self._device)

    @override
    def __iter__(self) -> Iterator[Place]:
        return iter(self._places)

    @override
    def __len__(self) -> int:
        return len(self._places)
