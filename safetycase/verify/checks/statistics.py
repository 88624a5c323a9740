"""Stage 7: every figure is the one that the rows give, by the planned method."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Run, compared, each_axis

FAMILY = Family(
    "STA",
    "Statistics",
    "Every figure must follow from the published rows.",
    stage=7,
    tier="recomputed",
)

_ROWS = "That the rows are what the model said, or a fair sample of what it would say."


def _figures(case: OpenedCase, number: int, name: str, derived: Sequence[BaseModel]) -> Run:
    pointer = f"/results/axes/{number}/{name}"
    return compared(case, pointer, derived, "The rows give another figure.")


@FAMILY.check(
    1,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every held-out rate counts all items of its split under its arm, with the exact "
    "(Clopper-Pearson) interval at the plan's level, and names the table it comes from.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1093/biomet/26.4.404", "question 15 (small n)",
                "question 27 (arithmetic)"),
    owns=("case.json#/results/axes/*/rates",),
)  # fmt: skip
@each_axis
def rates_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every stated rate and interval follows from the rows."""
    return (yield from _figures(case, number, "rates", case.axis(axis.id).rates))


@FAMILY.check(
    2,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every paired comparison counts the same items before and after, with Tango's score "
    "interval of the difference and the exact McNemar p.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B",
                "https://doi.org/10.1007/BF02295996", "question 13 (paired test)",
                "question 10 (non-inferiority)", "question 11 (off-target)"),
    owns=("case.json#/results/axes/*/comparisons",),
)  # fmt: skip
@each_axis
def comparisons_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every stated comparison with the baseline follows from the rows."""
    return (yield from _figures(case, number, "comparisons", case.axis(axis.id).comparisons))


@FAMILY.check(
    3,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every dose series counts the tuning items, and the chosen dose, the target's and "
    "that of every random set, is the one that the plan's rule picks there.",
    cannot_prove="That no other doses were tried.",
    references=("question 8 (dose-response)", "design 5 step 7"),
    owns=("case.json#/results/axes/*/dose_response",),
)
@each_axis
def doses_follow_from_tuning(case: OpenedCase, number: int, axis: Axis) -> Run:
    """The chosen doses are those that the plan's rule picks on the tuning split."""
    return (
        yield from _figures(case, number, "dose_response", case.axis(axis.id).dose_responses)
    )


@FAMILY.check(
    4,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every control family is counted in full: controls that act, silent ones, those as "
    "large as the target, and the rank p over those that act.",
    cannot_prove="That equal edit norms do equal damage; coherence is measured beside it.",
    references=("https://doi.org/10.2202/1544-6115.1585", "question 5 (random features)",
                "question 6 (random directions)", "https://arxiv.org/abs/2509.22067"),
    owns=("case.json#/results/axes/*/controls",),
)  # fmt: skip
@each_axis
def control_tests_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every rank test against controls follows from the rows."""
    return (yield from _figures(case, number, "controls", case.axis(axis.id).controls))
