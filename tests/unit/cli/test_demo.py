"""The whole way in one command, on the tiny world of the runner's tests."""

from __future__ import annotations

import json
import stat
from itertools import count
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="the run extra is not installed")

from safetycase.bundle.reader import open_case
from safetycase.cli import demo as demo_command
from safetycase.cli.main import main
from tests.unit.run.tiny_world import build, plan_value

pytestmark = pytest.mark.run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = build(tmp_path_factory.mktemp("tiny")).folder
    _make_prompts_differ(world / "items")
    folder = world / "plan"
    folder.mkdir(exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(plan_value(), sort_keys=False))
    return path


def _make_prompts_differ(folder: Path) -> None:
    """Begin every prompt with its number in words: 0 is salt, 1 is stir."""
    numbers = count()
    for file in sorted(folder.glob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            digits = f"{next(numbers):09b}".replace("0", "salt ").replace("1", "stir ")
            row["prompt"] = digits + row["prompt"]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_one_command_ends_with_verified_tiers_and_paths(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", "--plan", str(plan), "--out", str(tmp_path), "--threads", "1"]
    arguments += ["--batch-rows", "auto"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert "verified" in lines
    for axis in plan_value()["axes"]:
        assert any(line.startswith(f"{axis['id']}: ") for line in lines)
    assert sum(line.endswith("tier recomputed") for line in lines) == len(plan_value()["axes"])
    told = [Path(line.split()[1]) for line in lines if str(tmp_path) in line]
    assert {path.suffix for path in told} >= {".safetycase", ".yaml", ".html"}
    assert all(path.is_file() for path in told)
    assert "left" in captured.err
    case = told[0]
    container = open_case(case)
    assert {"statements/case.dsse.json", "report/case.html"} <= set(container.names)
    assert json.loads(container.read("case.json"))["environment"]["batch_rows_by"] == "trial"
    for key in (tmp_path / "keys").glob("*.pem"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600

    policy = next(path for path in told if path.suffix == ".yaml")
    assert main(["verify", str(case), "--policy", str(policy)]) == 0
    assert main(["verify", str(case)]) == 3

    identity = policy.read_bytes()
    assert main(arguments) == 0
    assert policy.read_bytes() == identity


def test_without_the_repository_the_demo_asks_for_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_command, "_ORGANISM", tmp_path / "none.yaml")
    assert main(["demo", "--out", str(tmp_path / "out")]) == 2
    assert "--plan" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
