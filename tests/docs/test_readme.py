"""The first screen of the README says what the passing case says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from safetycase.verify.case import OpenedCase
from safetycase.verify.policy import load_policy

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "fixtures" / "cases"
README = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def passing() -> OpenedCase:
    policy = load_policy(CASES / "policy.yaml")
    return OpenedCase(CASES / "passing.safetycase", policy, "2026-11-22T00:00:00Z")


def test_claims_are_quoted_word_for_word(passing: OpenedCase) -> None:
    for result in passing.record.results.axes:
        assert result.claim.wording in README


def test_the_feature_and_its_score_are_those_of_the_case(passing: OpenedCase) -> None:
    axis = passing.record.results.axes[0]
    (kept,) = axis.identification.features
    assert f"held-out AUROC {kept.held_out_auroc:.5f}" in README
    assert kept.held_out_auroc >= 0.95


def test_no_control_does_half_of_what_the_target_does(passing: OpenedCase) -> None:
    axis = passing.record.results.axes[0]
    target = next(
        c.difference for c in axis.comparisons if c.arm == "evaluation_awareness/target"
    )
    assert target >= 0.5
    largest = max(test.largest for test in axis.controls)
    assert largest < target / 2
    assert f"moves it by {100 * largest:.1f}" in README


def test_the_picture_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    import readme_picture  # noqa: PLC0415 — found by the path above

    assert readme_picture.PICTURE.read_text(encoding="utf-8") == readme_picture.picture()
