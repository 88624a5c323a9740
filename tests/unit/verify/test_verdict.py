"""What a verdict says of a case, field by field, and of one claim beside another."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from safetycase.envelope.dsse import read_envelope
from safetycase.methods.governance import declared
from safetycase.methods.wording import observed, weakened
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.judgement import WHAT_CANNOT_BE_KNOWN
from safetycase.verify.outcome import Outcome, Verdict
from tests.kit.builder import AT, KitCase, edit_record, honest_case, policy, resign
from tests.kit.cases import stricter_case

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
