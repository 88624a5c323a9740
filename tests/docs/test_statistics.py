"""The page of oracles names tests that exist, and functions that they import."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "statistics.md"
METHODS = REPOSITORY / "tests" / "unit" / "methods"
_ROW = re.compile(r"^\| (`.+?) \| (.+?) \| .+? \| `(\w+\.py)::(\w+)` \|$", re.MULTILINE)
ROWS = _ROW.findall(PAGE.read_text())


def test_the_page_has_its_table() -> None:
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("functions", "oracle", "file", "test"), ROWS)
def test_an_oracle_is_where_the_page_says(
    functions: str, oracle: str, file: str, test: str
) -> None:
    source = (METHODS / file).read_text(encoding="utf-8")
    assert f"def {test}(" in source
    for function in re.findall(r"`(\w+)`", functions):
        assert function in source, function
    for library in ("scipy", "statsmodels"):
        if oracle.startswith(library):
            assert library in source
