from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from safetycase import canonical
from safetycase.bundle.writer import write_case
from safetycase.canonical import write
from safetycase.cli import clock
from safetycase.cli.main import main
from safetycase.report.verdict_json import SCHEMA
from tests.unit.methods.plans import plan_data

AT = "2026-11-22T16:00:00Z"


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """A sound container whose record says nothing."""
    path = tmp_path / "hollow.safetycase"
    write_case(path, {"case.json": b"{}", "plan.json": write(plan_data())})
    return path


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    value = canonical.read(capsys.readouterr().out.encode(), where="verdict")
    assert isinstance(value, dict)
    return value


def test_json_has_its_version_the_exit_code_and_every_check(
    hollow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["verify", str(hollow), "--at", AT, "--json"])
    verdict = _json(capsys)
    assert code == verdict["exit_code"] == 1
    assert verdict["schema"] == SCHEMA
    assert verdict["verified"] is False
    assert verdict["at"] == AT
    assert verdict["policy_name"] == "baseline"
    outcomes = {result["check"]: result["outcome"] for result in verdict["results"]}
    assert outcomes["SCH-001"] == "FAIL"
    assert outcomes["CON-001"] == "PASS"
    finding = next(r for r in verdict["results"] if r["check"] == "SCH-001")["findings"][0]
    assert finding["where"].startswith("case.json")


def test_equal_bytes_policy_and_time_give_equal_output(
    hollow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for _ in range(2):
        main(["verify", str(hollow), "--at", AT, "--json"])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]


def test_without_a_time_it_is_judged_as_of_now(
    hollow: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    main(["verify", str(hollow), "--json"])
    assert _json(capsys)["at"] == "2030-01-02T03:04:05Z"


def test_the_named_policy_is_the_one_that_judges(
    hollow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = Path(__file__).resolve().parents[3] / "policies" / "strict.yaml"
    main(["verify", str(hollow), "--policy", str(strict), "--at", AT, "--json"])
    assert _json(capsys)["policy_name"] == "strict"


def test_people_get_the_state_first_and_the_limits_last(
    hollow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(hollow), "--at", AT]) == 1
    said = capsys.readouterr().out
    assert said.startswith("NOT VERIFIED\n")
    assert "SCH-001" in said
    assert "that needs the weights" in said
