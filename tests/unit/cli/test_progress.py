from __future__ import annotations

import io
import re

import pytest

from safetycase.cli.progress import Bars, Lines, clock, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (59.4, "0:59"), (61, "1:01"), (3600, "1:00:00"), (36_001, "10:00:01")],
)
def test_times_read_as_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_lines_tell_every_tenth_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 30.0, 60.0])
    lines = Lines(lambda: next(moments))
    lines.begin("measuring", 100)
    for _ in range(20):
        lines.advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "measuring: 100 parts",
        "measuring: 10 of 100, 0:30 taken, 4:30 left",
        "measuring: 20 of 100, 1:00 taken, 4:00 left",
    ]


def test_a_step_without_length_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(lambda: 0.0)
    lines.begin("binding", 0)
    lines.advance(3)
    lines.note("a \x1b[2J note")
    assert capsys.readouterr().err.splitlines() == ["binding", "a \\x1b[2J note"]


def test_a_pipe_gets_lines() -> None:
    with watched(io.StringIO()) as progress:
        assert isinstance(progress, Lines)


def test_a_terminal_gets_bars_with_steps_parts_and_notes() -> None:
    terminal = Terminal()
    with watched(terminal) as progress:
        assert isinstance(progress, Bars)
        progress.begin("binding", 0)
        progress.begin("measuring [red]", 40)
        progress.advance(10)
        progress.note("dose -0.4 [bold]")
        progress.advance(30)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "measuring [red]" in drawn
    assert "40/40" in drawn
    assert "dose -0.4 [bold]" in drawn
    assert "binding" in drawn
