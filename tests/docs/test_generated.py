"""Pages that are made from the program are as the program would make them now."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.cli import reference
from safetycase.cli.exit_code import MEANINGS
from safetycase.cli.main import app, main
from safetycase.verify.checks import all_checks

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_commands_is_fresh() -> None:
    page = (DOCS / "reference" / "cli.md").read_text()
    assert page == reference.page() + "\n", "run `make docs`"


def test_the_page_of_checks_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    index = DOCS.parent / "fixtures" / "attacks.json"
    assert main(["checks", "--markdown", "--attacks", str(index)]) == 0
    assert (DOCS / "checks.md").read_text() == capsys.readouterr().out, "run `make docs`"


def test_every_command_is_on_the_page() -> None:
    page = reference.page()
    names = [command.name for command in app.registered_commands]
    assert len(names) >= 9
    for name in [*names, "plan lint"]:
        assert f"## safetycase {name}\n" in page


def test_every_exit_code_is_on_the_page() -> None:
    page = reference.page()
    for code, meaning in MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in page


def test_every_check_is_on_the_page() -> None:
    page = (DOCS / "checks.md").read_text()
    assert len(all_checks()) >= 25
    for name in all_checks():
        assert f"### {name}: " in page
