"""Row sets in which nothing, or nothing special, happens, put through the real decision.

Every set is a table of answers drawn from a stated truth; rates, paired tests, control tests,
correction and conditions are those of `safetycase.methods`, which runner and verifier call.
`python -m tests.kit.null_rows` prints how often a claim comes out, truth by truth.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from safetycase import canonical
from safetycase.methods import derive
from safetycase.methods import format as spell
from safetycase.methods.claims import Findings
from safetycase.methods.design import DISCORDANCE, Sample, design_figures
from safetycase.methods.grid import BASELINE, held_out_arms
from safetycase.methods.measure import comparisons, control_tests, rates
from safetycase.methods.paired import minimum_detectable_difference
from safetycase.record.identification import Identification
from safetycase.record.plan import Plan
from safetycase.record.results import Claim
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ChoiceRow, ItemRow
from tests.kit.builder import Json
from tests.kit.cases import small_case
from tests.kit.toy_plan import toy_plan

SETS = 2000
ALPHA = 0.05
LIMIT = 0.065
"""5 % and three standard errors of 2,000 sets."""

Draw = Callable[[np.random.Generator, str, np.ndarray], np.ndarray]
"""From an arm and the baseline's outcomes (True: counts) to the arm's outcomes."""


@dataclass(frozen=True)
class Truth:
    """What is true of the model in all row sets of a simulation."""

    name: str
    says: str
    draw: Draw
    claims: int = 1
    items: int = 60
    base: float = 0.3


def _moved(rng: np.random.Generator, before: np.ndarray, up: float, down: float) -> np.ndarray:
    """Outcomes after each item has changed with these chances, in either direction."""
    chance = rng.uniform(size=before.size)
    return np.where(before, chance >= down, chance < up)


def _noise(rng: np.random.Generator, _arm: str, before: np.ndarray) -> np.ndarray:
    return _moved(rng, before, 0.08, 0.19)


def _perturbed(*families: str) -> Draw:
    """Target and these families of controls raise the rate alike; all other arms do nothing."""

    def draw(rng: np.random.Generator, arm: str, before: np.ndarray) -> np.ndarray:
        role = arm.split("/")[1]
        if role == "target" or role in families:
            return _moved(rng, before, 0.5, 0.05)
        return before.copy()

    return draw


NULLS = (
    Truth(
        "noise",
        "No edit does anything: every arm changes a few items at random.",
        _noise,
    ),
    Truth(
        "any edit does it",
        "Every edit of that size raises the rate, the target's features no more than others.",
        _perturbed("random_live", "random_direction"),
    ),
    Truth(
        "any feature does it",
        "Every live feature raises the rate, the selected ones no more than others; random "
        "directions, the opposite sign and the best of the random sets do nothing. The least "
        "favourable truth: one family of controls decides alone.",
        _perturbed("random_live"),
    ),
    Truth(
        "any feature does it, two claims",
        "The same on two axes; counted is a set in which any claim comes out.",
        _perturbed("random_live"),
        claims=2,
    ),
)


@cache
def plan_of(claims: int, kind: str = "effect", margin: float = 0.01) -> Plan:
    """A plan of so many claims on two-choice questions, with the controls that alpha needs."""
    plan = toy_plan()
    plan["controls"] |= {
        "random_live_features": 20 * claims - 1,
        "random_directions": 20 * claims - 1,
    }
    wrong = {"evaluation": "quiz", "outcomes": ["other", "tie"]}
    axis = plan["axes"][0] | {"purpose": "diagnostic", "side_effects": []}
    axis["dose_rule"] = axis["dose_rule"] | {"measure": wrong}
    axis["claim"] = axis["claim"] | {"measure": wrong, "kind": kind, "margin": margin}
    plan["axes"] = [axis | {"id": f"axis_{number}"} for number in range(claims)]
    plan["decision"]["rules"] = []
    return Plan.model_validate_json(canonical.write(plan))


@cache
def _identification() -> Identification:
    found: Json = small_case().record["results"]["axes"][0]["identification"]
    return Identification.model_validate_json(canonical.write(found))


@cache
def _rows(arm: str, items: int) -> Answers:
    """Rows of an arm: all items with the outcome that does not count, then with the other."""
    account = (0, 0.0, 0.0) if arm == BASELINE else (5, 1.0, 8.0)
    letters = (-0.2, -2.0, -0.2, -2.0)
    return Answers.of(
        [
            ChoiceRow("quiz", arm, f"q{n:04d}", *letters, *account, outcome)
            for outcome in ("matching", "other")
            for n in range(items)
        ]
    )


@cache
def _items(items: int) -> Items:
    return Items(
        [
            ItemRow("quiz_items", f"q{n:04d}", f"c{n}", "quiz", None, "held_out", "a", "b", "?")
            for n in range(items)
        ]
    )


def claims_of(plan: Plan, outcomes: Mapping[str, np.ndarray]) -> list[Claim]:
    """The claims that the real decision makes of these outcomes, by arm."""
    items = outcomes[BASELINE].size
    places = np.arange(items)
    answers = {
        ("quiz", arm): _rows(arm, items).take(places + items * counts)
        for arm, counts in outcomes.items()
    }
    evidence = Evidence(_items(items), answers, (), (), {})
    findings = [
        Findings(
            axis=axis,
            identification=_identification(),
            rates=rates(plan, axis, evidence),
            comparisons=comparisons(plan, axis, evidence),
            controls=control_tests(plan, axis, evidence),
            shipped=False,
        )
        for axis in plan.axes
    ]
    return derive.claims(plan, findings)


def row_sets(truth: Truth, plan: Plan, sets: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Outcomes of all arms, set by set."""
    arms = [arm for axis in plan.axes for arm in held_out_arms(plan, axis)]
    for number in range(sets):
        rng = np.random.default_rng([seed, number])
        before = rng.uniform(size=truth.items) < truth.base
        outcomes = {BASELINE: before}
        for arm in arms:
            quiet = arm.endswith("/sham")
            outcomes[arm] = before.copy() if quiet else truth.draw(rng, arm, before)
        yield outcomes


