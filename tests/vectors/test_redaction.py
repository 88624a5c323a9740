"""A redacted case: undecided, intact under its own policy, and whole with its escrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from safetycase.verify.policy import Policy, load_policy
from tests.kit.attacks.redaction import failure_hidden_behind_a_redaction
from tests.kit.builder import AT, KitCase, honest_case, keys, policy, resign
from tests.kit.cases import HONEST, lenient
from tests.kit.outcome_cases import one_outcome_case, outcome_case
from tests.kit.redacted import (
    ANN,
    BOB,
    PROMPTS,
    TEXTS,
    addressed,
    for_auditors,
    lengths_coarse,
    lines_of,
    opens_cells,
    opens_for_auditors,
    opens_lengths,
    opens_prompts,
    opens_texts,
    place_of,
    prompts_withheld,
    redacted_from,
    texts_withheld,
)

POLICIES = Path(__file__).resolve().parents[2] / "policies"
REDACTED = {
    "texts": (texts_withheld, opens_texts),
    "prompts": (prompts_withheld, opens_prompts),
    "coarse lengths": (lengths_coarse, opens_lengths),
    "auditors": (for_auditors, opens_for_auditors),
}
RED = ("RED-001", "RED-002", "RED-003")


def shipped(name: str) -> Policy:
    """A shipped policy, as somebody copies it who trusts the kit's signer."""
    fields = load_policy(POLICIES / f"{name}.yaml").spelled()
    trust = {
        "signers": [keys().signer.to_json()],
        "signatures": [{"role": "developer", "threshold": 1}],
    }
    return Policy.model_validate_json(canonical.write(fields | trust))


def outcomes(verdict: Verdict, outcome: Outcome) -> set[str]:
    return {name for name, found in verdict.outcomes().items() if found is outcome}


@pytest.mark.parametrize("name", REDACTED)
def test_without_its_escrow_it_is_undecided_and_intact(name: str) -> None:
    build, _ = REDACTED[name]
    for under in ("baseline", "strict"):
        verdict = verify(build().to_bytes(), shipped(under), at=AT)
        assert verdict.exit_code == 3
        assert {claim.tier for claim in verdict.claims} == {"intact"}
        assert {claim.holds for claim in verdict.claims} == {None}
        assert verdict.decision_tier is None


@pytest.mark.parametrize("name", REDACTED)
def test_it_verifies_under_the_policy_for_redacted_cases(name: str) -> None:
    build, _ = REDACTED[name]
    verdict = verify(build().to_bytes(), shipped("redacted"), at=AT)
    assert verdict.exit_code == 0
    assert {claim.tier for claim in verdict.claims} == {"intact"}
    assert {"RED-001", "RED-002"} <= outcomes(verdict, Outcome.PASS)


@pytest.mark.parametrize("name", REDACTED)
@pytest.mark.parametrize("under", ["baseline", "strict", "redacted"])
def test_with_its_escrow_it_is_what_the_full_case_is(name: str, under: str) -> None:
    build, opens = REDACTED[name]
    case, asked = build(), shipped(under)
    opened = verify(case.to_bytes(), asked, at=AT, escrow=opens(case))
    full = verify(honest_case().to_bytes(), asked, at=AT)
    assert opened.exit_code == full.exit_code == 0
    assert opened.claims == full.claims
    assert opened.decision_tier == full.decision_tier
    differing = {n for n, o in opened.outcomes().items() if o is not full.outcomes()[n]}
    assert differing == set(RED)
    assert set(RED) <= outcomes(opened, Outcome.PASS)


@pytest.mark.parametrize("column", [TEXTS, PROMPTS, "judgements.raw", "items.other"])
@pytest.mark.parametrize(
    "name", ["a judge", "audit traces", "missing answers", "graders tried", "several turns"]
)
def test_of_what_rests_on_withheld_cells_nothing_passes_and_nothing_fails(
    name: str, column: str
) -> None:
    """Everything that passes without the escrow passes on the full case without the column."""
    full = HONEST[name]()
    if column.startswith("judgements") and name != "a judge":
        return
    made = redacted_from(full, column)
    case = resign(KitCase(made.members))
    closed = verify(case.to_bytes(), lenient(), at=AT)
    opened = verify(case.to_bytes(), lenient(), at=AT, escrow=made.escrow)
    assert closed.failing() == opened.failing() == ()
    assert closed.exit_code == 3
    assert opened.exit_code == 0
    assert outcomes(closed, Outcome.PASS) < outcomes(opened, Outcome.PASS)
    if column in {TEXTS, PROMPTS}:
        assert {"EVI-001", "STA-001", "CLM-001", "RED-003"} <= outcomes(closed, Outcome.UNKNOWN)


