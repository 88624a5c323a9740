"""Honest cases pass every check, whether their claims hold or not, and say which."""

from __future__ import annotations

import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.grid import NAMED_ROLES
from safetycase.tables.rows import ANSWER_KINDS, path_of
from safetycase.verify.checks import all_checks
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from tests.kit import cases
from tests.kit.beside_cases import without_feature
from tests.kit.builder import AT, REVIEWER, KitCase, build_case, honest_case, policy
from tests.kit.cases import HONEST
from tests.kit.operation_cases import scaled_plan
from tests.kit.redacted import opens_cells, opens_texts, texts_withheld
from tests.kit.toy_order import (
    awaited_case,
    logged_case,
    stamped_case,
    trusting,
    trusts_all,
    witnessed_case,
)
from tests.kit.toy_replay import replayed, replayed_case, reviewed
from tests.kit.toy_world import ToyWorld
from tests.kit.trial import NEVER_ANSWERED

NOT_APPLICABLE = {
    "REN-001": "without a page",
    "REN-002": "without a page",
    "REN-003": "without a page",
    "CLM-007": "under a policy that asks for no claim to hold",
    "CLM-009": "where nobody sets another tier",
    "BES-003": "without a manipulation check on the claim's own items",
    "CTL-001": "where the plan asks for no simpler intervention",
    "CTL-002": "where the plan asks for no comparison at equal damage",
    "CTL-003": "where the claim is not tested among controls of equal damage",
    "FEA-008": "where the plan asks for no neighbours",
    "FEA-009": "where the case has no figures of single prompts",
    "FEA-010": "where the plan asks for no groups",
    "ORD-004": "where the plan waits for no value",
    "ORD-005": "without a receipt of the plan",
    **{f"RED-00{number}": "where nothing is withheld" for number in range(1, 5)},
    **{f"TRC-00{number}": "where the plan asks for no traces" for number in range(1, 7)},
}
WITHOUT_SAFEGUARD = {"IVN-007"}
NOTHING_EDITED = WITHOUT_SAFEGUARD | {
    "BES-002", "EVI-003", "FEA-002", "FEA-003", "FEA-004", "FEA-005", "FOR-001", "FOR-003",
    "FOR-004", "FOR-006", "IVN-005", "IVN-006",
}  # fmt: skip
"""Checks of labels and edits, where the search finds no feature at all."""
ALSO_NOT_APPLICABLE = {
    "no feature on one axis": WITHOUT_SAFEGUARD,
    "no feature at all": NOTHING_EDITED,
    "one outcome alone": WITHOUT_SAFEGUARD,
}
JUDGES = {"GRD-004", "GRD-005", "GRD-006"}
GRADERS = {"GRD-001", "GRD-002"}
GRADERS_TRIED = {
    "graders tried", "a judge", "a witnessed plan", "a plan before a beacon's round",
}  # fmt: skip
TRACED = {f"TRC-00{number}" for number in range(1, 7)}
ANSWERED = {
    "with a page": {"REN-001", "REN-002", "REN-003"},
    "overridden, stricter": {"CLM-009"},
    "strata": {"BES-003"},
    "every control": {"CTL-001", "CTL-002", "CTL-003"},
    "audit traces": {"FEA-008", "FEA-009", *TRACED},
    "given texts": {"CTL-001"},
    "in conversations": {"CTL-001"},
    "classes by outcome": {"CTL-001"},
    "scaled and clamped": TRACED,
    "projected out": TRACED,
    "on the reconstruction": {"CTL-001", *TRACED},
    "projected out of the reconstruction": {"CTL-001", *TRACED},
    "the better of two edits": TRACED,
    "in bfloat16": TRACED,
    "in bfloat16, next to nothing": TRACED,
    "in bfloat16, scaled and clamped": TRACED,
    "in bfloat16, on the reconstruction": {"CTL-001", *TRACED},
    "a dictionary of two blocks": TRACED,
    "errors held in two blocks": TRACED,
    "dictionaries taken as one": {"FEA-008", "FEA-009", *TRACED},
    "a refusal direction": {"CTL-001", *TRACED},
    "a refusal direction at every layer": {"CTL-001", *TRACED},
    "a refusal direction by outcome": {"CTL-001"},
    "groups": {"FEA-010", *TRACED},
    "a witnessed plan": {"ORD-004", "ORD-005"},
    "a plan before a beacon's round": {"ORD-004"},
}
"""Honest cases in which those questions arise."""
NOT_MEASURED_AGAIN = {"REP-001", "REP-002", "REP-003"}


