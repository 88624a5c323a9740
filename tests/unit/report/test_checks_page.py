from __future__ import annotations

from safetycase.report.checks_page import checks_markdown
from safetycase.verify.checks import FAMILIES, all_checks


def test_the_page_says_what_each_check_cannot_prove() -> None:
    page = checks_markdown({"STA-001": ["narrowed-interval"]})
    for name, check in all_checks().items():
        assert f"### {name}: {check.title}\n" in page
        assert f"* **Cannot prove**: {check.cannot_prove}\n" in page
    for family in FAMILIES:
        assert f"## {family.prefix}: {family.name}\n" in page
    assert page.count("* **Refuses**: ") == 1
    assert "* **Refuses**: `narrowed-interval`." in page


def test_every_check_owns_something_or_stands_between_two_that_do() -> None:
    silent = [name for name, check in all_checks().items() if not check.owns]
    assert silent == ["ORD-003", "GOV-002", "TRC-005", "CLM-007"]
