"""The sizes of a model, as its configuration states them."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase.methods.sites import Place
from safetycase.record.sites import Architecture


@dataclass(frozen=True)
class ModelShape:
    """What a model's configuration says of its sizes."""

    name: str
    architecture: Architecture
    blocks: int
    width: int
    heads_width: int

    def width_at(self, place: Place) -> int:
        """Width of an activation: that of the stream, but for the heads side by side."""
        return self.heads_width if place.site == "attn_heads" else self.width