def answers_of(case: KitCase) -> int:
    return sum(len(case.rows(kind)) for kind in ANSWER_KINDS if path_of(kind) in case.members)


def verdict_on(case: KitCase) -> Verdict:
    return verify(case.to_bytes(), cases.lenient(), at=AT)


@pytest.mark.parametrize("name", HONEST)
def test_every_check_passes_or_is_declared_not_to(name: str) -> None:
    verdict = verdict_on(HONEST[name]())
    assert verdict.exit_code == 0
    by_outcome: dict[Outcome, set[str]] = {}
    for check, outcome in verdict.outcomes().items():
        by_outcome.setdefault(outcome, set()).add(check)
    assert set(by_outcome) <= {Outcome.PASS, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE}
    tried = GRADERS if name in GRADERS_TRIED else set[str]()
    assert by_outcome[Outcome.UNKNOWN] == NEVER_ANSWERED - tried
    absent = set(NOT_APPLICABLE) - ANSWERED.get(name, set())
    absent |= ALSO_NOT_APPLICABLE.get(name, set())
    absent |= set() if tried else {"GRD-003"}
    absent |= set() if name == "a judge" else JUDGES
    assert by_outcome[Outcome.NOT_APPLICABLE] == absent | NOT_MEASURED_AGAIN
    assert {claim.tier for claim in verdict.claims} == {"recomputed"}


def test_every_check_passes_on_some_honest_case() -> None:
    """A check that never passes refuses the honest too: give it an honest case in HONEST."""
    passing: set[str] = set()
    for build in HONEST.values():
        for under in (policy(), cases.lenient()):
            outcomes = verify(build().to_bytes(), under, at=AT).outcomes()
            passing |= {check for check, outcome in outcomes.items() if outcome is Outcome.PASS}
    outcomes = verify(replayed_case().to_bytes(), reviewed(), at=AT).outcomes()
    redacted = texts_withheld()
    singly = opens_cells(redacted, 0, columns=("output", "nll"))
    for escrow in (opens_texts(redacted), singly):
        opened = verify(redacted.to_bytes(), policy(), at=AT, escrow=escrow)
        passing |= {c for c, outcome in opened.outcomes().items() if outcome is Outcome.PASS}
    passing |= {check for check, outcome in outcomes.items() if outcome is Outcome.PASS}
    ordered = verify(witnessed_case().to_bytes(), trusts_all(), at=AT).outcomes()
    passing |= {check for check, outcome in ordered.items() if outcome is Outcome.PASS}
    assert passing == set(all_checks())


@pytest.mark.parametrize(
    ("name", "holds", "opening"),
    [
        ("small effect", False, ("No effect was shown", "A change was observed on these")),
        ("ceiling", False, "No effect was shown"),
        ("no effect", False, "No effect was shown"),
        ("ties", True, "As released, editing 2 features"),
        ("no feature on one axis", False, "No feature was found: none of 64 candidates"),
        ("no feature at all", False, "No feature was found: none of 64 candidates"),
    ],
)
def test_what_was_not_shown_is_not_said(
    name: str, holds: bool, opening: str | tuple[str, ...]
) -> None:
    claim = verdict_on(HONEST[name]()).claims[0]
    assert claim.holds is holds
    assert claim.wording.startswith(opening)


