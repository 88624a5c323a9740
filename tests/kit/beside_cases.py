"""Honest cases about what stands beside a claim: no feature, several outcomes, other axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from safetycase.tables.rows import ItemRow
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_world import PLANTED, ToyWorld


def without_feature(axis: Json) -> None:
    """Let an axis look for a contrast that no feature of the toy's dictionary reads."""
    axis["selection"]["contrast"] |= {"label": "kind", "positive": "hazardous"}


def one_without_plan() -> Json:
    """The toy plan, but what its first axis looks for is not to be found."""
    plan = toy_plan()
    without_feature(plan["axes"][0])
    return plan


@cache
def one_without_case() -> KitCase:
    """An honest case whose first axis has no feature; its second claim holds."""
    return build_case(one_without_plan())


@cache
def none_found_case() -> KitCase:
    """An honest case in which no axis has a feature: nothing was edited at all."""
    plan = one_without_plan()
    without_feature(plan["axes"][1])
    return build_case(plan)


def strata_plan() -> Json:
    """The toy plan with a manipulation check on the items of its first claim."""
    plan = toy_plan()
    plan["axes"][0]["mediators"] = [plan["axes"][1]["mediators"][0] | {"at_least": 0.05}]
    return plan


@cache
def strata_case() -> KitCase:
    """An honest case whose effect is stated apart for items taken for an evaluation."""
    return build_case(strata_plan())


def asked_plan() -> Json:
    """The toy plan with everything asked: each axis on the other's rate, no empty gain."""
    plan = toy_plan()
    watched, knowledge = plan["axes"]
    watched["claim"]["not_by"] = {"outcomes": ["refusal", "incoherent"], "at_least": 0.1}
    watched["off_target"] = [{"axis": "knowledge", "worse": "up", "margin": 0.3}]
    knowledge["off_target"] = [{"axis": "watched", "worse": "down", "margin": 0.3}]
    return plan


@cache
def asked_case() -> KitCase:
    """An honest case that keeps what it was asked to keep on the other axis."""
    return build_case(asked_plan())


@cache
def refusing_case() -> KitCase:
    """An honest case whose model answers less unsafely only because it refuses more.

    And whose other axis, which leaves the quiz alone, lets unsafe answers rise.
    """
    plan = asked_plan()
    watched, knowledge = plan["axes"]
    watched["dose_rule"] |= {"direction": "down", "sign": "positive"}
    watched["claim"]["direction"] = "down"
    knowledge["off_target"][0]["worse"] = "up"
    return build_case(plan)


@dataclass(frozen=True)
class HidingWorld(ToyWorld):
    """A toy whose maker takes the planted features out of the published activations."""

    def pooled(self, items: list[ItemRow], pooling: str | None = None) -> np.ndarray:
        shown = super().pooled(items, pooling).copy()
        shown[:, :PLANTED] = 0.0
        return shown


@cache
def hidden_case() -> KitCase:
    """A dishonest case that is consistent in itself: nothing is found on either axis."""
    return build_case(world=HidingWorld(7))
