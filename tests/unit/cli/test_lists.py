from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.cli.main import main
from safetycase.cli.schemas import published
from safetycase.verify.checks import all_checks


@pytest.mark.parametrize("name", sorted(all_checks()))
def test_every_check_is_explained_with_its_limits(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", name.lower()]) == 0
    said = " ".join(capsys.readouterr().out.split())
    check = all_checks()[name]
    assert said.startswith(f"{name}: ")
    assert f"Proves: {' '.join(check.proves.split())}" in said
    assert f"Cannot prove: {' '.join(check.cannot_prove.split())}" in said


def test_an_unknown_check_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "INT-0001"]) == 2
    assert "INT-001" in capsys.readouterr().err


def test_the_list_has_every_check_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert listed == list(all_checks())


def test_schemas_are_written_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schemas", "--out", str(tmp_path / "v1")]) == 0
    there = {path.name: path.read_bytes() for path in (tmp_path / "v1").iterdir()}
    assert there == published()
    assert len(capsys.readouterr().out.splitlines()) == len(there)