def test_a_reviewer_who_agrees_answers_for_the_rows_and_not_for_the_plan() -> None:
    verdict = verify(replayed_case().to_bytes(), reviewed(), at=AT)
    assert verdict.exit_code == 0
    assert verdict.outcomes()["ORD-003"] is Outcome.PASS
    drawn = f"of 59 drawn from all {answers_of(replayed_case()):,} rows of the case"
    for claim in verdict.claims:
        unasked = ("GRD-001", "GRD-002") if claim.axis == "watched" else ()
        assert (claim.tier, claim.lowered_by) == ("recomputed", ("ORD-001", *unasked))
        [told] = claim.re_executed
        assert told.startswith(f"Re-executed by {REVIEWER}: {drawn}, none differs: at most ")
        assert told.endswith("(each at 95 % confidence).")


ORDERED = {
    "witnessed": (witnessed_case, "witness received the plan at 2026-11-22T09:00:00Z"),
    "stamped": (stamped_case, "The plan was seen by clock at 2026-11-21T12:00:00Z"),
    "logged": (
        logged_case,
        "The plan was seen by witness.example/classic, witness.example/mod",
    ),
    "both": (awaited_case, "The plan was seen by witness.example/classic, witness.example/mod"),
}


@pytest.mark.parametrize("name", ORDERED)
def test_a_plan_that_somebody_saw_before_its_draws_makes_claims_sound(name: str) -> None:
    build, told = ORDERED[name]
    verdict = verify(build().to_bytes(), trusts_all(), at=AT)
    assert verdict.exit_code == 0
    assert [claim.tier for claim in verdict.claims] == ["sound", "sound"]
    assert all(claim.lowered_by == ("ORD-003",) for claim in verdict.claims)
    assert verdict.order is not None
    assert verdict.order.startswith(told)


def test_a_reviewer_makes_claims_reproduced_that_were_sound() -> None:
    verdict = verify(replayed(witnessed_case()).to_bytes(), trusts_all(), at=AT)
    assert verdict.exit_code == 0
    assert [claim.tier for claim in verdict.claims] == ["reproduced", "reproduced"]


@pytest.mark.parametrize("name", ORDERED)
def test_whom_the_policy_does_not_name_proves_nothing_and_refuses_nothing(name: str) -> None:
    verdict = verify(ORDERED[name][0]().to_bytes(), cases.lenient(), at=AT)
    assert verdict.exit_code == 0
    assert {claim.tier for claim in verdict.claims} == {"recomputed"}
    assert verdict.order is None
    assert verdict.outcomes()["ORD-001"] is Outcome.UNKNOWN


def test_a_beacon_without_anybody_who_saw_the_plan_proves_nothing() -> None:
    without = trusting(authorities=None, transparency=None, minimum_tier="recomputed")
    verdict = verify(awaited_case().to_bytes(), without, at=AT)
    assert verdict.outcomes()["ORD-001"] is Outcome.UNKNOWN
    assert (
        "Who fixed the plan may have known the round" in verdict.findings["ORD-001"][0].sentence
    )


def test_a_reviewer_whom_the_policy_does_not_name_counts_for_nothing() -> None:
    verdict = verify(replayed_case().to_bytes(), policy(), at=AT)
    assert verdict.exit_code == 0
    assert verdict.outcomes()["ORD-003"] is Outcome.UNKNOWN
    assert {claim.re_executed for claim in verdict.claims} == {()}


def test_too_few_rows_are_told_and_are_not_enough() -> None:
    verdict = verify(replayed(honest_case(), rows=10).to_bytes(), reviewed(), at=AT)
    assert verdict.exit_code == 0
    assert verdict.outcomes()["ORD-003"] is Outcome.UNKNOWN
    found = {finding.axis: finding.found for finding in verdict.findings["ORD-003"]}
    assert set(found) == {None, "watched", "knowledge"}
    drawn = f"of 10 drawn from all {answers_of(honest_case()):,} rows of the case"
    assert str(found[None]).startswith(f"{drawn}, none differs: at most ")


def test_a_second_reviewer_can_make_up_for_a_small_first_sample() -> None:
    small = replayed(honest_case(), rows=10, name="statements/replay-small.dsse.json")
    verdict = verify(replayed(small).to_bytes(), reviewed(), at=AT)
    assert verdict.outcomes()["ORD-003"] is Outcome.PASS
    assert [len(claim.re_executed) for claim in verdict.claims] == [2, 2]


