"""The page shows open defeaters, overrides, determinations and drawn answers."""

from __future__ import annotations

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, edit_record, policy, resign
from tests.kit.cases import PAGE, honest_case, stricter_case, with_page


def test_an_override_stands_on_page_one() -> None:
    case = with_page(stricter_case())
    front = case.members[PAGE].decode().partition('class="axis"')[0]
    assert "Overridden:" in front
    assert 'data-pointer="/override/reason">The toy is new.<' in front
    assert ">restricted<" in front
    outcomes = verify(case.to_bytes(), policy(), at=AT).outcomes()
    pages = {name: outcome for name, outcome in outcomes.items() if name.startswith("REN")}
    assert set(pages.values()) == {Outcome.PASS}


def test_a_threshold_is_shown_with_its_bounds() -> None:
    page = with_page(honest_case()).members[PAGE].decode()
    for part in ("determination", "low", "high", "threshold"):
        assert f'data-pointer="/results/decision/determinations/0/{part}"' in page


def test_a_failed_check_is_an_open_defeater_on_the_page() -> None:
    altered = resign(edit_record(honest_case(), "/results/axes/0/rates/0/counted", 3))
    page = with_page(altered).members[PAGE].decode()
    assert "No more than this may be said: The file reports, and recomputation" in page
    assert "Open defeaters" in page
    assert '<a href="#check-STA-001">STA-001</a></td><td>FAIL</td>' in page


def test_the_drawn_answers_are_on_the_page() -> None:
    page = with_page(honest_case()).members[PAGE].decode()
    assert "Answers drawn at random" in page
    assert 'data-pointer="samples.json#/0/output"' in page
