"""The reference page of the command line, made of what `--help` says.

`python -m safetycase.cli.reference` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from safetycase.cli import console, exit_code
from safetycase.cli.main import PROGRAM, app

_WIDTH = 88

_HEAD = """\
# Command line

Made of `--help` by `make docs`. Exit codes, of every command:

| code | meaning |
| --- | --- |"""


def page() -> str:
    """Every command with its help, and the exit codes."""
    lines = [_HEAD]
    lines += [f"| {code.value} | {text} |" for code, text in exit_code.MEANINGS.items()]
    for name, text in _helps(typer.main.get_command(app), PROGRAM, None):
        lines += ["", f"## {name}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines)


def _helps(
    command: Any,  # noqa: ANN401  # typer keeps its types of commands and contexts private
    name: str,
    parent: Any,  # noqa: ANN401
) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=_WIDTH
    )
    yield context.command_path, command.get_help(context)
    for below in getattr(command, "commands", {}).values():
        yield from _helps(below, below.name, context)


if __name__ == "__main__":
    console.say(page())
