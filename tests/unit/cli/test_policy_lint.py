from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from safetycase.cli.as_written import policy_text
from safetycase.cli.main import main
from safetycase.sign.keys import generate

AT = "2026-11-22T16:00:00Z"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_bytes(policy_text("mine", generate(tmp_path / "keys", "lab")))
    return path


def _alter(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def test_a_sound_policy_is_told_in_words(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _alter(policy, claims={"risk": {"must_hold": True, "required_checks": ["DES-006"]}})
    assert main(["policy", "lint", str(policy), "--at", AT]) == 0
    said = capsys.readouterr().out
    for words in (
        "It trusts lab as developer, at any time.",
        "At least 1 of 1 in the role developer must have signed.",
        "Every claim must reach the tier recomputed: every figure and choice",
        "No claim must hold",
        "Of the claim about risk: it must hold; these checks as well: DES-006.",
    ):
        assert words in said


def test_every_fault_is_told_and_nothing_else(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _alter(policy, minimum_tier="sound", claims={"risk": {"required_checks": ["NIL-001"]}})
    assert main(["policy", "lint", str(policy), "--at", AT]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error: p.yaml#/") == captured.err.count("\n") == 3


def test_a_window_is_judged_as_of_the_time_given(
    policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = yaml.safe_load(policy.read_text())
    read["signers"][0]["not_after"] = "2027-01-01T00:00:00Z"
    _alter(policy, signers=read["signers"])
    assert main(["policy", "lint", str(policy), "--at", AT]) == 0
    assert "before 2027-01-01T00:00:00Z" in capsys.readouterr().out
    assert main(["policy", "lint", str(policy), "--at", "2027-01-01T00:00:00Z"]) == 2
    assert "counts only before" in capsys.readouterr().err


@pytest.mark.parametrize("threshold", [2, 0])
def test_a_threshold_that_cannot_be_reached_is_refused(policy: Path, threshold: int) -> None:
    _alter(policy, signatures=[{"role": "developer", "threshold": threshold}])
    assert main(["policy", "lint", str(policy), "--at", AT]) == 2
