"""What a command may ask of an engine; looked at before anything slow is imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from safetycase.errors import UsageError

INSTALL_CLUSTER = "Install it with `pip install 'safetycase[run,cluster]'`."


@dataclass(frozen=True)
class EngineOptions:
    """Where units are done; nothing of it reaches the record."""

    kind: Literal["local", "ray"] = "local"
    workers: int = 1
    address: str | None = None
    """Of a Ray cluster that is there; without one, `ray` starts its own here."""


def require_engine(options: EngineOptions) -> None:
    """Return only if the engine can be made ready, as far as nothing has to be started."""
    if options.kind == "ray" and find_spec("ray") is None:
        raise UsageError("--engine ray", "Ray", found="not installed", remedy=INSTALL_CLUSTER)
    if options.kind == "local" and options.address is not None:
        remedy = "Leave it out, or give --engine ray."
        raise UsageError("--cluster", "--engine ray", found="--engine local", remedy=remedy)
