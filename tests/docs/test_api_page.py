"""The examples of the API's page run as they stand, from the root of the repository."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from safetycase.bundle.limits import DEFAULT_LIMITS, MEANINGS, value_of

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    page = REPOSITORY / "docs" / "reference" / "api.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 5) == (0, True)


def test_the_table_of_limits_is_that_of_the_program() -> None:
    page = (REPOSITORY / "docs" / "howto" / "verify.md").read_text()
    for name, meaning in MEANINGS.items():
        assert f"| {name} | {value_of(DEFAULT_LIMITS, name)} | {meaning} |\n" in page
