"""A check that fails shows on the verdict as an open defeater, and weakens the sentence."""

from __future__ import annotations

import pytest

from safetycase.report.text import render_text
from safetycase.report.verdict_json import document
from safetycase.verify.engine import verify
from safetycase.verify.outcome import ClaimVerdict, Outcome, Verdict
from tests.kit.builder import AT, KitCase, edit_record, edit_row, honest_case, policy, resign
from tests.kit.cases import failing_case, lenient


def _verdict(case: KitCase) -> Verdict:
    return verify(resign(case).to_bytes(), lenient(), at=AT)


def _claims(verdict: Verdict) -> tuple[ClaimVerdict, ClaimVerdict]:
    watched, knowledge = verdict.claims
    return watched, knowledge


def _doubts(claim: ClaimVerdict) -> dict[str, Outcome]:
    return {doubt.check: doubt.outcome for doubt in claim.open_defeaters}


STATED = "/results/axes/0/rates/0/counted"


def test_a_failed_check_of_one_axis_defeats_its_claim_alone() -> None:
    verdict = _verdict(edit_record(honest_case(), STATED, 3))
    watched, knowledge = _claims(verdict)
    assert _doubts(watched)["STA-001"] is Outcome.FAIL
    assert "STA-001" not in _doubts(knowledge)
    assert watched.open_defeaters[0].sentence in {
        found.sentence for found in verdict.findings["STA-001"]
    }
    assert watched.sentence.startswith("The file reports, and recomputation does not bear out")
    assert "raises the rate" in watched.wording
    assert "raises the rate" not in watched.sentence
    assert knowledge.sentence.endswith(knowledge.wording)


def test_a_failed_check_of_the_whole_case_defeats_every_claim() -> None:
    row = next(n for n, r in enumerate(honest_case().rows("generations")) if r.tokens)
    verdict = _verdict(edit_row(honest_case(), "generations", row, tokens=99))
    assert all(_doubts(claim)["EVI-004"] is Outcome.FAIL for claim in verdict.claims)


def test_an_honest_case_has_only_doubts_above_its_tier() -> None:
    for claim in _verdict(honest_case()).claims:
        assert claim.tier == "recomputed"
        unasked = {"GRD-001", "GRD-002"} if claim.axis == "watched" else set()
        assert _doubts(claim) == dict.fromkeys(
            {"ORD-001", "ORD-003", *unasked}, Outcome.UNKNOWN
        )
        assert claim.sentence == (
            f"Recomputed from the published rows, and not shown to be sound: {claim.wording}"
        )


def test_a_case_that_is_not_intact_says_nothing_and_names_what_stopped_it() -> None:
    verdict = verify(edit_record(honest_case(), STATED, 3).to_bytes(), policy(), at=AT)
    for claim in verdict.claims:
        assert set(_doubts(claim)) == {"INT-001"}
        assert claim.sentence == claim.wording == "Not derived: the case is not intact."


@pytest.mark.parametrize("case", [honest_case, failing_case])
def test_text_and_json_list_the_open_defeaters(case: object) -> None:
    assert callable(case)
    verdict = _verdict(edit_record(case(), STATED, 3))
    text = render_text(verdict, width=400)
    told = document(verdict, file="toy.safetycase")["claims"]
    assert isinstance(told, tuple)
    for claim, spelled in zip(verdict.claims, told, strict=True):
        assert claim.sentence in text
        assert spelled["sentence"] == claim.sentence
        assert [d["check"] for d in spelled["open_defeaters"]] == list(_doubts(claim))
        for doubt in claim.open_defeaters:
            assert f"open: {doubt.check} " in text
            assert doubt.sentence in text
