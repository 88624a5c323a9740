"""A failed condition weakens the sentence, and the sentence never outruns its conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from safetycase.methods.claims import Findings, adjust, claim_p, conditions
from safetycase.methods.wording import observed, weakened, wording
from safetycase.record.control_tests import ControlTest
from safetycase.record.identification import Identification, LabelScore, SelectedFeature
from safetycase.record.planned_evaluation import Measure
from safetycase.record.results import (
    Comparison,
)
from safetycase.verify.outcome import TIERS
from tests.unit.methods.plans import plan_data, plan_of

UNSAFE = Measure(evaluation="ask", outcomes=("unsafe",))
INCOHERENT = Measure(evaluation="ask", outcomes=("incoherent",))
AWARE = Measure(evaluation="ask", outcomes=("aware",))
WRONG = Measure(evaluation="ask", outcomes=("other",))


def _comparison(role: str, measure: Measure, **changes: Any) -> Comparison:
    facts: dict[str, Any] = {
        "arm": f"axis/{role}",
        "measure": measure,
        "both": 5,
        "gained": 0,
        "lost": 0,
        "neither": 195,
        "difference": 0.0,
        "low": -0.02,
        "high": 0.02,
        "p": 1.0,
    }
    return Comparison(**(facts | changes))


STRONG = {
    "gained": 150,
    "neither": 45,
    "difference": 0.75,
    "low": 0.68,
    "high": 0.81,
    "p": 1e-40,
}


def _plan(**axis: Any) -> Any:
    data = plan_data()
    data["axes"][0] |= axis
    return plan_of(data)


FEATURE = SelectedFeature(
    feature=7,
    auroc=0.99,
    p=1e-30,
    p_adjusted=1e-28,
    density=0.5,
    held_out_auroc=0.98,
    label=("test",),
    label_score=LabelScore(
        detection=0.9, fuzzing=0.9, null_detection=0.6, active=10, silent=10, supported=True
    ),
)


def _controls(**changes: Any) -> tuple[ControlTest, ...]:
    facts: dict[str, Any] = {
        "controls": 39,
        "silent": 0,
        "as_large": 0,
        "largest": 0.1,
        "median": 0.0,
        "p": 1 / 40,
    }
    return (
        ControlTest(family="random_live", **facts),
        ControlTest(family="random_direction", **(facts | changes)),
    )


def _findings(plan: Any, *extra: Comparison, **changes: Any) -> Findings:
    base = {
        (c.arm, c.measure): c
        for c in (
            _comparison("target", UNSAFE, **STRONG),
            _comparison("sham", UNSAFE),
            _comparison("reconstruction", UNSAFE),
            _comparison("opposite", UNSAFE),
            _comparison("best_of", UNSAFE, gained=20, difference=0.1),
            _comparison("target", INCOHERENT),
            *extra,
        )
    }
    identification = Identification(
        candidates=100, significant=3, positive_items=50, negative_items=50, features=(FEATURE,)
    )
    found = Findings(
        axis=plan.axes[0],
        identification=identification,
        rates=(),
        comparisons=tuple(base.values()),
        controls=_controls(),
        shipped=False,
    )
    return replace(found, **changes)


def _said(plan: Any, findings: Findings) -> tuple[set[str], str]:
    (adjusted,) = adjust([claim_p(findings)])
    met = conditions(plan, findings, adjusted)
    return {c.id for c in met if not c.holds}, wording(plan, findings, met)


@pytest.mark.parametrize(
    ("grouped", "edited"),
    [
        (0, "editing 1 feature of dict "),
        (1, "editing 1 feature of dict and 1 decoder neighbour "),
        (3, "editing 1 feature of dict and 3 decoder neighbours "),
    ],
)
def test_what_groups_bring_in_is_said_with_the_edit(grouped: int, edited: str) -> None:
    plan = _plan()
    _, sentence = _said(plan, _findings(plan, grouped=grouped))
    assert f"In the laboratory, {edited}" in sentence


def test_all_conditions_met_says_what_the_intervention_does() -> None:
    plan = _plan()
    failed, sentence = _said(plan, _findings(plan))
    assert failed == set()
    assert sentence.startswith(
        "In the laboratory, editing 1 feature of dict raises the rate of unsafe answers: "
        "5 of 200 (2.5 %) before, 155 of 200 (77.5 %) after, difference +75.0 points "
    )


@pytest.mark.parametrize(
    "elsewhere",
    [("incoherent",), ("incoherent", "other")],
    ids=["alone", "beside another outcome"],
)
def test_coherence_is_that_of_the_claims_own_answers(elsewhere: tuple[str, ...]) -> None:
    """Answers to other questions have conditions of their own, whatever is counted in them."""
    other = Measure(evaluation="skills", outcomes=elsewhere)
    plan = _plan()
    found = _findings(plan, _comparison("target", other, high=0.5))
    first = sorted(found.comparisons, key=lambda c: c.measure != other)
    assert _said(plan, replace(found, comparisons=first))[0] == set()
    unread = [c for c in first if c.measure != INCOHERENT]
    met = conditions(plan, replace(found, comparisons=unread), 0.01)
    assert "coherent" not in {condition.id for condition in met}


@pytest.mark.parametrize(
    ("findings", "condition", "opening"),
    [
        (
            {"controls": _controls(as_large=20, largest=0.8, p=21 / 40)},
            "exceeds_random_direction",
            "Outputs changed under perturbation",
        ),
        (
            {"controls": _controls(silent=1)},
            "exceeds_random_direction",
            "Outputs changed under perturbation",
        ),
        (
            {"extra": _comparison("sham", UNSAFE, gained=1)},
            "sham_is_baseline",
            "Outputs changed",
        ),
        (
            {"extra": _comparison("best_of", UNSAFE, difference=0.75)},
            "exceeds_best_of",
            "Outputs changed",
        ),
        (
            {"extra": _comparison("opposite", UNSAFE, difference=0.4)},
            "sign_matters",
            "Outputs changed",
        ),
        (
            {"extra": _comparison("reconstruction", UNSAFE, difference=0.375)},
            "exceeds_reconstruction",
            "Outputs changed",
        ),
        (
            {"extra": _comparison("target", INCOHERENT, high=0.11)},
            "coherent",
            "Outputs changed",
        ),
        (
            {"extra": _comparison("target", UNSAFE, **(STRONG | {"low": 0.09}))},
            "large_enough",
            "A change was observed on these items",
        ),
        (
            {"extra": _comparison("target", UNSAFE, difference=0.02, p=0.4)},
            "significant",
            "No effect was shown",
        ),
        (
            {"extra": _comparison("target", UNSAFE, difference=-0.5, low=-0.6, p=1e-20)},
            "significant",
            "No effect was shown",
        ),
    ],
)
def test_each_failed_condition_weakens_the_sentence(
    findings: dict[str, Any], condition: str, opening: str
) -> None:
    plan = _plan()
    extra = [findings.pop("extra")] if "extra" in findings else []
    failed, sentence = _said(plan, _findings(plan, *extra, **findings))
    assert condition in failed
    assert sentence.startswith(opening)
    assert "raises the rate" not in sentence


def test_a_deployed_claim_that_is_not_shipped_stays_in_the_laboratory() -> None:
    plan = _plan(purpose="deployed")
    failed, sentence = _said(plan, _findings(plan))
    assert failed == {"shipped"}
    assert sentence.startswith("In the laboratory, ")
    failed, sentence = _said(plan, _findings(plan, shipped=True))
    assert failed == set()
    assert sentence.startswith("As released, ")


SIDE_EFFECT = {
    "id": "capability",
    "title": "skill",
    "measure": {"evaluation": "ask", "outcomes": ["other"]},
    "worse": "up",
    "margin": 0.05,
}
MEDIATOR = {
    "id": "awareness",
    "title": "awareness",
    "measure": {"evaluation": "ask", "outcomes": ["aware"]},
    "direction": "down",
    "at_least": 0.5,
}


def _nothing(positive: int, negative: int, candidates: int, **rule: Any) -> str:
    """What is said where nothing was found by this rule."""
    data = plan_data()
    choice = {"id": "quiz", "dataset": "items", "title": "quiz", "measure": {"kind": "choice"}}
    data["evaluations"].append(choice)
    selection = data["axes"][0]["selection"]
    selection |= rule
    plan = plan_of(data)
    found = Identification(
        candidates=candidates,
        significant=0,
        positive_items=positive,
        negative_items=negative,
        features=(),
        least_p_adjusted=0.5 if candidates else None,
    )
    findings = Findings(
        axis=plan.axes[0],
        identification=found,
        rates=(),
        comparisons=(),
        controls=(),
        shipped=False,
    )
    return wording(plan, findings, conditions(plan, findings, None))


BY_OUTCOME = {
    "dataset": "items",
    "label": "outcome",
    "measure": {"evaluation": "ask", "outcomes": ["refusal"]},
}


def test_what_was_not_found_is_told_by_what_was_sought() -> None:
    assert _nothing(9, 8, 70).startswith(
        "No feature was found: none of 70 candidates of dict tells yes from the rest on 9 and "
        "8 discovery items (smallest corrected p = 0.5, alpha 0.05). Nothing was edited"
    )
    assert _nothing(1, 30, 0, contrast=BY_OUTCOME).startswith(
        "No feature was found: 1 discovery items are prompts with outcome refusal of ask, and "
        "30 are not, too few to be told apart. Nothing was edited"
    )
    assert "tells prompts with outcome refusal of ask from the rest" in _nothing(
        5, 5, 7, contrast=BY_OUTCOME
    )
    for direction, does in (("up", "raises"), ("down", "lowers")):
        sought = {"evaluation": "quiz", "direction": direction}
        said = _nothing(9, 8, 70, statistic="attribution", attribution=sought)
        assert f"of dict {does} the log-odds of quiz, to first order, on 17 discovery" in said


@pytest.mark.parametrize(("high", "fails"), [(0.049, False), (0.05, True)])
def test_a_side_effect_must_stay_inside_its_margin(high: float, fails: bool) -> None:
    plan = _plan(side_effects=[SIDE_EFFECT])
    failed, _ = _said(plan, _findings(plan, _comparison("target", WRONG, high=high)))
    assert failed == ({"keeps.capability"} if fails else set())


def test_a_null_claim_says_nothing_unless_the_manipulation_worked() -> None:
    claim = plan_data()["axes"][0]["claim"] | {"kind": "no_harmful_change"}
    plan = _plan(claim=claim, mediators=[MEDIATOR])
    flat = _comparison("target", UNSAFE)
    suppressed = _comparison("target", AWARE, difference=-0.8, high=-0.7)
    failed, sentence = _said(plan, _findings(plan, flat, suppressed))
    assert failed == set()
    assert "does not move the rate of unsafe answers by more than 2.0 points" in sentence
    barely = _comparison("target", AWARE, difference=-0.5, high=-0.4)
    failed, sentence = _said(plan, _findings(plan, flat, barely))
    assert failed == {"moves.awareness"}
    assert sentence.startswith("Nothing follows about unsafe answers")
    loose = _comparison("target", UNSAFE, high=0.11)
    failed, sentence = _said(plan, _findings(plan, loose, suppressed))
    assert failed == {"bounded"}
    assert sentence.startswith("No harmful change could be excluded")


def test_the_family_of_claims_is_corrected_together() -> None:
    assert adjust([0.03, None, 0.02]) == [0.04, None, 0.04]


TIERS_AND_OPENINGS = {
    "asserted": "Somebody says so, and nothing of it was confirmed: 5 of 200",
    "intact": "The file reports, and recomputation does not bear out: 5 of 200",
    "recomputed": "Recomputed from the published rows, and not shown to be sound: In the lab",
    "sound": "Recomputed, and planned beforehand; nobody else has measured it: In the lab",
    "reproduced": "In the laboratory, editing 1 feature of dict raises the rate",
}


@pytest.mark.parametrize(("tier", "opening"), TIERS_AND_OPENINGS.items())
def test_each_tier_has_its_words(tier: str, opening: str) -> None:
    plan = _plan()
    findings = _findings(plan)
    _, sentence = _said(plan, findings)
    said = weakened(tier, sentence, observed(plan, findings))
    assert said.startswith(opening)
    assert ("raises" in said) == (tier in {"recomputed", "sound", "reproduced"})


def test_every_tier_of_a_verdict_has_words() -> None:
    assert tuple(TIERS_AND_OPENINGS) == TIERS


def test_a_tier_of_a_later_version_is_taken_for_the_least() -> None:
    assert weakened("perfect", "W", "F") == weakened("asserted", "W", "F")
    assert "W" not in weakened("perfect", "W", "F")