def test_a_reviewer_who_finds_otherwise_is_not_outvoted() -> None:
    other = replayed(honest_case(), toy=ToyWorld(8), name="statements/replay-other.dsse.json")
    verdict = verify(replayed(other).to_bytes(), reviewed(), at=AT)
    assert verdict.failing() == ("ORD-003",)
    assert verdict.exit_code == 1


def test_the_case_id_does_not_change_when_a_statement_is_attached() -> None:
    first, second = (
        verify(case.to_bytes(), policy(), at=AT) for case in (honest_case(), replayed_case())
    )
    assert first.case_id == second.case_id
    assert first.archive_sha256 != second.archive_sha256


def test_the_passing_case_holds_and_is_released() -> None:
    verdict = verify(honest_case().to_bytes(), policy(), at=AT)
    assert verdict.exit_code == 0
    assert [claim.holds for claim in verdict.claims] == [True, True]
    assert verdict.claims[0].wording.startswith("As released, editing 2 features")
    assert verdict.claims[1].wording.startswith("In the laboratory, editing 2 features")
    assert verdict.decision_tier == "general"


def test_controls_that_move_as_much_leave_only_a_perturbation() -> None:
    verdict = verdict_on(cases.failing_case())
    watched, knowledge = verdict.claims
    assert (watched.holds, knowledge.holds) == (False, True)
    assert watched.wording.startswith("Outputs changed under perturbation: ")
    assert "exceeds_random_direction" in watched.wording
    assert verdict.decision_tier == "restricted"


def test_a_null_claim_needs_its_manipulation() -> None:
    verdict = verdict_on(cases.unmoved_case())
    watched, knowledge = verdict.claims
    assert (watched.holds, knowledge.holds) == (True, False)
    assert knowledge.wording.startswith("Nothing follows about wrong answers: ")
    assert "moves.probe" in knowledge.wording
    assert verdict.decision_tier == "restricted"


def test_a_failing_case_is_refused_where_claims_must_hold() -> None:
    verdict = verify(cases.failing_case().to_bytes(), policy(), at=AT)
    assert verdict.failing() == ("CLM-007",)
    assert verdict.exit_code == 1


def test_two_claims_are_corrected_together() -> None:
    axes = cases.two_claims_case().record["results"]["axes"]
    corrected = [axis["claim"]["p_adjusted"] for axis in axes if "p" in axis["claim"]]
    plain = [axis["claim"]["p"] for axis in axes if "p" in axis["claim"]]
    assert corrected == [2 * min(plain), 2 * min(plain)]


def test_a_page_tells_of_clusters_and_is_held_to_them() -> None:
    paged = cases.with_page(cases.clustered_case())
    verdict = verdict_on(paged)
    assert verdict.exit_code == 0
    assert verdict.outcomes()["REN-002"] is Outcome.PASS
    stated = paged.record["results"]["axes"][0]["comparisons"][0]["clustered"]["clusters"]
    page = paged.members[cases.PAGE].decode()
    assert f'comparisons/0/clustered/clusters">{stated}</span> clusters' in page
    assert f", in {stated} clusters)" in verdict.claims[0].wording


def test_the_same_case_is_built_twice() -> None:
    first, second = honest_case(), build_case()
    statement = "statements/case.dsse.json"
    assert first.with_members({statement: None}) == second.with_members({statement: None})


def test_an_axis_without_a_feature_has_no_arms_and_decides_nothing() -> None:
    case = HONEST["no feature on one axis"]()
    watched, knowledge = case.record["results"]["axes"]
    assert not {"intervention", "intervention_digest"} & set(watched)
    assert (watched["arms"], watched["dose_response"], watched["comparisons"]) == ([], [], [])
    assert {rate["arm"] for rate in watched["rates"]} == {"baseline"}
    assert not any(row.arm.startswith("watched/") for row in case.rows("generations"))
    assert [c["id"] for c in watched["claim"]["conditions"]] == ["feature_found"]
    assert (watched["claim"]["holds"], knowledge["claim"]["holds"]) == (False, True)
    assert case.record["results"]["decision"]["tier"] == "restricted"


