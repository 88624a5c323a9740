from __future__ import annotations

import hashlib
from typing import Any

import pytest

from safetycase.envelope.dsse import read_envelope
from safetycase.errors import UsageError
from safetycase.methods.governance import declared
from safetycase.methods.wording import observed, weakened
from safetycase.verify.case import OpenedCase
from safetycase.verify.checks import all_checks
from safetycase.verify.engine import verify
from safetycase.verify.judgement import (
    WHAT_CANNOT_BE_KNOWN,
    claim_tier,
    exit_code,
    open_defeaters,
    required_checks,
)
from safetycase.verify.outcome import CheckResult, ClaimVerdict, Finding, Outcome, Verdict
from tests.kit.builder import AT, KitCase, edit_record, honest_case, policy, resign
from tests.kit.cases import stricter_case


def _results(
    changes: dict[str, tuple[Outcome, str | None]] | None = None, asked: Any = None
) -> list[CheckResult]:
    """A result for every check, PASS but for the changes (outcome and axis)."""
    required = required_checks(policy(claims=asked or {}))
    results = []
    for name, check in all_checks().items():
        outcome, axis = (changes or {}).get(name, (Outcome.PASS, None))
        finding = Finding(name, outcome, "w", "e", "f", "s", axis)
        results.append(
            CheckResult(
                name,
                check.title,
                check.stage,
                check.tier,
                outcome,
                required=name in required,
                findings=(finding,),
            )
        )
    return results


F, U, N, E = Outcome.FAIL, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE, Outcome.ERROR


@pytest.mark.parametrize(
    ("changes", "tier", "lowered_by"),
    [
        ({}, "reproduced", ()),
        ({"ORD-003": (U, None)}, "sound", ("ORD-003",)),
        ({"ORD-001": (U, None)}, "recomputed", ("ORD-001",)),
        ({"STA-001": (F, None)}, "intact", ("STA-001",)),
        ({"STA-001": (U, "a")}, "intact", ("STA-001",)),
        ({"STA-001": (F, "b")}, "reproduced", ()),
        ({"INT-001": (U, None)}, "asserted", ("INT-001",)),
        ({"STA-001": (F, None), "ORD-001": (U, None)}, "intact", ("STA-001",)),
        ({"SIG-001": (U, None)}, "reproduced", ()),
        ({"SIG-001": (F, None)}, "asserted", ("SIG-001",)),
        ({"SIG-002": (N, None)}, "reproduced", ()),
        ({"IVN-007": (N, None)}, "reproduced", ()),
        ({"STA-001": (N, None)}, "intact", ("STA-001",)),
        ({"CLM-007": (F, None)}, "reproduced", ()),
        ({"REN-001": (F, None)}, "reproduced", ()),
        ({"DES-001": (E, None)}, "intact", ("DES-001",)),
    ],
)
def test_the_tier_is_the_minimum(
    changes: dict[str, tuple[Outcome, str | None]], tier: str, lowered_by: tuple[str, ...]
) -> None:
    assert claim_tier(_results(changes), "a") == (tier, lowered_by)


def test_whatever_did_not_pass_is_an_open_defeater_lowest_tier_first() -> None:
    changes = {
        "ORD-003": (U, None),
        "STA-001": (F, "a"),
        "STA-002": (F, "b"),
        "ORD-001": (U, None),
    }
    doubts = open_defeaters(_results(changes), "a")
    assert [(doubt.check, doubt.outcome, doubt.tier) for doubt in doubts] == [
        ("STA-001", F, "recomputed"),
        ("ORD-001", U, "sound"),
        ("ORD-003", U, "reproduced"),
    ]
    assert {doubt.sentence for doubt in doubts} == {"s"}


@pytest.mark.parametrize("name", ["CLM-007", "REN-001", "SIG-001"])
def test_what_no_claim_rests_on_defeats_none(name: str) -> None:
    outcome = U if name == "SIG-001" else F
    assert open_defeaters(_results({name: (outcome, None)}), "a") == ()


def _code(changes: Any, tier: str = "recomputed", **policy_changes: Any) -> int:
    claims = [ClaimVerdict("a", tier, True, "w", ())]
    return exit_code(policy(**policy_changes), _results(changes), claims)[0]