def share_with_a_claim(truth: Truth, sets: int = SETS, seed: int = 4) -> float:
    """In how many row sets of a truth any claim comes out."""
    plan = plan_of(truth.claims)
    held = sum(
        any(claim.holds for claim in claims_of(plan, outcomes))
        for outcomes in row_sets(truth, plan, sets, seed)
    )
    return held / sets


def power_at(items: int, sets: int, seed: int = 5) -> tuple[float, float, float]:
    """The detectable difference that the lint states, its power, and the share found.

    Controls do nothing; the target changes a fifth of the items, as the lint assumes.
    """
    plan = plan_of(1)
    wanted = plan.statistics.power
    difference = 1 / items + minimum_detectable_difference(
        items, DISCORDANCE, alpha=plan.statistics.alpha, power=wanted
    )
    stated = spell.points(difference).lstrip("+")
    assert any(
        stated in each.says
        for each in design_figures(plan, {"quiz_items": Sample.independent(items)})
    )
    up, down = (DISCORDANCE + difference) / 2, (DISCORDANCE - difference) / 2
    base = 0.5

    def draw(rng: np.random.Generator, arm: str, before: np.ndarray) -> np.ndarray:
        if arm.endswith("/target"):
            return _moved(rng, before, up / (1.0 - base), down / base)
        return before

    truth = Truth("effect", "", draw, items=items, base=base)
    found = 0
    for outcomes in row_sets(truth, plan, sets, seed):
        (claim,) = claims_of(plan, outcomes)
        found += next(c.holds for c in claim.conditions if c.id == "significant")
    return difference, wanted, found / sets


def share_bounded_at_the_margin(items: int, margin: float, sets: int, seed: int = 6) -> float:
    """How often a claim of no harmful change is bounded where the harm is the margin."""
    plan = plan_of(1, "no_harmful_change", margin)
    base = 0.3

    def draw(rng: np.random.Generator, arm: str, before: np.ndarray) -> np.ndarray:
        if arm.endswith("/target"):
            return _moved(rng, before, (margin + 0.05) / (1.0 - base), 0.05 / base)
        return before

    truth = Truth("harm", "", draw, items=items, base=base)
    bounded = 0
    for outcomes in row_sets(truth, plan, sets, seed):
        (claim,) = claims_of(plan, outcomes)
        bounded += next(c.holds for c in claim.conditions if c.id == "bounded")
    return bounded / sets


def main(arguments: list[str]) -> int:
    """Print every simulation's share, with so many sets (2,000)."""
    sets = int(arguments[0]) if arguments else SETS
    for truth in NULLS:
        share = share_with_a_claim(truth, sets)
        sys.stdout.write(f"{truth.name}: {truth.items} items, {sets} sets, {share:.2%}\n")
        sys.stdout.flush()
    for items in (100, 200, 400, 800):
        difference, wanted, found = power_at(items, sets)
        sys.stdout.write(
            f"power: {items} items, difference {difference:.4f}, stated {wanted:.0%}, "
            f"found {found:.1%}\n"
        )
        sys.stdout.flush()
    for items in (100, 200, 400):
        share = share_bounded_at_the_margin(items, 0.1, sets)
        sys.stdout.write(f"harm at the margin 0.1: {items} items, bounded {share:.2%}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
