"""A verdict on the sample case, of any exit code."""

from __future__ import annotations

from typing import Any

from safetycase.digest import sha256_hex
from safetycase.record.case import Case
from safetycase.verify.outcome import (
    WHAT_CANNOT_BE_KNOWN,
    CheckResult,
    ClaimVerdict,
    Finding,
    Outcome,
    Verdict,
)
from tests.unit.report.sample_plan import digest

CASE_ID = sha256_hex(b"the signed statement")
POLICY_DIGEST = sha256_hex(b"the policy")


def _result(check: str, title: str, tier: str, outcome: Outcome, sentence: str) -> CheckResult:
    finding = Finding(
        check=check,
        outcome=outcome,
        where="case.json#/results/axes/0/rates/1",
        expected="140 of 220" if outcome is Outcome.FAIL else "",
        found="141 of 220" if outcome is Outcome.FAIL else "",
        sentence=sentence,
    )
    return CheckResult(
        check=check,
        title=title,
        stage=7,
        tier=tier,
        outcome=outcome,
        required=tier != "sound",
        findings=(finding,),
    )


def verdict_of(case: Case, *, exit_code: int = 0, **changes: Any) -> Verdict:
    """A verdict on the case; a positive exit code comes with a failing check."""
    failing = exit_code == 1
    results = [
        _result("INT-002", "Every bound file has its stated digest.", "intact", Outcome.PASS,
                "14 files examined."),
        _result("STA-001", "Every rate follows from its rows.", "recomputed",
                Outcome.FAIL if failing else Outcome.PASS,
                "A rate differs from its rows." if failing else "412 rates examined."),
        _result("PRO-003", "The plan is proved to be older than the rows.", "sound",
                Outcome.UNKNOWN, "The case carries no third party's time for the plan."),
        _result("REN-001", "The page shows the record's figures.", "intact",
                Outcome.NOT_APPLICABLE, "The case holds no page."),
    ]  # fmt: skip
    tier = "intact" if failing else "recomputed"
    reasons = {
        0: "Every check that the policy requires passed.",
        1: "STA-001 failed.",
        3: "No signer of the policy signed this case: intact, signer unknown.",
        4: "The verifier itself failed in STA-001.",
    }
    facts: dict[str, Any] = {
        "case_id": CASE_ID,
        "name": case.id,
        "policy_name": "baseline",
        "policy_digest": POLICY_DIGEST,
        "at": "2026-01-11T00:00:00Z",
        "archive_sha256": digest("archive"),
        "signers": () if exit_code == 3 else ("Example Lab, safety team",),
        "results": tuple(results),
        "claims": tuple(
            ClaimVerdict(
                axis=result.axis,
                tier=tier,
                holds=result.claim.holds,
                wording=result.claim.wording,
                lowered_by=("STA-001",) if failing else ("PRO-003",),
            )
            for result in case.results.axes
        ),
        "decision_tier": case.results.decision.tier,
        "what_cannot_be_known": WHAT_CANNOT_BE_KNOWN,
        "exit_code": exit_code,
        "reason": reasons[exit_code],
    }
    return Verdict(**{**facts, **changes})