@pytest.mark.parametrize(
    ("changes", "tier", "code"),
    [
        ({}, "recomputed", 0),
        ({"STA-001": (F, None)}, "intact", 1),
        ({"STA-001": (F, None), "DES-001": (E, None)}, "intact", 1),
        ({"DES-001": (E, None)}, "intact", 4),
        ({"DES-001": (E, None), "STA-002": (U, None)}, "intact", 4),
        ({"STA-001": (U, None)}, "intact", 3),
        ({"STA-001": (N, None)}, "intact", 3),
        ({"REN-001": (N, None)}, "recomputed", 0),
        ({"ORD-001": (U, None)}, "recomputed", 0),
        ({"ORD-001": (F, None)}, "recomputed", 1),
        ({}, "intact", 3),
    ],
)
def test_exit_codes(
    changes: dict[str, tuple[Outcome, str | None]], tier: str, code: int
) -> None:
    assert _code(changes, tier) == code


def test_no_claims_are_never_verified() -> None:
    assert exit_code(policy(), _results(), ())[0] == 3


def test_without_signers_the_code_is_undecided_at_best() -> None:
    bare = {"signers": [], "signatures": []}
    assert _code({"SIG-001": (U, None)}, **bare) == 3
    assert _code({"SIG-001": (U, None), "STA-001": (F, None)}, **bare) == 1


def test_all_means_every_check_up_to_the_minimum_tier() -> None:
    recomputed = required_checks(policy())
    assert {"CON-001", "SIG-001", "CLM-007", "REN-001", "STA-001"} <= recomputed
    assert {"ORD-001", "ORD-003", "DES-006"}.isdisjoint(recomputed)
    assert "STA-001" not in required_checks(policy(minimum_tier="intact"))
    assert required_checks(policy(minimum_tier="reproduced")) == set(all_checks())
    assert required_checks(policy(required_checks=["STA-001"])) == {"STA-001"}


def _of_claims(changes: Any, tiers: dict[str, str], asked: Any, **more: Any) -> tuple[int, str]:
    claims = [ClaimVerdict(axis, tier, True, "w", ()) for axis, tier in tiers.items()]
    return exit_code(policy(claims=asked, **more), _results(changes, asked), claims)


BOTH = {"a": "recomputed", "b": "recomputed"}


@pytest.mark.parametrize(
    ("changes", "tiers", "asked", "code", "told"),
    [
        ({}, BOTH, {}, 0, "Verified"),
        ({}, BOTH, {"c": {}}, 3, "no claim about c"),
        ({}, BOTH, {"a": {"minimum_tier": "sound"}}, 3, "a is recomputed, not sound"),
        ({}, BOTH | {"a": "sound"}, {"a": {"minimum_tier": "sound"}}, 0, "Verified"),
        ({"ORD-001": (U, None)}, BOTH, {"a": {"minimum_tier": "sound"}}, 3, "ORD-001 could"),
        ({"STA-001": (U, "a")}, BOTH | {"a": "intact"}, {}, 3, "STA-001 could not"),
        ({"STA-001": (U, "a")}, BOTH | {"a": "intact"}, {"a": {"minimum_tier": "intact"}}, 0,
         "Verified"),
        ({"STA-001": (U, "b")}, BOTH | {"b": "intact"}, {"a": {"minimum_tier": "intact"}}, 3,
         "STA-001 could not"),
        ({"STA-001": (U, None)}, BOTH, {"a": {"minimum_tier": "intact"}}, 3,
         "STA-001 could not"),
        ({"STA-001": (F, "a")}, BOTH | {"a": "intact"}, {"a": {"minimum_tier": "intact"}}, 1,
         "STA-001 failed"),
        ({"DES-006": (U, "a")}, BOTH, {}, 0, "Verified"),
        ({"DES-006": (U, "a")}, BOTH, {"a": {"required_checks": ["DES-006"]}}, 3,
         "DES-006 could not"),
        ({"DES-006": (U, "a")}, BOTH, {"b": {"required_checks": ["DES-006"]}}, 0, "Verified"),
    ],
)  # fmt: skip
def test_demands_on_single_claims(
    changes: Any, tiers: dict[str, str], asked: Any, code: int, told: str
) -> None:
    given, reason = _of_claims(changes, tiers, asked)
    assert given == code, reason
    assert told in reason


def test_a_check_required_of_a_claim_is_a_required_check() -> None:
    asked = {"a": {"required_checks": ["DES-006"]}}
    assert "DES-006" in required_checks(policy(claims=asked))
    with pytest.raises(UsageError):
        required_checks(policy(claims={"a": {"required_checks": ["NIL-001"]}}))


