from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.bundle.writer import write_case
from safetycase.canonical import write
from safetycase.cli.as_written import policy_text, require_verified
from safetycase.errors import NotVerified
from safetycase.sign.keys import generate
from safetycase.verify.policy import read_policy
from tests.unit.methods.plans import plan_data


def test_the_policy_trusts_one_signer_and_asks_for_every_figure(tmp_path: Path) -> None:
    signer = generate(tmp_path, "lab")
    policy = read_policy(policy_text("demo", signer), where="policy")
    assert policy.trust().signers == (signer,)
    assert [(r.role, r.threshold) for r in policy.requirements()] == [("developer", 1)]
    assert (policy.required_checks, policy.minimum_tier) == ("all", "recomputed")
    assert policy.must_hold == "none"


def test_a_case_that_would_not_verify_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    case = tmp_path / "x.safetycase"
    record = {"subject": {"manifest_digest": "0" * 64}}
    write_case(case, {"case.json": write(record), "plan.json": write(plan_data())})
    before = case.read_bytes()
    with pytest.raises(NotVerified) as refused:
        require_verified(case, at="2026-11-22T16:00:00Z")
    assert refused.value.where == str(case)
    assert "SCH-001" in str(refused.value.found)
    assert case.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [case.name]
