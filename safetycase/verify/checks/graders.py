"""Stage 7: graders get right what is known, and people have checked what they say."""

from __future__ import annotations

from safetycase.methods import gold
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run
from safetycase.verify.outcome import Outcome

FAMILY = Family(
    "GRD",
    "Graders",
    "A grade is only as good as the grader: it is tried on what is known, and on this case.",
    stage=7,
    tier="recomputed",
)


@FAMILY.check(
    1,
    tier="sound",
    needs=("plan",),
    proves="Every grader of texts gives the plan's gold rows the outcomes they are known to "
    "have: one at least for each outcome that it can give, an empty text, and gibberish.",
    cannot_prove="That it is right about any other text, or that the gold rows are hard.",
    references=("question 18 (grader controls)", "https://arxiv.org/abs/2402.10260"),
    owns=("plan.json#/evaluations/*/measure/gold",),
    absence_is_harmless=True,
)
def graders_get_gold_rows_right(case: OpenedCase) -> Run:
    """Every grader gets right what is known."""
    if not gold.generated(case.plan):
        return NotApplicable("no answer of this plan is a text")
    for gap in gold.gold_gaps(case.plan):
        outcome = Outcome.UNKNOWN if gap.silent else Outcome.FAIL
        for axis in gold.axes_asking(case.plan, gap.evaluation) or (None,):
            where = f"plan.json#{gap.where}"
            yield Fault(where, gap.expected, gap.found, outcome=outcome, axis=axis)
    return sum(len(measure.gold or ()) for _, measure in gold.generated(case.plan))