def test_a_hidden_failure_is_unknown_until_the_escrow_tells() -> None:
    altered = failure_hidden_behind_a_redaction(texts_withheld())
    assert isinstance(altered, KitCase)
    case = resign(altered)
    closed = verify(case.to_bytes(), policy(), at=AT)
    assert closed.exit_code == 3
    assert {claim.tier for claim in closed.claims} == {"intact"}
    opened = verify(case.to_bytes(), policy(), at=AT, escrow=opens_texts(case))
    assert opened.failing() == ("EVI-001",)


def test_single_cells_open_and_nothing_more_is_known() -> None:
    """Two answers are what was committed to; all that rests on the others stays unknown."""
    case = texts_withheld()
    closed = verify(case.to_bytes(), policy(), at=AT)
    for columns, outcome in ((["output"], Outcome.UNKNOWN), (["output", "nll"], Outcome.PASS)):
        escrow = opens_cells(case, 0, 2412, columns=columns)
        opened = verify(case.to_bytes(), policy(), at=AT, escrow=escrow)
        assert opened.failing() == ()
        assert opened.outcomes() == closed.outcomes() | {"RED-004": outcome}
        assert {claim.tier for claim in opened.claims} == {"intact"}


def test_coarse_numbers_are_read_by_no_check() -> None:
    closed, coarse = texts_withheld(), lengths_coarse()
    header, first, *_ = lines_of(coarse, "generations")
    place = place_of(header, "tokens")
    row = honest_case().rows("generations")[0]
    assert header[place].startswith("tokens:coarse:")
    assert first[place] <= row.tokens < 2 * first[place]
    verdicts = [verify(case.to_bytes(), policy(), at=AT) for case in (closed, coarse)]
    assert verdicts[0].outcomes() == verdicts[1].outcomes()


def test_the_ledger_names_who_can_open_it() -> None:
    case = for_auditors()
    assert {tuple(entry["auditors"]) for entry in case.record["redactions"]} == {(ANN, BOB)}
    in_the_clear = redacted_from(honest_case(), TEXTS, auditors=(ANN, BOB)).escrow
    for escrow in (opens_for_auditors(case), addressed(in_the_clear, case)):
        assert verify(case.to_bytes(), policy(), at=AT, escrow=escrow).exit_code == 0


@pytest.mark.parametrize("escrow", [b"", b"{}", b"\x00" * 100])
def test_what_is_no_escrow_opens_nothing(escrow: bytes) -> None:
    verdict = verify(texts_withheld().to_bytes(), policy(), at=AT, escrow=escrow)
    assert verdict.failing() == ("RED-003",)
    assert verdict.exit_code == 1


def test_a_full_case_needs_no_escrow() -> None:
    escrow = redacted_from(honest_case(), TEXTS).escrow
    verdict = verify(honest_case().to_bytes(), policy(), at=AT, escrow=escrow)
    assert verdict.exit_code == 0
    assert outcomes(verdict, Outcome.NOT_APPLICABLE) >= set(RED)


@pytest.mark.parametrize("made", [outcome_case, one_outcome_case])
def test_classes_that_are_graded_from_withheld_answers_rest_on_the_escrow(
    made: Callable[[], KitCase],
) -> None:
    """Published outcomes are not believed, and no arm is called missing for their sake."""
    redacted = redacted_from(made(), TEXTS)
    data = resign(KitCase(redacted.members)).to_bytes()
    closed = verify(data, lenient(), at=AT)
    assert closed.failing() == ()
    for check in ("FEA-001", "DES-005"):
        assert closed.outcomes()[check] is Outcome.UNKNOWN
    opened = verify(data, lenient(), at=AT, escrow=redacted.escrow)
    assert opened.verified
    assert opened.outcomes()["FEA-001"] is Outcome.PASS


UNASKED = {"BES-003", "CTL-001", "CTL-002", "CTL-003", "FEA-008", "FEA-010"}
"""Questions that a plan puts or does not."""
PUT = {
    "holding": set[str](),
    "every control": {"CTL-001", "CTL-002", "CTL-003"},
    "strata": {"BES-003"},
    "audit traces": {"FEA-008"},
    "groups": {"FEA-010"},
}


@pytest.mark.parametrize("name", PUT)
def test_a_question_that_the_plan_does_not_put_does_not_arise_behind_a_redaction(
    name: str,
) -> None:
    """One that it puts is UNKNOWN: nothing that is withheld makes it vanish."""
    made = redacted_from(HONEST[name](), PROMPTS)
    verdict = verify(resign(KitCase(made.members)).to_bytes(), lenient(), at=AT)
    assert outcomes(verdict, Outcome.UNKNOWN) & UNASKED == PUT[name]
    assert outcomes(verdict, Outcome.NOT_APPLICABLE) & UNASKED == UNASKED - PUT[name]
