"""Every story of a dishonest developer comes to the end that is published for it."""

from __future__ import annotations

from collections import Counter

import pytest

from safetycase.verify.checks import all_checks
from safetycase.verify.outcome import Outcome, Verdict
from tests.kit import fraud_table
from tests.kit.fraud import CAUGHT, FRAUDS, all_frauds
from tests.kit.trial import unknown

ALL = all_frauds()


def outcomes(verdict: Verdict, wanted: Outcome) -> set[str]:
    return {name for name, outcome in verdict.outcomes().items() if outcome is wanted}


def by_end(*ends: str) -> list[str]:
    return [name for name, each in ALL.items() if each.end in ends]


@pytest.mark.parametrize("name", by_end("refused"))
def test_refused_by_the_checks_that_are_named(name: str) -> None:
    verdict = ALL[name].verdict()
    assert ALL[name].by
    assert set(verdict.failing()) >= ALL[name].by
    assert outcomes(verdict, Outcome.ERROR) == set()
    assert verdict.exit_code == 1


@pytest.mark.parametrize("name", by_end("undecided"))
def test_left_undecided_by_the_checks_that_are_named(name: str) -> None:
    verdict = ALL[name].verdict()
    assert verdict.failing() == ()
    assert unknown(verdict) >= ALL[name].by
    assert verdict.exit_code == 3


@pytest.mark.parametrize("name", by_end("weaker words"))
def test_verified_with_words_that_say_less(name: str) -> None:
    verdict = ALL[name].verdict()
    assert verdict.failing() == ()
    weak = [claim for claim in verdict.claims if ALL[name].wording in claim.wording]
    assert weak
    assert not weak[0].holds


@pytest.mark.parametrize("name", by_end("held below sound", "held below reproduced"))
def test_not_told_from_an_honest_case_and_held_at_its_tier(name: str) -> None:
    verdict = ALL[name].verdict()
    assert verdict.exit_code == 0
    assert {claim.tier for claim in verdict.claims} == {"recomputed"}
    assert all("ORD-001" in claim.lowered_by for claim in verdict.claims)


@pytest.mark.parametrize("name", by_end("sound all the same"))
def test_sound_by_the_word_of_somebody_who_was_used(name: str) -> None:
    verdict = ALL[name].verdict()
    assert verdict.exit_code == 0
    assert {claim.tier for claim in verdict.claims} == {"sound"}
    assert verdict.order is not None


def test_the_stories_are_told() -> None:
    assert len(ALL) == len(FRAUDS) >= 29
    assert {name for each in ALL.values() for name in each.by} <= set(all_checks())
    ends = Counter(each.end for each in ALL.values())
    assert sum(ends[end] for end in CAUGHT) >= 20


def test_the_page_of_attacks_tells_them() -> None:
    page = "\n".join(fraud_table.section())
    assert all(f"`{name}`" in page for name in ALL)
