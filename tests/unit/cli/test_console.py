from __future__ import annotations

import subprocess
import sys

import pytest

from safetycase.cli import console
from safetycase.errors import UsageError


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text, ‖Δh‖ and 中文", "plain text, ‖Δh‖ and 中文"),
        ("two\nlines", "two\nlines"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2J", "\\x9b2J"),
        ("back\rover\b", "back\\rover\\x08"),
        ("\u202eright to left", "\\u202eright to left"),
        ("\u2066isolated", "\\u2066isolated"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("bell\x07 nul\x00", "bell\\x07 nul\\x00"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_nothing_that_moves_the_cursor_is_printed(raw: str, shown: str) -> None:
    assert console.printable(raw) == shown


def test_a_refusal_is_one_line_with_all_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    console.refuse(UsageError("a\nb", "c", found="d\ne", remedy="Do f."))
    captured = capsys.readouterr()
    assert captured.err == "error: a b: expected c, found d e. Do f.\n"
    assert captured.out == ""


def test_a_reader_that_goes_away_does_not_change_the_exit_code() -> None:
    script = (
        "import sys; from safetycase.cli import console\n"
        "sys.stdin.read()\n"
        "[console.say('x' * 1000) for _ in range(500)]\n"
        "console.say_bytes(b'y' * 100_000)\n"
        "sys.exit(3)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.wait(30) == 3
        assert process.stderr.read() == b""


def test_an_encoding_without_the_character_gets_an_escape() -> None:
    script = "from safetycase.cli import console as c; c.prepare_streams(); c.say('‖Δ‖')"
    finished = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", script],
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert finished.stdout == b"\\u2016\\u0394\\u2016\n"
