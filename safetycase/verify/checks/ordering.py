"""Stage 5: what a third party's word would show, and nothing in a case alone can."""

from __future__ import annotations

from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run

FAMILY = Family(
    "ORD",
    "Ordering",
    "Somebody else must vouch for the order of events.",
    stage=5,
    tier="sound",
)


@FAMILY.check(
    1,
    needs=("record",),
    proves="A third party's time shows that the plan is older than the first measurement, and "
    "its seeds contain a value that nobody could choose.",
    cannot_prove="That no other plans were fixed and tried beside this one.",
    references=("design 4", "design 6", "https://www.rfc-editor.org/rfc/rfc3161"),
    answerable=False,
)
def plan_is_proved_older(case: OpenedCase) -> Run:
    """A third party proves that the plan is older than the measurements."""
    yield Fault.unknown(
        "statements/",
        "a third party's time over the plan, and a seed from after it",
        f"the runner's own word: started {case.record.times.started}",
        "Nothing in the case shows by somebody else's word that the plan came first; its "
        "author may have tried many.",
    )
    return 0


@FAMILY.check(
    2,
    needs=("record",),
    proves="The record declares no departure from the plan.",
    cannot_prove="That there was none; undeclared ones show only where rows contradict it.",
    references=("question 1 (deviations)", "https://arxiv.org/abs/2103.06944"),
    owns=("case.json#/deviations",),
)
def nothing_deviates(case: OpenedCase) -> Run:
    """No departure from the plan is declared."""
    for number, deviation in enumerate(case.record.deviations):
        yield Fault.unknown(
            f"case.json#/deviations/{number}",
            "no departure from the plan",
            deviation.what,
            f"Declared: {deviation.what} Reason given: {deviation.why} "
            "A reader must judge what it does to the claims.",
        )
    return 1


@FAMILY.check(
    3,
    tier="reproduced",
    needs=("record",),
    proves="Somebody else, under a key of their own, measured enough rows again, chosen after "
    "the case was signed, and found them equal.",
    cannot_prove="That the rows that were not chosen are right.",
    references=("design 6", "question 32 (verifiable sample)"),
)
def somebody_measured_again(case: OpenedCase) -> Run:
    """An independent party has measured a sample of rows again."""
    yield Fault.unknown(
        "statements/",
        "an independent re-execution of rows chosen afterwards",
        f"none for case {case.record.id}",
        "Nobody else has measured these rows again.",
    )
    return 0
