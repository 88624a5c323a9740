"""The sizes of a model, as its configuration states them."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase.methods.sites import Where, places_of
from safetycase.record.sites import Architecture


@dataclass(frozen=True)
class ModelShape:
    """What a model's configuration says of its sizes."""

    name: str
    architecture: Architecture
    blocks: int
    width: int
    heads_width: int

    def width_at(self, where: Where) -> int:
        """Width of an activation: that of the stream, but for the heads side by side.

        Of several blocks: that of all together.
        """
        width = self.heads_width if where.site == "attn_heads" else self.width
        return width * len(places_of(where))
