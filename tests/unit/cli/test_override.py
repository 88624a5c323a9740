"""`safetycase override` sets a tier in a case, and only an open one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetycase.bundle.reader import open_case
from safetycase.cli.main import main
from safetycase.report.text import render_text
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, KitCase, policy, resign
from tests.kit.cases import failing_case


def _written(folder: Path) -> Path:
    path = folder / "toy.safetycase"
    path.write_bytes(failing_case().to_bytes())
    return path


def _set(path: Path, tier: str, by: str = "kit") -> int:
    asked = ["--by", by, "--tier", tier, "--reason", "Partners asked for it."]
    return main(["override", str(path), *asked])


def _signed(path: Path) -> KitCase:
    container = open_case(path)
    return resign(KitCase({name: container.read(name) for name in container.names}))


@pytest.mark.parametrize(
    ("may", "outcome", "code"),
    [
        ((), Outcome.UNKNOWN, 3),
        (("kit",), Outcome.PASS, 0),
        (("stranger",), Outcome.UNKNOWN, 3),
    ],
)
def test_a_looser_tier_is_open_unless_the_policy_names_its_signer(
    may: Any, outcome: Outcome, code: int, tmp_path: Path
) -> None:
    path = _written(tmp_path)
    assert _set(path, "general") == 0
    under = policy(must_hold="none", may_loosen=list(may))
    verdict = verify(_signed(path).to_bytes(), under, at=AT)
    assert verdict.outcomes()["CLM-009"] is outcome
    assert verdict.exit_code == code
    assert verdict.decision_tier == "restricted"
    assert verdict.override == "general, looser, set by kit: Partners asked for it."
    assert "Overridden: general, looser, set by kit" in render_text(verdict, width=200)


@pytest.mark.parametrize("tier", ["restricted", "partners"])
def test_a_tier_that_changes_nothing_is_refused(
    tier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path)
    before = path.read_bytes()
    assert _set(path, tier) == 2
    assert f"found {tier}" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    assert _set(_written(tmp_path), "general", by="The Boss") == 2
