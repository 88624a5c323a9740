from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safetycase.cli.main import main


def test_a_sound_plan_is_told_what_it_can_show(
    written_plan: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "lint", str(written_plan())]) == 0
    said = capsys.readouterr().out
    assert "small: A small plan" in said
    assert "19 controls a family: no rank p below 0.05; 0.05 needed" in said
    assert "discovery      tuning    held_out" in said
    sizes = next(line for line in said.splitlines() if line.startswith("  items ")).split()
    assert sum(map(int, sizes[1:])) == 400
    assert all(int(size) > 50 for size in sizes[1:])
    assert f"axis: claim\n  {sizes[3]} held-out items: a change of " in said


def test_linting_writes_nothing(
    written_plan: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = written_plan()
    before = sorted(plan.parent.rglob("*"))
    assert main(["plan", "lint", str(plan)]) == 0
    assert sorted(plan.parent.rglob("*")) == before
    assert capsys.readouterr().err == ""
