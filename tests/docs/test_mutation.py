"""The page of mutation testing adds up, and the copy that it is made in means the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from safetycase.methods.interval import clopper_pearson

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "mutation.md").read_text(encoding="utf-8")
COUNTS = r" (\d+) \|" * 7
ROWS = re.findall(
    rf"^\| (\w+) \|{COUNTS} ([\d.]+)% \((\d+)% to (\d+)%\) \|$", PAGE, re.MULTILINE
)
PARTS = ["canonical", "digest", "envelope", "methods", "verify"]


def listed(title: str) -> list[str]:
    """Parts of the mutants under a heading."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\* `(\w+)\.", section, re.MULTILINE)


def test_every_part_has_a_row() -> None:
    assert [row[0] for row in ROWS] == PARTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_figures_of_a_row_add_up(row: tuple[str, ...]) -> None:
    total, words, tried, killed, hung, equivalent, survived = map(int, row[1:8])
    assert 0 < tried <= total - words
    assert tried == killed + hung + equivalent + survived
    dead, counted = killed + hung, tried - equivalent
    interval = clopper_pearson(dead, counted, 0.95)
    assert row[8] == f"{100 * dead / counted:.1f}"
    assert row[9:11] == (f"{100 * interval.low:.0f}", f"{100 * interval.high:.0f}")


@pytest.mark.parametrize(("title", "column"), [("Survivors", 7), ("Equivalent", 6)])
def test_every_mutant_that_lived_is_listed(title: str, column: int) -> None:
    for row in ROWS:
        assert listed(title).count(row[0]) == int(row[column])
