"""A run does not write over signatures unless it is told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

from safetycase.bundle.writer import write_case
from safetycase.cli.main import main
from safetycase.run import pipeline
from tests.kit.builder import honest_case
from tests.unit.methods.plans import plan_data

UNSIGNED = {n: d for n, d in honest_case().members.items() if not n.startswith("statements/")}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def _made(out: Path, kind: str) -> Path:
    case = out / f"{plan_data()['id']}.safetycase"
    if kind == "junk":
        case.write_bytes(b"notes")
    else:
        write_case(case, dict(honest_case().members) if kind == "signed" else UNSIGNED)
    return case


@pytest.mark.parametrize("kind", ["signed", "junk"])
def test_a_signed_case_or_another_file_is_not_written_over(
    kind: str,
    out: Path,
    written_plan: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = _made(out, kind)
    before = case.read_bytes()
    assert main(["run", str(written_plan()), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(case) in said
    assert "--replace" in said
    assert case.read_bytes() == before
    assert list(out.iterdir()) == [case]


@pytest.mark.parametrize(("kind", "extra"), [("unsigned", []), ("signed", ["--replace"])])
def test_otherwise_the_run_goes_on(
    kind: str,
    extra: list[str],
    out: Path,
    written_plan: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It goes on to bind the model; the plan's model here has no weights."""
    reached: list[bool] = []
    bind = pipeline.bind

    def seen(*arguments: object, **named: object) -> object:
        reached.append(True)
        return bind(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "bind", seen)
    _made(out, kind)
    assert main(["run", str(written_plan()), "--out", str(out), *extra]) != 0
    assert reached == [True]
    assert "--replace" not in capsys.readouterr().err
