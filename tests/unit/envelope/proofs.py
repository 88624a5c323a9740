"""The proof that the tests of log proofs alter, and those who signed it."""

from __future__ import annotations

from datetime import UTC, datetime

from safetycase.envelope.log_proof import Logged, LogTrust, logged
from tests.kit.toy_log import ToyLog, spell

ENTRIES = [f"entry {n}".encode() for n in range(7)]
ENTRY = ENTRIES[3]
START = datetime(2026, 11, 19, 12, tzinfo=UTC)
"""The toy log's TIME."""


def toy(entries: list[bytes] = ENTRIES) -> ToyLog:
    return ToyLog(entries=list(entries))


def read(proof: bytes, entry: bytes = ENTRY, trusted: LogTrust | None = None) -> Logged:
    return logged(proof, entry, trusted or toy().trust(), where="plan.tlog-proof")


def with_lines(lines: list[str]) -> bytes:
    """The proof of the entry with other signature lines."""
    return spell(3, toy().hashes(3), toy().text(), lines)


PROOF = toy().proof(3)
LOG_LINE, CLASSIC_LINE, MODERN_LINE = toy().lines(toy().text())