AXES = ("watched", "knowledge")


def judged(case: KitCase, **changes: Any) -> Verdict:
    return verify(case.to_bytes(), policy(**changes), at=AT)


def test_a_verdict_names_the_case_the_policy_and_the_moment() -> None:
    case, chosen = honest_case(), policy()
    verdict = judged(case)
    payload = read_envelope(case.members["statements/case.dsse.json"], where="x").payload
    opened = OpenedCase(case.to_bytes(), chosen, AT)
    assert verdict.case_id == hashlib.sha256(payload).hexdigest()
    assert verdict.archive_sha256 == hashlib.sha256(case.to_bytes()).hexdigest()
    assert (verdict.policy_name, verdict.policy_digest) == ("kit", chosen.digest())
    assert (verdict.at, verdict.name) == (AT, "toy")
    assert verdict.model_manifest == case.record["subject"]["manifest_digest"]
    assert verdict.what_cannot_be_known == WHAT_CANNOT_BE_KNOWN
    assert verdict.taken_on_trust == tuple(declared(opened.plan))
    assert verdict.override is None


def test_a_verdict_on_no_case_names_what_was_read_and_nothing_else() -> None:
    verdict = verify(b"no zip", policy(), at=AT)
    assert (verdict.case_id, verdict.name, verdict.model_manifest) == (None, None, None)
    assert (verdict.signers, verdict.claims, verdict.taken_on_trust) == ((), (), ())
    assert (verdict.decision_tier, verdict.override) == (None, None)
    assert verdict.exit_code == 1


def test_who_sets_another_tier_is_told_with_the_reason() -> None:
    verdict = judged(stricter_case())
    assert verdict.override == "restricted, stricter, set by kit: The toy is new."
    assert verdict.decision_tier == "general"


def test_without_signers_in_the_policy_nobody_signed() -> None:
    verdict = judged(honest_case(), signers=[], signatures=[])
    assert verdict.signers == ()
    assert verdict.reason == "Intact, signer unknown: the policy names no signers."


@pytest.mark.parametrize("place", [0, 1])
def test_a_fault_of_one_axis_lowers_that_claim_alone(place: int) -> None:
    case = resign(edit_record(honest_case(), f"/results/axes/{place}/rates/0/counted", 99))
    verdict = judged(case)
    assert verdict.failing() == ("STA-001",)
    assert [result.check for result in verdict.in_the_way()] == ["STA-001"]
    assert [claim.axis for claim in verdict.claims] == list(AXES)
    lowered, other = verdict.claims[place], verdict.claims[1 - place]
    assert (lowered.tier, lowered.lowered_by) == ("intact", ("STA-001",))
    assert other == judged(honest_case()).claims[1 - place]
    assert [d.check for d in lowered.open_defeaters][:1] == ["STA-001"]
    assert "STA-001" not in {d.check for d in other.open_defeaters}


def test_a_claim_is_worded_for_its_tier_by_what_was_seen_on_its_axis() -> None:
    case = resign(edit_record(honest_case(), "/results/axes/0/rates/0/counted", 99))
    opened = OpenedCase(case.to_bytes(), policy(), AT)
    for claim in judged(case).claims:
        wording = opened.derived.claims[claim.axis].wording
        seen = observed(opened.plan, opened.axis(claim.axis).findings)
        assert claim.wording == wording
        assert claim.sentence == weakened(claim.tier, wording, seen)
        assert claim.holds == opened.derived.claims[claim.axis].holds
        assert claim.re_executed == ()


def test_what_is_in_the_way_is_what_is_required_and_unanswered_where_nothing_fails() -> None:
    verdict = judged(honest_case(), required_checks=["ORD-001", "STA-001"])
    assert verdict.exit_code == 3
    assert [result.check for result in verdict.in_the_way()] == ["ORD-001"]
    assert verdict.reason == "Undecided: ORD-001 could not be answered."
    assert verdict.outcomes()["ORD-001"] is Outcome.UNKNOWN


def test_a_claim_that_a_policy_asks_for_and_the_case_lacks_is_named() -> None:
    asked: dict[str, Any] = {"gone": {}, "absent": {}}
    verdict = judged(honest_case(), claims=asked)
    assert verdict.reason == "Undecided: the case makes no claim about absent, gone."
