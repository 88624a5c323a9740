"""Stage 7: what stands beside a claim follows from the same rows as the claim."""

from __future__ import annotations

from safetycase.methods.beside import why_no_strata
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import (
    Family,
    NotApplicable,
    Run,
    compared,
    each_axis,
    each_edited_axis,
)

FAMILY = Family(
    "BES",
    "Beside the claim",
    "What a sceptic asks beside the headline must follow from the same rows.",
    stage=7,
    tier="recomputed",
)

_ROWS = "That the rows are what the model said."


@FAMILY.check(
    1,
    needs=("record", "plan", "rows", "tensors"),
    proves="For the baseline and every named arm it is stated how many held-out answers to the "
    "claim's questions had each outcome that the grader can give: whether what is no longer "
    "counted became a refusal, broken text, or something else.",
    cannot_prove=_ROWS,
    references=("question 9 (four-way outcome)", "methodology 5.2"),
    owns=("case.json#/results/axes/*/outcomes",),
)
@each_axis
def outcomes_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every outcome is counted under every named arm."""
    pointer = f"/results/axes/{number}/outcomes"
    said = "The rows give another count."
    return (yield from compared(case, pointer, case.axis(axis.id).outcomes, said))


@FAMILY.check(
    2,
    needs=("record", "plan", "rows", "tensors"),
    proves="How much smaller the effect of the chosen dose is on held-out items than on those "
    "that chose it, and the AUROC of every kept feature than where it was found, with "
    "intervals of the differences, follows from rows and activations; a drop is called large "
    "if less than half is left.",
    cannot_prove="That a small drop is no luck: the held-out figure is the one to rely on.",
    references=("question 34 (selection-effect shrinkage)",
                "https://doi.org/10.1177/1745691614551642", "https://doi.org/10.1002/sim.3095",
                "https://doi.org/10.1002/sim.2324"),
    owns=("case.json#/results/axes/*/shrinkage",),
    absence_is_harmless=True,
)  # fmt: skip
@each_edited_axis
def shrinkage_follows_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """What was lost from tuning to held-out items follows from the rows."""
    pointer = f"/results/axes/{number}/shrinkage"
    return (yield from compared(case, pointer, case.axis(axis.id).shrinkage))


@FAMILY.check(
    3,
    needs=("record", "plan", "rows", "tensors"),
    proves="Where a manipulation check is read on the claim's own items, the effect is stated "
    "apart for items on which it counted at baseline and on which it did not.",
    cannot_prove="That a difference between strata is an effect of what divides them: strata "
    "are made of the model's own answers, and the edit is meant to change just those.",
    references=("question 12 (evaluation awareness strata)", "methodology 5.2"),
    owns=("case.json#/results/axes/*/strata",),
    absence_is_harmless=True,
)
@each_axis
def strata_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """The effect within the strata of a manipulation check follows from the rows."""
    derived = case.axis(axis.id)
    examined = yield from compared(case, f"/results/axes/{number}/strata", derived.strata)
    reason = why_no_strata(case.plan, axis, derived.evidence)
    return examined if reason is None else NotApplicable(reason)
