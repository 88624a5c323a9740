"""`verify --samples` prints what the case's id draws, after the verdict and whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.cli.main import main
from safetycase.report.samples_text import render_samples
from safetycase.verify.case import OpenedCase
from tests.kit.builder import AT, honest_case, policy


def _written(folder: Path) -> Path:
    path = folder / "toy.safetycase"
    path.write_bytes(honest_case().to_bytes())
    return path


def test_the_drawn_answers_follow_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path)
    assert main(["verify", str(path), "--at", AT, "--samples"]) == 3
    printed = capsys.readouterr().out
    drawn = OpenedCase(path, policy(), AT).samples
    assert printed.rstrip().endswith(render_samples(drawn).rstrip())
    assert printed.count("\n  outcome ") == len(drawn)


@pytest.mark.parametrize("extra", ["--json", "--sarif"])
def test_programs_get_the_verdict_alone(extra: str, tmp_path: Path) -> None:
    assert main(["verify", str(_written(tmp_path)), "--samples", extra]) == 2


def test_a_folder_has_no_drawn_answers(tmp_path: Path) -> None:
    _written(tmp_path)
    assert main(["verify", str(tmp_path), "--samples"]) == 2
