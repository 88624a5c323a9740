"""What reaches the terminal: nothing that an artifact holds can move its cursor."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TextIO

from safetycase.errors import SafetyCaseError

DEBUG = "SAFETYCASE_DEBUG"
"""Set this environment variable to see the traceback of a refusal or a failure."""


def prepare_streams() -> None:
    """Characters that the terminal's encoding lacks are escaped, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """The text with every character escaped that is not plainly visible, line feeds apart.

    That takes control characters, terminal sequences, text direction marks and lone surrogates.
    """
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def say(text: str) -> None:
    """Print a result."""
    _write(sys.stdout, text)


def say_bytes(data: bytes) -> None:
    """Print a document as it is, for another program to read."""
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        _close(sys.stdout)


def remark(text: str) -> None:
    """Print something about the work itself, beside the result."""
    _write(sys.stderr, text)


def refuse(error: SafetyCaseError) -> None:
    """Print a refusal on one line: the place, what was expected, what was found, the remedy."""
    remark(f"error: {' '.join(str(error).split())}")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(f"{printable(text)}\n")
        stream.flush()
    except BrokenPipeError:
        _close(stream)


def _close(stream: TextIO) -> None:
    """Nobody reads any more: the rest is dropped, and the exit code stays what it is."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
