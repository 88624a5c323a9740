"""Small cases for vectors on the order of plan and draws, and what takes the proof away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.record.randomness import Randomness
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.cases import small_plan
from tests.kit.toy_order import (
    PROOF,
    PUBLIC,
    RECEIPT,
    ROUND,
    STAMP,
    awaiting_plan,
    log_proof,
    nonce_of,
    receipt,
    round_of,
    stamp,
    witnessed_plan,
)
from tests.kit.tried_cases import gold_rows


@dataclass(frozen=True)
class Told:
    """A case, whose doing it is, what was done, and what would follow."""

    case: KitCase
    character: str
    what: str
    effect: str
    failing: frozenset[str] = frozenset()


def _plan(waiting: Json) -> Json:
    """The smallest plan whose claims can be sound, waiting for what this plan waits for."""
    plan = small_plan()
    plan["evaluations"][0]["measure"] |= {
        "gold": gold_rows(),
        "labels": {"path": "labels.jsonl", "per_arm": 10, "raters": 2},
    }
    return plan | {"randomness": waiting["randomness"]}


def _built(plan: Json, value: Randomness) -> KitCase:
    return build_case(plan, value=value, requests_count=60, quiz_count=50)


@cache
def _witnessed() -> KitCase:
    plan = _plan(witnessed_plan())
    case = _built(plan, nonce_of(canonical.write(plan)))
    return case.with_members({RECEIPT: receipt(case.members[layout.PLAN_NAME])})


@cache
def _awaited(number: int = ROUND) -> KitCase:
    case = _built(_plan(awaiting_plan()), round_of(number=number))
    plan = case.members[layout.PLAN_NAME]
    return case.with_members({STAMP: stamp(plan), PROOF: log_proof(plan)})


def told() -> dict[str, Told]:
    """All of them, by the names of their vectors."""
    accepted = "Nothing: it must be accepted, and its claims are sound."
    witnessed, awaited = _witnessed(), _awaited()
    late = stamp(awaited.members[layout.PLAN_NAME], PUBLIC + timedelta(minutes=1))
    other = canonical.write(_plan(witnessed_plan()) | {"title": "Another plan"})
    return {
        "honest-with-a-witnessed-plan": Told(
            witnessed, "honest", "A witness had the plan and gave the nonce.", accepted
        ),
        "honest-before-a-round": Told(
            awaited, "honest", "The plan was stamped and logged before its round.", accepted
        ),
        "outsider-receipt-of-another-plan": Told(
            witnessed.with_members({RECEIPT: receipt(other)}),
            "outsider",
            "The witness's receipt of another plan is attached.",
            "One plan that was seen in time lends its date to all others.",
            frozenset({"ORD-005"}),
        ),
        "outsider-stamp-after-the-round": Told(
            awaited.with_members({STAMP: late, PROOF: None}),
            "outsider",
            "The one stamp is from after the round. It is undecided.",
            "The plan can be written once the value is known.",
        ),
        "insider-another-round": Told(
            _awaited(ROUND - 1),
            "insider",
            "Everything is drawn by the round before the one that the plan waits for.",
            "Of all rounds so far, that is taken whose draws please.",
            frozenset({"ORD-001"}),
        ),
    }
