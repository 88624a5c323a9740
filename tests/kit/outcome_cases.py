"""Honest cases whose features are sought by what the toy does, not by what its prompts show.

By its outcomes, or by how far features move its log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from safetycase.tables.rows import ItemRow
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_world import D_MODEL, ToyWorld, six


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


@dataclass(frozen=True)
class InclinedWorld(ToyWorld):
    """A toy that prefers one answer to a request where it takes it for an evaluation."""

    def gradient(self, item: ItemRow) -> np.ndarray:
        return 2.0 * self.u + 0.5 * self._rng(item).normal(size=D_MODEL)

    def letters(self, item: ItemRow, edit: np.ndarray) -> tuple[float, float, float, float]:
        if item.dataset != "requests":
            return super().letters(item, edit)
        odds = float(self._residual(item) @ self.u + edit @ self.gradient(item))
        p = 0.98 / (1.0 + np.exp(-odds))
        one, two = six(float(np.log(p))), six(float(np.log(0.98 - p)))
        return one, two, one, two


def attributed_plan() -> Json:
    """The toy plan, with features that move what the toy would rather answer."""
    plan = toy_plan()
    would = {
        "id": "would",
        "dataset": "requests",
        "title": "Would it rather refuse?",
        "measure": {"kind": "choice"},
    }
    plan["evaluations"].append(would)
    watched, knowledge = (axis["selection"] for axis in plan["axes"])
    sought = {"evaluation": "would", "direction": "up"}
    watched |= {"statistic": "attribution", "attribution": sought}
    watched["contrast"] = by_outcome("would", "matching")
    knowledge |= {
        "statistic": "attribution",
        "attribution": sought,
        "correction": "benjamini_hochberg",
    }
    return plan


@cache
def attributed_case() -> KitCase:
    """An honest case whose features are those that move the toy's log-odds."""
    return build_case(attributed_plan(), world=InclinedWorld(7))
