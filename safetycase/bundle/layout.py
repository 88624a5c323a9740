"""The names that may occur in a case, the order they stand in, and the limits on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from safetycase.errors import UnsafePath

MIMETYPE_NAME = "mimetype"
MIMETYPE = b"application/vnd.safetycase+zip"
RECORD_NAME = "case.json"
PLAN_NAME = "plan.json"
CASE_STATEMENT_NAME = "statements/case.dsse.json"
REPLAY_PREFIX = "statements/replay-"
"""What the name of every reviewer's statement of a re-execution begins with."""
RECEIPT_PREFIX = "statements/receipt-"
"""What the name of every witness's receipt of the plan begins with."""
TIME_STAMP_SUFFIX = ".tsr"
LOG_PROOF_SUFFIX = ".tlog-proof"
"""Ends of the names of files that prove when the plan was there."""

REQUIRED_NAMES = (MIMETYPE_NAME, RECORD_NAME, PLAN_NAME)

_WORD = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_BOUND = re.compile(
    rf"case\.json|plan\.json|evidence/{_WORD}\.(?:jsonl|safetensors)|circuits/{_WORD}\.json"
)
_ADDED = re.compile(
    rf"statements/{_WORD}\.(?:dsse\.json|tsr|tlog-proof)|report/case\.(?:html|pdf)"
)
_MAX_NAME_CHARS = 120
_GROUPS = ("mimetype", "case.json", "plan.json", "evidence", "circuits", "statements", "report")
_RESERVED_STEMS = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "123456789"}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before or while a case is inflated; sizes in bytes.

    The ratio of inflated to stored size is looked at only above `ratio_floor`: a short table
    of equal rows is honest and compresses well.
    """

    max_archive: int = 2**30
    max_members: int = 4096
    max_member: int = 2**31 - 1
    max_total: int = 2**32
    max_whole: int = 2**30
    max_ratio: int = 250
    ratio_floor: int = 2**24


DEFAULT_LIMITS = Limits()


def is_bound(name: str) -> bool:
    """Whether the case's statement must list this member: all that a claim can rest on."""
    return _safe(name) and _BOUND.fullmatch(name) is not None


def is_added(name: str) -> bool:
    """Whether this member may come after signing: statements and renderings."""
    return _safe(name) and _ADDED.fullmatch(name) is not None


def is_about_plan(name: str) -> bool:
    """Whether this member states something of the plan, and not of the case."""
    ends = (TIME_STAMP_SUFFIX, LOG_PROOF_SUFFIX)
    return is_added(name) and (name.startswith(RECEIPT_PREFIX) or name.endswith(ends))


def require_allowed(name: str, *, where: str = "case") -> str:
    """The name, if it may occur in a case.

    Lower case only, so that no two names meet on a file system that folds case; none of the
    device names of Windows; no name that could leave its folder.
    """
    if name != MIMETYPE_NAME and not is_bound(name) and not is_added(name):
        raise UnsafePath(where, "names of bundle/layout.py", found=ascii(name[:80]))
    return name


def in_order(names: Iterable[str]) -> list[str]:
    """The names as they stand in the archive: by group, then by code point."""
    return sorted(names, key=lambda name: (_GROUPS.index(name.split("/")[0]), name))


def _safe(name: str) -> bool:
    stem = name.rpartition("/")[2].partition(".")[0]
    return len(name) <= _MAX_NAME_CHARS and stem not in _RESERVED_STEMS
