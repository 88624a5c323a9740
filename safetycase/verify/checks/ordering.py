"""Stage 5: what a third party's word would show, and nothing in a case alone can."""

from __future__ import annotations

from safetycase.methods.replay_result import in_words, shown_by
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run
from safetycase.verify.outcome import Outcome

FAMILY = Family(
    "ORD", "Ordering", "Somebody else must vouch for the order of events.",
    stage=5, tier="sound", needs=("record",),
)  # fmt: skip


@FAMILY.check(
    1,
    proves="A third party's time shows that the plan is older than the first measurement, and "
    "its seeds contain a value that nobody could choose.",
    cannot_prove="That no other plans were fixed and tried beside this one.",
    references=("design 4", "design 6", "https://www.rfc-editor.org/rfc/rfc3161"),
    answerable=False,
)
def plan_is_proved_older(case: OpenedCase) -> Run:
    """A third party proves that the plan is older than the measurements."""
    expected = "a third party's time over the plan, and a seed from after it"
    found = f"the runner's own word: started {case.record.times.started}"
    text = "Nothing in the case shows by somebody else's word that the plan came first."
    more = "Its author may have tried many."
    yield Fault.unknown("statements/", expected, found, f"{text} {more}")
    return 0


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