def test_a_claim_that_could_not_be_tested_helps_no_other() -> None:
    """Holm stays over the family of the plan: an axis without a feature counts with p 1."""
    plan = cases.two_claims_plan()
    without_feature(plan["axes"][2])
    axes = build_case(plan).record["results"]["axes"]
    assert axes[2]["claim"]["p"] == 1.0
    assert axes[0]["claim"]["p_adjusted"] == 2 * axes[0]["claim"]["p"]


def test_a_page_says_that_nothing_was_found_and_quotes_the_record() -> None:
    case = cases.with_page(HONEST["no feature at all"]())
    page = case.members[cases.PAGE].decode()
    assert "None was kept" in page
    assert "The intervention, complete" not in page
    outcomes = verdict_on(case).outcomes()
    assert {outcomes["REN-001"], outcomes["REN-002"]} == {Outcome.PASS}


def test_strata_add_up_to_the_whole_effect_and_the_page_says_what_they_are() -> None:
    case = cases.with_page(HONEST["strata"]())
    [watched, knowledge] = case.record["results"]["axes"]
    target = next(c for c in watched["comparisons"] if c["arm"] == "watched/target")
    whole = {name: target[name] for name in ("both", "gained", "lost", "neither")}
    strata = watched["strata"]
    assert [stratum["counted"] for stratum in strata] == [True, False]
    assert sum(stratum["items"] for stratum in strata) == sum(whole.values())
    assert sum(s["before"] for s in strata) == whole["both"] + whole["lost"]
    assert sum(s["after"] for s in strata) == whole["both"] + whole["gained"]
    # The toy's quiz is asked on other items than its probe reads.
    assert "strata" not in knowledge
    page = case.members[cases.PAGE].decode()
    assert "a difference between the rows is no effect of it" in page
    assert "Where the held-out answers went" in page


def test_outcomes_under_an_arm_add_up_to_all_items() -> None:
    watched = honest_case().record["results"]["axes"][0]
    totals: dict[str, int] = {}
    for entry in watched["outcomes"]:
        totals[entry["arm"]] = totals.get(entry["arm"], 0) + entry["counted"]
    rates = {r["arm"]: r for r in watched["rates"] if r["measure"]["outcomes"] == ["unsafe"]}
    assert totals == {arm: rates[arm]["items"] for arm in totals}
    assert list(totals) == ["baseline", *(f"watched/{role}" for role in NAMED_ROLES)]


def test_a_gain_of_refusals_alone_is_no_gain() -> None:
    watched, knowledge = verdict_on(HONEST["refusals alone"]()).claims
    assert not watched.holds
    assert "It is no gain: it is not shown that more than refusal" in watched.wording
    assert not knowledge.holds
    assert "keeps.off_target.watched" in knowledge.wording


def test_other_axes_that_are_kept_are_conditions_that_hold() -> None:
    case = HONEST["other axes kept"]()
    held = [
        {each["id"] for each in axis["claim"]["conditions"] if each["holds"]}
        for axis in case.record["results"]["axes"]
    ]
    assert {"keeps.off_target.knowledge", "more_than_refusal"} <= held[0]
    assert "keeps.off_target.watched" in held[1]
    arms = {row.arm for row in case.rows("generations")}
    assert "knowledge/target" in arms
    assert not any("other axes" in text for text in case.record["limitations"])
    page = cases.with_page(case).members[cases.PAGE].decode()
    assert "off target" in page
    assert page.count("Is it more than refusals") == 1


def test_an_edit_that_meets_nothing_where_its_claim_is_asked_is_refused() -> None:
    """Features of requests are silent in the quiz: that it stays as it is shows nothing."""
    plan = scaled_plan()
    plan["axes"][1]["candidate"]["condition"] = "where_active"
    with pytest.raises(MethodRefused, match="met no activation of its features"):
        build_case(plan)
