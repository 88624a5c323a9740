"""Stage 5: what a third party's word would show, and nothing in a case alone can."""

from __future__ import annotations

from safetycase.methods.plan_order import randomness_gaps, receipt_gaps
from safetycase.methods.replay_result import in_words, shown_by
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, told
from safetycase.verify.outcome import Outcome

FAMILY = Family(
    "ORD", "Ordering", "Somebody else must vouch for the order of events.",
    stage=5, tier="sound", needs=("record",),
)  # fmt: skip

_HOWTO = "docs/howto/prove-the-order.md"


@FAMILY.check(
    1,
    needs=("statement", "record", "plan", "receipts"),
    proves="A party whom the policy trusts had the plan before the value was known from which "
    "every split, control and traced row is drawn: a witness who then gave a nonce or, for a "
    "round of a beacon, a witness, a time-stamping authority, or a log and its witnesses.",
    cannot_prove="That no other plans were fixed and tried beside this one, or that the model "
    "was not run on these items before: its answers to an item do not depend on the draws.",
    references=("design 4", "design 6", "question 1 (plan before results)", "trust 3.4",
                "https://www.rfc-editor.org/rfc/rfc3161", "https://c2sp.org/tlog-proof",
                _HOWTO),
    owns=("case.json#/randomness/signature", "statements/*.tsr", "statements/*.tlog-proof"),
)  # fmt: skip
def plan_is_proved_older(case: OpenedCase) -> Run:
    """A third party proves that the plan is older than what it draws."""
    if case.order.gap is not None:
        yield from told([case.order.gap])
        return 0
    return 1


@FAMILY.check(
    2,
    proves="The record declares no departure from the plan.",
    cannot_prove="That there was none; undeclared ones show only where rows contradict it.",
    references=("question 1 (deviations)", "https://arxiv.org/abs/2103.06944"),
    owns=("case.json#/deviations",),
)
def nothing_deviates(case: OpenedCase) -> Run:
    """No departure from the plan is declared."""
    for number, stated in enumerate(case.record.deviations):
        text = (
            f"Declared: {stated.what} Reason given: {stated.why} A reader must judge what it "
            "does to the claims."
        )
        where = f"case.json#/deviations/{number}"
        yield Fault.unknown(where, "no departure from the plan", stated.what, text)
    return 1


@FAMILY.check(
    3,
    tier="reproduced",
    needs=("statement", "record", "plan", "rows", "replays"),
    proves="A reviewer of the policy, no developer and no signer of the case, measured rows "
    "again that nonce and case id chose, and at most 5 % of all rows of the case, and at most "
    "5 % of those behind the claim, differ from what is published: each at 95 % confidence.",
    cannot_prove="That the other rows are right; that the plan was not picked among many (no "
    "re-execution shows that, so a claim without a third party's time stays below this tier); "
    "anything about activations, label rows and self-tests, which are not measured again.",
    references=("design 6", "question 32 (verifiable sample)", "docs/howto/replay.md"),
)
def somebody_measured_again(case: OpenedCase) -> Run:
    """An independent party has measured a sample of rows again."""
    expected = "at most 5 % of rows that differ, shown by an independent re-execution"
    if not case.reexecutions:
        told = "Nobody else has measured these rows again."
        yield Fault.unknown("statements/", expected, "none", told)
        return 0
    for axis in (None, *(axis.id for axis in case.plan.axes)):
        samples = [
            each for done in case.reexecutions for each in done.samples if each.axis == axis
        ]
        shown = {shown_by(sample) for sample in samples}
        told = "; ".join(map(in_words, samples)) or "None of these rows was measured again"
        outcome = Outcome.FAIL if "contradicted" in shown else Outcome.UNKNOWN
        if outcome is Outcome.FAIL or "enough" not in shown:
            yield Fault("statements/", expected, told, f"{told}.", outcome, axis)
    return len(case.reexecutions)


@FAMILY.check(
    4,
    tier="recomputed",
    needs=("record", "plan"),
    absence_is_harmless=True,
    proves="The value in the seeds is of the kind that the plan waits for; that of a beacon's "
    "round is the digest of the stated signature.",
    cannot_prove="That it is the witness's nonce or the beacon's: that is the first check of "
    "this family.",
    references=("design 4", "trust 3.5", _HOWTO),
    owns=("case.json#/randomness", "case.json#/randomness/value"),
)
def value_is_the_one_awaited(case: OpenedCase) -> Run:
    """The value in the seeds is of the kind that the plan waits for."""
    awaited, stated = case.plan.randomness, case.record.randomness
    if awaited is None and stated is None:
        return NotApplicable("the plan waits for no value")
    return (yield from told(randomness_gaps(awaited, stated)))


@FAMILY.check(
    5,
    needs=("statement", "record", "plan"),
    absence_is_harmless=True,
    proves="Every receipt of a witness of the policy is whole, by nobody who made or signed "
    "the case, about this plan, with the nonce in the seeds, and from before the run began.",
    cannot_prove="That the witness drew the nonce after the plan had come, or has no part in "
    "the developer's interests: whom a policy names is its user's judgement.",
    references=("design 6", "question 33 (independence)", _HOWTO),
    owns=("statements/receipt-*.dsse.json",),
)
def receipts_are_of_this_plan(case: OpenedCase) -> Run:
    """No receipt is the developer's own, half signed, or of another plan."""
    if not case.receipts:
        return NotApplicable("the case holds no receipt of its plan")
    awaited, stated = case.plan.randomness, case.record.randomness
    started, signers = case.record.times.started, case.policy.trust()
    yield from told(
        receipt_gaps(case.receipts, case.plan_digest, awaited, stated, started, signers)
    )
    return len(case.receipts)
