"""Two functions for other programs, reached from the root, loaded when asked for."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

import safetycase
from safetycase.errors import NotVerified, UsageError
from safetycase.verify import api
from tests.kit.builder import AT, edit_record, honest_case, policy, resign
from tests.kit.trial import honest_verdict

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    case, asked = tmp_path / "toy.safetycase", tmp_path / "p.yaml"
    case.write_bytes(honest_case().to_bytes())
    asked.write_text(yaml.safe_dump(policy().spelled()))
    return case, asked


def test_paths_texts_bytes_and_times_mean_the_same(files: tuple[Path, Path]) -> None:
    case, asked = files
    moment = datetime(2026, 11, 22, 16, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5)))
    wanted = honest_verdict()
    assert safetycase.verify(case.read_bytes(), policy(), AT) == wanted
    assert safetycase.verify(case, asked, moment) == wanted
    assert safetycase.verify(str(case), str(asked), at=elsewhere) == wanted


def test_require_hands_back_the_case() -> None:
    case = safetycase.require(honest_case().to_bytes(), policy(), AT)
    assert case.record.id == "toy"


@pytest.mark.parametrize(
    ("data", "asked", "missing", "words"),
    [
        (b"", {}, ("CON-001",), "CON-001 failed"),
        (
            None,
            {"minimum_tier": "sound"},
            ("ORD-001", "GRD-001", "GRD-002"),
            "by somebody else's word",
        ),
    ],
)
def test_require_names_what_is_missing(
    data: bytes | None, asked: Any, missing: tuple[str, ...], words: str
) -> None:
    source = honest_case().to_bytes() if data is None else data
    with pytest.raises(NotVerified) as refused:
        safetycase.require(source, policy(**asked), AT)
    assert refused.value.missing == missing
    assert words in str(refused.value)


def test_require_tells_the_first_finding() -> None:
    case = resign(edit_record(honest_case(), "/title", "another"))
    with pytest.raises(NotVerified) as refused:
        safetycase.require(case.to_bytes(), policy(), AT)
    assert refused.value.missing == ("SCH-005",)
    assert "case.json#/title" in str(refused.value)


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), "today"])  # noqa: DTZ001 — no zone
def test_a_time_that_is_none_is_refused(at: Any) -> None:
    with pytest.raises(UsageError):
        safetycase.verify(b"", policy(), at)


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        safetycase.verify(b"", tmp_path / "none.yaml", AT)


def test_the_package_is_the_function_whatever_was_imported_first() -> None:
    script = (
        "import safetycase.verify.engine, safetycase\n"
        "from safetycase import verify, require\n"
        "print(callable(safetycase.verify), verify is safetycase.verify, require.__module__)"
    )
    for text in (script, script.partition("\n")[2].replace("from", "import safetycase\nfrom")):
        finished = subprocess.run(
            [sys.executable, "-c", text],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert finished.stdout.split() == ["True", "True", "safetycase.verify.api"]


def test_there_is_nothing_else_at_the_root() -> None:
    with pytest.raises(AttributeError):
        safetycase.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert api.require is safetycase.require
