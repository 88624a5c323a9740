"""Honest cases of the toy whose dictionary is of several blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from typing_extensions import override

from tests.kit.builder import Json, KitCase, build_case
from tests.kit.operation_cases import scaled_plan
from tests.kit.toy_plan import dictionary_files, manifest_of, toy_plan
from tests.kit.toy_world import D_MODEL, PLANTED, WIDTH, ToyWorld


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


def clean_plan() -> Json:
    """The toy plan, traced: errors of two blocks are held under the axis that is scored."""
    plan = blocks_plan()
    plan["axes"][1]["candidate"]["error_policy"] = "clean"
    return plan


@cache
def clean_case() -> KitCase:
    """An honest case that holds the errors of the unedited toy in two blocks."""
    return build_case(clean_plan(), world=BlocksWorld(7))


PARTS = {"early": 1, "late": 3}
"""The dictionaries of the stacked toy, and the block of each."""
_SWAPPED = [PLANTED - 1, WIDTH // 2]
"""The last planted feature is the first of the later dictionary."""


@dataclass(frozen=True)
class StackedWorld(ToyWorld):
    """A toy with a dictionary for each of two blocks, and a planted feature in either."""

    @property
    @override
    def blocks(self) -> int:
        return len(PARTS)

    @property
    @override
    def widths(self) -> tuple[int, ...]:
        return tuple(WIDTH // len(PARTS) for _ in PARTS)

    @cached_property
    @override
    def w_dec(self) -> np.ndarray:
        rows = super().w_dec.copy()
        rows[_SWAPPED] = rows[_SWAPPED[::-1]]
        rows[: WIDTH // 2, D_MODEL // 2 :] = 0.0
        rows[WIDTH // 2 :, : D_MODEL // 2] = 0.0
        return rows

    @cached_property
    @override
    def readings(self) -> list[dict[str, float]]:
        readings = list(super().readings)
        first, second = _SWAPPED
        readings[first], readings[second] = readings[second], readings[first]
        return readings


def stacked_plan() -> Json:
    """The toy plan, traced: two dictionaries as one, whose features are scaled or added."""
    plan = scaled_plan() | {"geometry": {"neighbours": 3}}
    [dictionary] = plan["dictionaries"]
    plan["dictionaries"] = [
        dictionary
        | {"id": name, "layer": layer, "manifest_digest": manifest_of(dictionary_files(name))}
        for name, layer in PARTS.items()
    ]
    plan["stacks"] = [{"id": "both", "parts": list(PARTS)}]
    plan["axes"][1]["candidate"] = toy_plan()["axes"][1]["candidate"]
    for axis in plan["axes"]:
        axis["dictionary"] = "both"
    return plan


@cache
def stacked_case() -> KitCase:
    """An honest case of features of several dictionaries, each of its own block."""
    return build_case(stacked_plan(), world=StackedWorld(7))
