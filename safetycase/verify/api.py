"""The two functions for other programs: `safetycase.verify` and `safetycase.require`.

Both are functions of bytes, policy and time: no clock, no network, nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

from safetycase.bundle.limits import changed
from safetycase.errors import UsageError
from safetycase.verify import engine
from safetycase.verify.case import OpenedCase
from safetycase.verify.outcome import Verdict
from safetycase.verify.policy import Policy, load_policy

Source = bytes | str | PathLike[str]
"""A case: its bytes, or the path of its file."""


def verify(
    source: Source,
    policy: Policy | str | PathLike[str],
    at: datetime | str,
    limits: Mapping[str, int] | None = None,
    escrow: bytes | None = None,
) -> Verdict:
    """What a case is worth under a policy, as of a time.

    `at` is a datetime with its zone, or text like 2026-11-22T16:00:00Z. A bad case never
    raises: the verdict says what is wrong. UsageError: a policy that is none, a time, a limit.
    `limits` changes some of `bundle.limits.MEANINGS`, as `--limit` does. `escrow` holds the
    bytes of what opens a redacted case.
    """
    return engine.examine(_opened(source, policy, at, limits, escrow))


def require(
    source: Source,
    policy: Policy | str | PathLike[str],
    at: datetime | str,
    limits: Mapping[str, int] | None = None,
    escrow: bytes | None = None,
) -> OpenedCase:
    """The case, read from the same bytes that verified.

    NotVerified says what stands in the way: `missing` holds the ids of the checks that failed
    or, if none did, could not be answered. UsageError as `verify`.
    """
    case = _opened(source, policy, at, limits, escrow)
    verdict = engine.examine(case)
    if not verdict.verified:
        raise engine.refusal_of(verdict)
    return case


def _opened(
    source: Source,
    policy: Policy | str | PathLike[str],
    at: datetime | str,
    limits: Mapping[str, int] | None,
    escrow: bytes | None,
) -> OpenedCase:
    where = source if isinstance(source, bytes) else Path(source)
    asked = policy if isinstance(policy, Policy) else load_policy(Path(policy))
    return OpenedCase(where, asked, _moment(at), changed(limits or {}), escrow)


def _moment(at: datetime | str) -> str:
    if isinstance(at, str):
        return at
    if at.tzinfo is None:
        raise UsageError("at", "a time with its zone", found=at.isoformat())
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
