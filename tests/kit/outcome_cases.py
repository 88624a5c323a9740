"""Honest cases whose features are sought by what the toy does, not by what its prompts show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from safetycase.tables.rows import ItemRow
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_world import ToyWorld


def by_outcome(evaluation: str, *outcomes: str) -> Json:
    """The contrast of prompts that are answered so with the others."""
    measure = {"evaluation": evaluation, "outcomes": list(outcomes)}
    return {"dataset": "requests", "label": "outcome", "measure": measure}


def outcome_plan() -> Json:
    """The toy plan with classes that are outcomes: of sampled texts, of a probe."""
    plan = toy_plan()
    plan["sampling"] = {"temperature": 0.8, "top_k": 40}
    plan["evaluations"][0]["measure"] |= {"samples": 3}
    plan["exclusions"] = {"causes": ["out_of_memory_after_retries"], "at_most": 0.1}
    plan["controls"] |= {"shuffled_labels": 19}
    watched, knowledge = plan["axes"]
    watched["selection"]["contrast"] = by_outcome("ask", "refusal")
    watched["baselines"] = {"difference_in_means": True}
    knowledge["selection"]["contrast"] = by_outcome("awareness", "above")
    return plan


@dataclass(frozen=True)
class WaveringWorld(ToyWorld):
    """A toy whose answers are partly luck, and which gives none at all to some requests."""

    def luck(self, item: ItemRow, sample: int) -> np.ndarray:
        draw = np.random.default_rng([self.seed, 9, int(item.item[1:]), sample])
        return 0.9 * draw.normal() * self.u

    def missing(self, evaluation: str, _arm: str, item: str) -> str | None:
        if evaluation == "ask" and int(item[1:]) % 41 == 6:
            return "out_of_memory_after_retries"
        return None


@cache
def outcome_case() -> KitCase:
    """An honest case whose features are those of what the unedited toy does."""
    return build_case(outcome_plan(), world=WaveringWorld(7), requests_count=200)


@dataclass(frozen=True)
class FrankWorld(ToyWorld):
    """A toy that never refuses: there is one outcome, and nothing to tell apart."""

    def outcome(self, item: ItemRow, _residual: np.ndarray, _edit: np.ndarray) -> str:
        return "safe" if item.kind == "benign" else "unsafe"


@cache
def one_outcome_case() -> KitCase:
    """An honest case in which all discovery items of an axis have the same outcome."""
    plan = toy_plan()
    plan["axes"][0]["selection"]["contrast"] = by_outcome("ask", "refusal")
    return build_case(plan, world=FrankWorld(7))
