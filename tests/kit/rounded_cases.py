"""Honest cases of a toy in bfloat16: activations are rounded, no two batches give the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from typing_extensions import override

from safetycase.methods.dropped_error import in_format
from safetycase.methods.encode import recomputed
from safetycase.methods.label import words
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.operation_cases import dropped_plan, scaled_plan
from tests.kit.toy_edits import EQUATION
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_traces import slices, vector
from tests.kit.toy_world import ToyWorld, six


@dataclass(frozen=True)
class RoundedWorld(ToyWorld):
    """A toy whose activations are bfloat16, and whose figures change with the batch."""

    @override
    def held(self, residuals: np.ndarray) -> np.ndarray:
        return in_format(residuals, "bfloat16")

    @override
    def on_words(self, feature: int, prompt: str) -> list[float]:
        said = np.array([vector(self, word.text) for word in words(prompt)], dtype=np.float32)
        fires = recomputed(EQUATION, slices(self, [feature]).__getitem__, said).exact
        return [six(float(value)) for value in fires[:, 0]]

    @override
    def again(self, edit: np.ndarray) -> float:
        return 1.0 + 0.008 * (1e3 * float(np.abs(edit).sum()) % 2.0 - 1.0)


def rounded(plan: Json) -> Json:
    """A plan whose model is run in bfloat16."""
    plan["model"] |= {"dtype": "bfloat16"}
    return plan


def rounded_plan() -> Json:
    """The toy plan in bfloat16, traced: both axes add."""
    return rounded(toy_plan() | {"audit": {"rows": 12, "positions": 3}})


@cache
def rounded_case() -> KitCase:
    """An honest case in bfloat16 whose edits are added."""
    return build_case(rounded_plan(), world=RoundedWorld(7))


@cache
def rounded_scaled_case() -> KitCase:
    """An honest case in bfloat16 of scaled and of clamped features."""
    return build_case(rounded(scaled_plan()), world=RoundedWorld(7))


@cache
def rounded_made_case() -> KitCase:
    """An honest case in bfloat16 whose edits are made on what the dictionary makes."""
    return build_case(rounded(dropped_plan()), world=RoundedWorld(7))


def faint_plan() -> Json:
    """The toy plan in bfloat16, whose second axis adds hardly more than rounding takes."""
    plan = rounded_plan()
    plan["axes"][1]["candidate"]["doses"] = [-0.005, -0.0025, 0.0, 0.0025, 0.005]
    return plan


@cache
def rounded_faint_case() -> KitCase:
    """An honest case in bfloat16 whose null claim fails: its doses move nothing."""
    return build_case(faint_plan(), world=RoundedWorld(7))
