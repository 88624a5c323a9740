"""Stage 7: what the features add to simpler interventions, and to controls as damaging."""

from __future__ import annotations

from safetycase.methods.controls import controls_needed
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run

FAMILY = Family(
    "CTL", "Controls and baselines", "An effect counts beside what else would have had it.",
    stage=7, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

FAMILY.figures(
    1,
    "Every comparison of the target with a simpler intervention follows from the rows.",
    "baselines",
    unasked="the plan names no simpler intervention",
    proves="What the selected features add to every simpler intervention that the plan names "
    "(a difference of class means of equal edit norm, a prompt, the refusal direction at its "
    "own size), and to the dictionary's reconstruction where that is edited, is counted item "
    "by item from the rows, with Tango's interval and the exact McNemar p.",
    cannot_prove="That a better prompt or direction would not have done as much; that the "
    "activations behind the differences are the model's; that a refusal direction taken out at "
    "one layer would not have done more at all of them.",
    references=("question 22 (baselines)", "https://arxiv.org/abs/2501.17148",
                "https://arxiv.org/abs/2310.06824", "https://arxiv.org/abs/2406.11717"),
)  # fmt: skip

FAMILY.figures(
    2,
    "The comparison at matched degradation follows from the rows.",
    "degradation",
    unasked="no comparison at equal damage asked",
    proves="At matched degradation the target stands as stated: the damage and effect of every "
    "control that acts, those as damaging as the target, its rank among them, and the rank of "
    "what damage does not explain.",
    cannot_prove="That the planned measure of damage sees all damage, or that effect and "
    "damage lie on a line.",
    references=("question 6 (matched degradation)", "https://doi.org/10.2202/1544-6115.1585",
                "https://doi.org/10.1080/07350015.1983.10509354"),
)  # fmt: skip


@FAMILY.axis_check(
    3,
    tier="sound",
    needs=("plan", "rows", "tensors"),
    proves="Where the plan compares the target with the controls that damage the model as "
    "much, enough of them do for their rank test to reach alpha.",
    cannot_prove="That more controls would have done less. Too few are no fault of the "
    "figures: they leave the question open.",
    references=("question 6 (matched degradation)", "question 5 (attainable p)"),
    owns=("how many controls match the target's damage",),
    absence_is_harmless=True,
)
def enough_controls_match(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Enough controls damage the model as much as the target."""
    asked, found = axis.matched_degradation, case.axis(axis.id).degradation
    if asked is None or found is None or asked.test != "matched":
        return NotApplicable("the claim is not tested among controls of equal damage")
    family = sum(each.claim.kind == "effect" for each in case.plan.axes)
    needed = controls_needed(case.plan.statistics.alpha, max(family, 1))
    if found.matched < needed:
        says = f"{found.matched} controls damage the model as much, {needed} are needed"
        where = f"plan.json#/axes/{number}/matched_degradation"
        yield Fault.unknown(where, f"{needed} matching controls", str(found.matched), says)
    return 1
