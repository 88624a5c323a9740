from __future__ import annotations

import pytest

from safetycase import __version__
from safetycase.cli import explain
from safetycase.cli.console import DEBUG
from safetycase.cli.exit_code import MEANINGS, ExitCode, table
from safetycase.cli.main import main
from safetycase.errors import (
    KeyRefused,
    MalformedInput,
    MethodRefused,
    NotVerified,
    PlanRefused,
    RunFailed,
    SafetyCaseError,
    UsageError,
)


def _raising(error: BaseException) -> object:
    def fail(_name: str) -> object:
        raise error

    return fail


def test_exit_codes_are_the_documented_numbers() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "VERIFIED": 0,
        "NOT_VERIFIED": 1,
        "USAGE": 2,
        "UNDECIDED": 3,
        "FAILED": 4,
    }
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, ExitCode.USAGE),
        (MalformedInput, ExitCode.USAGE),
        (KeyRefused, ExitCode.USAGE),
        (PlanRefused, ExitCode.USAGE),
        (RunFailed, ExitCode.USAGE),
        (MethodRefused, ExitCode.USAGE),
        (NotVerified, ExitCode.NOT_VERIFIED),
    ],
)
def test_a_refusal_has_its_exit_code_and_one_line(
    kind: type[SafetyCaseError],
    code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = kind("here", "this", found="that", remedy="Do so.")
    monkeypatch.setattr(explain, "_find", _raising(error))
    assert main(["explain", "INT-001"]) == code
    captured = capsys.readouterr()
    assert captured.err == "error: here: expected this, found that. Do so.\n"
    assert captured.out == ""


def test_a_fault_of_ours_is_two_lines_and_code_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explain, "_find", _raising(ZeroDivisionError("odd\x1b[2J\nthing")))
    assert main(["explain", "INT-001"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "ZeroDivisionError: odd\\x1b[2J thing" in lines[0]
    assert DEBUG in lines[1]


def test_the_traceback_is_there_for_those_who_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DEBUG, "1")
    monkeypatch.setattr(explain, "_find", _raising(ZeroDivisionError("odd")))
    assert main(["explain", "INT-001"]) == 4
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "_find", _raising(KeyboardInterrupt()))
    assert main(["explain", "INT-001"]) == 130


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nope"], "No such command 'nope'."),
        (["veify"], "Did you mean 'verify'?"),
        (["verify"], "Missing argument"),
        (["verify", "x", "--nope"], "--nope"),
        (["plan"], "Missing command"),
        (["keygen", "me"], "--out"),
        (["explain", "INT-999"], "INT-"),
    ],
)
def test_a_mistaken_command_line_is_told_and_is_code_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert told in captured.err
    assert "Traceback" not in captured.err


def test_help_prints_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for line in table().splitlines():
        assert " ".join(line.split()) in shown


def test_without_a_command_the_help_is_shown_and_the_code_is_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"safetycase {__version__}\n"
