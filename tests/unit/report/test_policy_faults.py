from __future__ import annotations

from typing import Any

import pytest

from safetycase.report.policy_faults import policy_faults
from safetycase.resources import resource_path
from safetycase.verify.checks import all_checks
from safetycase.verify.policy import load_policy
from tests.kit.builder import AT, REVIEWER, keys, policy
from tests.kit.toy_order import trusting

INTACT = sorted(
    name
    for name, check in all_checks().items()
    if check.tier == "intact" or (check.tier == "asserted" and not check.asks_policy)
)


@pytest.mark.parametrize("name", ["baseline", "strict"])
def test_shipped_policies_have_no_fault(name: str) -> None:
    assert policy_faults(load_policy(resource_path("policies", f"{name}.yaml")), at=AT) == []


def test_whoever_names_third_parties_may_ask_for_their_word() -> None:
    assert policy_faults(trusting(), at=AT) == []
    assert policy_faults(trusting(minimum_tier="reproduced"), at=AT) == []
    clockless = trusting(
        authorities=None, transparency=None, signers=[_entry(), _entry_of(REVIEWER)]
    )
    [fault] = policy_faults(clockless, at=AT)
    assert fault.startswith("/minimum_tier: sound rests on ORD-001")


def _entry_of(name: str) -> dict[str, Any]:
    return keys(name).signer.to_json()


def _entry(**changes: Any) -> dict[str, Any]:
    return keys().signer.to_json() | changes


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, []),
        ({"required_checks": [*INTACT, "CLM-007"], "minimum_tier": "intact"}, []),
        ({"claims": {"a": {"minimum_tier": "recomputed", "required_checks": ["DES-006"]}}}, []),
        ({"required_checks": [*INTACT, "NIL-001"], "minimum_tier": "intact",
          "must_hold": "none"},
         ["/required_checks: no check is called NIL-001"]),
        ({"claims": {"a": {"required_checks": ["NIL-001"]}}},
         ["/claims/a/required_checks: no check is called NIL-001"]),
        ({"claims": {"a": {"required_checks": ["ORD-001"]}}},
         ["/claims/a/required_checks: ORD-001 counts the word of somebody else"]),
        ({"minimum_tier": "sound"}, ["/minimum_tier: sound rests on ORD-001"]),
        ({"claims": {"a": {"minimum_tier": "reproduced"}}},
         ["/claims/a/minimum_tier: reproduced rests on ORD-001",
          "/claims/a/minimum_tier: reproduced rests on ORD-003"]),
        ({"required_checks": INTACT, "must_hold": "none"},
         ["/required_checks: the tier recomputed rests on "]),
        ({"required_checks": INTACT, "minimum_tier": "intact", "must_hold": ["a"]},
         ["/required_checks: claims must hold, but CLM-007"]),
        ({"required_checks": INTACT, "minimum_tier": "intact", "must_hold": "none",
          "claims": {"a": {"must_hold": True}}},
         ["/required_checks: claims must hold, but CLM-007"]),
        ({"required_checks": [n for n in INTACT if n != "SIG-001"], "minimum_tier": "intact",
          "must_hold": "none"},
         ["/required_checks: signers are named, but SIG-001"]),
        ({"signers": [_entry(not_after=AT)]},
         ["/signers/0: kit counts only before", "/signatures/0: 1 signers"]),
        ({"signers": [_entry(not_before="2030-01-01T00:00:00Z")]},
         ["/signatures/0: 1 signers"]),
        ({"signatures": [{"role": "developer", "threshold": 1}] * 2},
         ["/signatures: the role developer stands 2 times"]),
    ],
)  # fmt: skip
def test_demands_that_cannot_be_met_are_told(changes: dict[str, Any], where: list[str]) -> None:
    faults = policy_faults(policy(**changes), at=AT)
    assert len(faults) == len(where), faults
    for fault, place in zip(faults, where, strict=True):
        assert fault.startswith(place), fault
