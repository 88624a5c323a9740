"""Arguments that several commands take, and what is refused about them at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from safetycase.errors import UsageError

CasePath: TypeAlias = Annotated[
    Path, typer.Argument(metavar="CASE", help="The case: a file NAME.safetycase.")
]

PlanPath: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PLAN", help="The plan: a YAML file.")
]


def require_file(path: Path) -> Path:
    """The path of a file that is there; a folder or nothing is a mistake of the caller."""
    if path.is_dir():
        remedy = "Name the file in it."
        raise UsageError(str(path), "a file", found="a folder", remedy=remedy)
    if not path.exists():
        remedy = "Check the name and the folder."
        raise UsageError(str(path), "a file", found="nothing there", remedy=remedy)
    return path


def require_new(out: Path) -> Path:
    """The path of a file that is not there yet, in a folder that is."""
    if out.exists() or not out.parent.is_dir():
        found = "it exists" if out.exists() else "no such folder"
        raise UsageError(str(out), "a new file in a folder that is there", found=found)
    return out
