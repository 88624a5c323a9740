"""Honest cases of the toy whose dictionary is of several blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from typing_extensions import override

from tests.kit.builder import Json, KitCase, build_case
from tests.kit.operation_cases import scaled_plan
from tests.kit.toy_world import D_MODEL, WIDTH, ToyWorld


@dataclass(frozen=True)
class BlocksWorld(ToyWorld):
    """A toy whose features read one of two blocks each, and add to that and to later ones."""

    @property
    @override
    def blocks(self) -> int:
        return 2

    @cached_property
    @override
    def w_dec(self) -> np.ndarray:
        rows = super().w_dec.copy()
        rows[WIDTH // 2 :, : D_MODEL // 2] = 0.0
        return rows


def blocks_plan() -> Json:
    """The toy plan, traced: its dictionary is of two blocks, whose features are scaled."""
    plan = scaled_plan()
    plan["dictionaries"][0] |= {"equation": "crosscoder.jumprelu.gs2", "layers": [1, 3]}
    return plan


@cache
def blocks_case() -> KitCase:
    """An honest case of a dictionary of two blocks."""
    return build_case(blocks_plan(), world=BlocksWorld(7))
