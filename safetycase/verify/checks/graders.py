"""Stage 7: graders get right what is known, and people have checked what they say."""

from __future__ import annotations

from dataclasses import replace

from safetycase.methods import calibration, gold
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared
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
        where, outcome = f"plan.json#{gap.where}", _outcome(silent=gap.silent)
        for axis in gold.axes_asking(case.plan, gap.evaluation) or (None,):
            yield Fault(where, gap.expected, gap.found, outcome=outcome, axis=axis)
    return sum(len(measure.gold or ()) for _, measure in gold.generated(case.plan))


def _outcome(*, silent: bool) -> Outcome:
    return Outcome.UNKNOWN if silent else Outcome.FAIL


@FAMILY.check(
    2,
    tier="sound",
    needs=("plan", "rows"),
    proves="People have labelled the answers that the plan's digest draws, the same items in "
    "the baseline and in every target, each by as many raters as planned, with outcomes that "
    "the grader can give.",
    cannot_prove="That the labels are people's, that raters did not know the arm, or that they "
    "did not ask each other.",
    references=("question 17 (judge reliability)", "https://arxiv.org/abs/2511.21140"),
    owns=("evidence/human_labels.jsonl: evaluation, arm, item, sample, rater",),
    absence_is_harmless=True,
)
def people_labelled_what_was_drawn(case: OpenedCase) -> Run:
    """People have labelled the answers that were drawn."""
    if not gold.generated(case.plan):
        return NotApplicable("no answer of this plan is a text")
    asked = replace(case.evidence, items=case.derived.items)
    for gap in calibration.label_gaps(case.plan, case.plan_digest, asked):
        outcome = _outcome(silent=gap.silent)
        for axis in gold.axes_asking(case.plan, gap.evaluation) or (None,):
            yield Fault(gap.where, gap.expected, gap.found, outcome=outcome, axis=axis)
    return len(case.rows("human_labels"))


@FAMILY.check(
    3,
    needs=("record", "plan", "rows", "tensors"),
    proves="Sensitivity, specificity and kappa of every grader, arm by arm with exact "
    "intervals, the confusion of outcomes, and the corrected rate follow from labels and rows.",
    cannot_prove="That people are right where they disagree with the grader.",
    references=("question 17 (judge reliability)", "https://arxiv.org/abs/2511.21140",
                "Rogan & Gladen 1978", "Lang & Reiczigel 2014"),
    owns=("case.json#/results/calibration", "evidence/human_labels.jsonl: outcome"),
    absence_is_harmless=True,
)  # fmt: skip
def calibration_follows_from_labels(case: OpenedCase) -> Run:
    """What is said of graders follows from people's labels."""
    derived = case.derived.calibration
    examined = yield from compared(case, "/results/calibration", derived)
    return examined if derived is not None else NotApplicable("nobody has labelled answers")
