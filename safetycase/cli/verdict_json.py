"""A verdict as JSON, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from safetycase import canonical

if TYPE_CHECKING:
    from safetycase.verify.outcome import Verdict

SCHEMA = "https://safetycase.dev/verdict/v1alpha"


def spell(verdict: Verdict) -> bytes:
    """The verdict with its version, indented; equal verdicts give equal bytes."""
    value = {"schema": SCHEMA, "verified": verdict.verified} | asdict(verdict)
    return msgspec.json.format(canonical.write(value), indent=2) + b"\n"
