"""What the exit status of a command means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of every command; scripts may rely on it."""

    VERIFIED = 0
    NOT_VERIFIED = 1
    USAGE = 2
    UNDECIDED = 3
    FAILED = 4


MEANINGS: dict[ExitCode, str] = {
    ExitCode.VERIFIED: "verified; any other command: done",
    ExitCode.NOT_VERIFIED: "not verified: a check failed, or the case is malformed",
    ExitCode.USAGE: "refused: the command line, a plan, a key or a file; nothing was written",
    ExitCode.UNDECIDED: "undecided: a required check is unknown, or the signer is",
    ExitCode.FAILED: "this program failed; nothing follows about the case",
}


def table() -> str:
    """The exit codes as lines of text, for `--help` and the documentation."""
    return "\n".join(f"{code.value}  {meaning}" for code, meaning in MEANINGS.items())
