"""What a verification may cost, all limits in one place: each has a name, and can be raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from safetycase.bundle import layout
from safetycase.errors import UsageError
from safetycase.tables import codec


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of container, tables and plan."""

    container: layout.Limits = layout.DEFAULT_LIMITS
    tables: codec.Limits = codec.DEFAULT_LIMITS
    arms: int = 100_000
    activations: int = 2**29


DEFAULT_LIMITS = Limits()

MEANINGS: Mapping[str, str] = {
    "archive": "bytes of the file",
    "members": "members of the archive",
    "member": "inflated bytes of a member",
    "total": "inflated bytes of all members",
    "whole": "inflated bytes of a member that is read at once",
    "ratio": "inflated bytes for each stored byte of a member above 16 MiB",
    "rows": "rows of a table",
    "row": "bytes of a row",
    "arms": "arms that a plan may ask for",
    "activations": "pooled activations of an axis, features times prompts",
}
"""Every limit by the name under which `--limit NAME=N` changes it."""

_CONTAINER = frozenset({"archive", "members", "member", "total", "whole", "ratio"})
_TABLES = {"rows": "max_rows", "row": "max_line"}


def value_of(limits: Limits, name: str) -> int:
    """The value of a limit by its name."""
    if name in _CONTAINER:
        value: int = getattr(limits.container, f"max_{name}")
        return value
    found: int = (
        getattr(limits.tables, _TABLES[name]) if name in _TABLES else getattr(limits, name)
    )
    return found


def changed(changes: Mapping[str, int]) -> Limits:
    """The defaults but for these; a name that is none, or a value below 1, is refused."""
    for name, value in changes.items():
        if name not in MEANINGS:
            found, remedy = name, f"Known: {', '.join(MEANINGS)}."
            raise UsageError("--limit", "the name of a limit", found=found, remedy=remedy)
        if value < 1:
            raise UsageError(f"--limit {name}", "a number of at least 1", found=str(value))
    own = {name: value for name, value in changes.items() if name in {"arms", "activations"}}
    return replace(
        DEFAULT_LIMITS,
        container=replace(
            layout.DEFAULT_LIMITS,
            **{f"max_{name}": value for name, value in changes.items() if name in _CONTAINER},
        ),
        tables=replace(
            codec.DEFAULT_LIMITS,
            **{_TABLES[name]: value for name, value in changes.items() if name in _TABLES},
        ),
        **own,
    )
