"""Stage 7: what the features add to simpler interventions, and to controls as damaging."""

from __future__ import annotations

from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared, each_axis

FAMILY = Family(
    "CTL",
    "Controls and baselines",
    "An effect counts beside what else would have had it.",
    stage=7,
    tier="recomputed",
)


@FAMILY.check(
    1,
    needs=("record", "plan", "rows", "tensors"),
    proves="What the selected features add to every simpler intervention that the plan names "
    "(a difference of class means of equal edit norm, a prompt) is counted item by item from "
    "the rows, with Tango's interval and the exact McNemar p.",
    cannot_prove="That a better prompt or direction would not have done as much; that the mean "
    "activations behind the difference are the model's.",
    references=("question 22 (baselines)", "https://arxiv.org/abs/2501.17148",
                "https://arxiv.org/abs/2310.06824"),
    owns=("case.json#/results/axes/*/baselines",),
    absence_is_harmless=True,
)  # fmt: skip
@each_axis
def baselines_are_compared(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every comparison of the target with a simpler intervention follows from the rows."""
    derived = case.axis(axis.id).baselines
    yield from _asked_for(case, f"/results/axes/{number}/baselines", derived)
    return len(derived) if derived else NotApplicable("the plan names no simpler intervention")


def _asked_for(case: OpenedCase, pointer: str, derived: object) -> Run:
    """Stated against derived; what the plan asks for and the record leaves out is a fault."""
    if derived is not None and not case.states(pointer):
        yield Fault(f"case.json#{pointer}", "what the plan asks for", "nothing")
        return 1
    return (yield from compared(case, pointer, derived))
