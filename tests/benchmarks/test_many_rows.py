"""The case that the benchmark of many rows times is one that verifies."""

from __future__ import annotations

from pathlib import Path

from benchmarks.many_rows import write_many_rows
from safetycase.verify.api import verify
from safetycase.verify.policy import load_policy

ROWS = 30_000


def test_the_case_of_many_rows_verifies(tmp_path: Path) -> None:
    case, policy = tmp_path / "rows.safetycase", tmp_path / "rows.policy.yaml"
    write_many_rows(case, policy, ROWS)
    verdict = verify(case, load_policy(policy), at="2026-11-22T16:00:00Z")
    assert verdict.verified, verdict.failing()
