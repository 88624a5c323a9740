from __future__ import annotations

from typing import Any

import pytest

from safetycase.report.policy_faults import policy_faults
from safetycase.resources import resource_path
from safetycase.verify.checks import all_checks
from safetycase.verify.policy import load_policy
from tests.kit.builder import AT, keys, policy
from tests.kit.trial import honest_verdict

INTACT = sorted(
    name
    for name, check in all_checks().items()
    if check.tier == "intact" or (check.tier == "asserted" and not check.asks_policy)
)


@pytest.mark.parametrize("name", ["baseline", "strict"])
def test_shipped_policies_have_no_fault(name: str) -> None:
    assert policy_faults(load_policy(resource_path("policies", f"{name}.yaml")), at=AT) == []


def test_what_no_case_can_pass_is_what_the_honest_case_does_not() -> None:
    unanswerable = {name for name, check in all_checks().items() if not check.answerable}
    assert "ORD-001" in unanswerable
    assert {honest_verdict().outcomes()[name].value for name in unanswerable} == {"UNKNOWN"}


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
         ["/claims/a/required_checks: no case of this version can pass ORD-001"]),
        ({"minimum_tier": "sound"}, ["/minimum_tier: no case of this version can reach sound"]),
        ({"claims": {"a": {"minimum_tier": "sound"}}},
         ["/claims/a/minimum_tier: no case of this version can reach sound"]),
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
