"""Every attack is refused by exactly the checks declared for it, or held at its tier."""

from __future__ import annotations

import pytest

from safetycase.verify.checks import all_checks
from safetycase.verify.outcome import Outcome, Verdict
from tests.kit import table
from tests.kit.builder import KitCase
from tests.kit.register import ATTACKS, Attack, attack, register_all
from tests.kit.trial import (
    base_verdict,
    failing,
    must_turn_unknown,
    tried,
    tried_as_outsider,
    turned_unknown,
)

ALL = list(register_all().values())
REFUSED = [each for each in ALL if each.refused_by]
WITHOUT_KEY = [each for each in ALL if each.character == "insider" and each.as_outsider]
UNDECIDED = [each for each in ALL if each.undecided]
HARMLESS = [each for each in ALL if each.harmless]
FORGERS = [each for each in ALL if each.character == "forger"]

REQUIRED_INSIDERS = {
    "feature-cherry-picked",
    "dose-changed",
    "held-out-row-dropped",
    "label-swapped",
    "control-rows-copied-from-another-arm",
    "silent-control",
    "control-direction-silent",
    "plan-edited-but-not-the-run",
    "rate-rounded-in-our-favour",
    "null-claim-without-suppression",
    "p-value-edited",
    "interval-narrowed",
    "multiplicity-skipped",
    "claim-wording-strengthened",
    "failed-condition-hidden",
    "decision-tier-raised",
    "item-moved-to-the-held-out-split",
    "item-name-twice",
    "item-dropped-everywhere",
    "incoherent-answers-recoded-as-refusals",
    "control-redrawn",
    "direction-altered",
    "decoder-row-altered",
    "activations-edited-to-favour-a-feature",
    "probe-residuals-edited",
    "held-out-auroc-raised",
    "label-invented",
    "label-prediction-flipped",
    "failed-self-test-shown-as-passed",
    "self-test-left-out",
    "mitigation-measured-but-not-shipped",
    "safeguard-with-another-digest",
    "dictionary-digest-swapped",
    "model-file-swapped",
    "environment-removed",
    "limitation-removed",
    "defeater-marked-mitigated",
    "argument-node-removed",
    "opposite-sign-dropped",
    "sham-that-differs",
    "hook-that-never-fired",
}
"""Attacks that the issue and methodology.md ask for by name."""


def names(attacks: list[Attack]) -> list[str]:
    return [each.name for each in attacks]


def errors(verdict: Verdict) -> list[str]:
    return [r.findings[0].sentence for r in verdict.results if r.outcome is Outcome.ERROR]


def test_the_kit_is_complete() -> None:
    assert len(ALL) == len(ATTACKS) >= 232
    assert len(WITHOUT_KEY) >= 100
    assert len(REFUSED) - len(WITHOUT_KEY) >= 40
    assert len(FORGERS) >= 12
    assert set(names(HARMLESS)) == {
        "extension-that-claims",
        "late-stamp-beside-the-right-one",
        "receipt-by-a-stranger-beside-the-right-one",
        "replay-by-a-stranger",
        "second-statement",
        "unknown-signature-beside-the-right-ones",
    }


def test_the_attacks_asked_for_are_there() -> None:
    insiders = {each.name for each in ALL if each.character == "insider"}
    assert insiders >= REQUIRED_INSIDERS
    assert "report-figure-changed" in ATTACKS


@pytest.mark.parametrize("name", names(REFUSED))
def test_refused_by_exactly_the_declared_checks(name: str) -> None:
    tested = ATTACKS[name]
    verdict = tried(tested)
    assert errors(verdict) == []
    assert failing(verdict) == tested.refused_by
    assert turned_unknown(tested, verdict) == must_turn_unknown(tested)
    assert verdict.exit_code == 1
    assert not verdict.verified


