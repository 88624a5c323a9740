"""Cases that real runs wrote: each must go on giving the verdict that it gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from safetycase.verify.policy import load_policy, read_policy

CASES = Path(__file__).resolve().parents[2] / "fixtures" / "cases"
POLICY = CASES / "policy.yaml"
AT = "2027-01-01T00:00:00Z"

EXPECTED = {
    "passing": {
        "evaluation_awareness": (True, "In the laboratory, editing 1 feature"),
        "hazardous_compliance": (True, "As released, editing 1 feature"),
    },
    "failing": {"forgotten_sums": (False, "Outputs changed under perturbation")},
    "null-claim": {"grave_refusal": (True, "In the laboratory, editing 1 feature")},
    "null-unmoved": {"grave_refusal": (False, "Nothing follows about")},
}


def _verdict(name: str, *, must_hold: str = "none") -> Verdict:
    text = POLICY.read_text("utf-8").replace("must_hold: none", f"must_hold: {must_hold}")
    policy = read_policy(text.encode(), where="policy")
    return verify(CASES / f"{name}.safetycase", policy, at=AT)


def test_every_golden_is_expected_here() -> None:
    assert {path.stem for path in CASES.glob("*.safetycase")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_verifies_and_says_no_more_than_its_rows_allow(name: str) -> None:
    verdict = _verdict(name)
    assert verdict.exit_code == 0
    assert verdict.failing() == ()
    said = {claim.axis: claim for claim in verdict.claims}
    assert set(said) == set(EXPECTED[name])
    for axis, (holds, opening) in EXPECTED[name].items():
        assert said[axis].holds is holds
        assert said[axis].tier == "recomputed"
        assert said[axis].wording.startswith(opening)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_policy_may_ask_that_claims_hold(name: str) -> None:
    holds = all(hold for hold, _ in EXPECTED[name].values())
    verdict = _verdict(name, must_hold="all")
    assert verdict.exit_code == (0 if holds else 1)
    assert verdict.failing() == (() if holds else ("CLM-007",))


@pytest.mark.parametrize("name", EXPECTED)
def test_without_a_signer_a_golden_is_intact_and_undecided(name: str) -> None:
    policy = load_policy(CASES.parents[1] / "policies" / "baseline.yaml")
    verdict = verify(CASES / f"{name}.safetycase", policy, at=AT)
    assert verdict.exit_code == 3
    assert "signer unknown" in verdict.reason
