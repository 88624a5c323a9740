"""Finds the files that ship beside the code: schemas, templates, policies, axes.

A wheel carries them in `safetycase/data/`; a source tree has them at its root. Nothing is ever
looked for in the working directory or beside an artifact.
"""

from __future__ import annotations

import re
from pathlib import Path

from safetycase.errors import UnsafePath, UsageError

KINDS = ("schemas", "templates", "policies", "axes")

_PACKAGE = Path(__file__).resolve().parent
_SAFE_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def resource_root(kind: str) -> Path:
    """The folder of one kind of resource: the packed copy, else the tree's."""
    if kind not in KINDS:
        raise UsageError("resource", f"one of {', '.join(KINDS)}", found=kind)
    packed = _PACKAGE / "data" / kind
    return packed if packed.is_dir() else _PACKAGE.parent / kind


def resource_path(kind: str, *parts: str) -> Path:
    """The path of a shipped file that exists; a part that could leave the folder is refused."""
    for part in parts:
        if _SAFE_PART.fullmatch(part) is None:
            raise UnsafePath("resource", "plain file names", found=repr(part))
    path = resource_root(kind).joinpath(*parts)
    if not path.is_file():
        found = "/".join((kind, *parts))
        raise UsageError("resource", "a file shipped with this version", found=found)
    return path


def read_resource(kind: str, *parts: str) -> bytes:
    """The bytes of a shipped file."""
    return resource_path(kind, *parts).read_bytes()