@pytest.mark.parametrize("name", names(UNDECIDED))
def test_left_undecided_by_exactly_the_declared_checks(name: str) -> None:
    verdict = tried(ATTACKS[name])
    assert failing(verdict) == frozenset()
    assert turned_unknown(ATTACKS[name], verdict) == must_turn_unknown(ATTACKS[name])
    assert verdict.exit_code == 3


@pytest.mark.parametrize("name", names(WITHOUT_KEY))
def test_without_the_key_integrity_refuses(name: str) -> None:
    tested = ATTACKS[name]
    verdict = tried_as_outsider(tested)
    assert failing(verdict) == tested.as_outsider
    assert verdict.exit_code == 1
    assert {claim.holds for claim in verdict.claims} <= {None}


def test_only_early_stages_refuse_what_is_not_signed() -> None:
    """An insider's change, not signed again, never gets as far as being recomputed."""
    early = {name for name, check in all_checks().items() if check.stage <= 3}
    for tested in WITHOUT_KEY:
        assert tested.as_outsider is not None
        assert tested.as_outsider <= early, tested.name


@pytest.mark.parametrize("name", names(HARMLESS))
def test_let_through_without_effect(name: str) -> None:
    verdict, honest = tried(ATTACKS[name]), base_verdict(ATTACKS[name])
    assert verdict.outcomes() == honest.outcomes()
    assert verdict.claims == honest.claims
    assert verdict.signers == honest.signers
    assert verdict.decision_tier == honest.decision_tier
    assert verdict.exit_code == 0


@pytest.mark.parametrize("name", names(FORGERS))
def test_a_forger_is_held_at_recomputed(name: str) -> None:
    verdict = tried(ATTACKS[name])
    assert failing(verdict) == frozenset()
    assert verdict.exit_code == 0
    assert verdict.claims
    assert {claim.tier for claim in verdict.claims} == {"recomputed"}
    assert all("ORD-001" in claim.lowered_by for claim in verdict.claims)


def test_every_check_is_made_to_fail() -> None:
    """A check that nothing can make fail proves nothing; those that never fail say why."""
    refusing = {name for each in ALL for name in each.refused_by}
    never = set(all_checks()) - refusing
    assert never == set(table.REFUSED_BY_NOTHING)
    left_open = {name for each in ALL if len(each.unknown) == 1 for name in each.unknown}
    assert never <= left_open


def test_every_recomputing_check_is_the_only_one_to_fail_somewhere() -> None:
    """What a check answers for, it answers for alone: so no check is there twice."""
    alone = {name for each in REFUSED if len(each.refused_by) == 1 for name in each.refused_by}
    later = {name for name, check in all_checks().items() if check.stage > 3}
    assert later - alone == set(table.REFUSED_BY_NOTHING)


def test_a_name_stands_for_one_attack() -> None:
    def label_swapped(_case: KitCase) -> KitCase:
        """What is done.

        What would follow.
        """
        raise AssertionError

    with pytest.raises(ValueError, match="two attacks are named label-swapped"):
        attack("evidence", "insider", refused_by={"EVI-001"})(label_swapped)


def test_an_attack_says_what_would_follow() -> None:
    def unexplained(_case: KitCase) -> KitCase:
        """What is done, and no more."""
        raise AssertionError

    with pytest.raises(ValueError, match="and its effect"):
        attack("evidence", "insider", refused_by={"EVI-001"})(unexplained)


def test_an_attack_names_checks_that_exist() -> None:
    def refused_by_nobody(_case: KitCase) -> KitCase:
        """What is done.

        What would follow.
        """
        raise AssertionError

    with pytest.raises(ValueError, match="no checks"):
        attack("evidence", "insider", refused_by={"NIL-001"})(refused_by_nobody)


def test_the_page_of_attacks_is_fresh() -> None:
    assert table.PAGE.read_text() == table.page(), "run `python -m tests.kit.table --write`"
    assert table.INDEX.read_bytes() == table.index_json()
