"""Stage 7: graders get right what is known, and people have checked what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from safetycase.methods import calibration, gold, judge
from safetycase.methods.governance import files_digest
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared, told
from safetycase.verify.outcome import Outcome

FAMILY = Family(
    "GRD", "Graders",
    "A grade is only as good as the grader: it is tried on what is known, and on this case.",
    stage=7, tier="recomputed", needs=("plan", "rows"),
)  # fmt: skip


@FAMILY.check(
    1,
    tier="sound",
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
    yield from _by_axis(case, gold.gold_gaps(case.plan, case.evidence), "plan.json#")
    return sum(len(measure.gold or ()) for _, measure in gold.generated(case.plan))


def _by_axis(
    case: OpenedCase, gaps: Iterable[gold.GoldGap | calibration.LabelGap], place: str = ""
) -> Iterator[Fault]:
    for gap in gaps:
        outcome = Outcome.UNKNOWN if gap.silent else Outcome.FAIL
        for axis in gold.axes_asking(case.plan, gap.evaluation) or (None,):
            yield Fault(place + gap.where, gap.expected, gap.found, "", outcome, axis)


@FAMILY.check(
    2,
    tier="sound",
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
    yield from _by_axis(case, calibration.label_gaps(case.plan, case.case_seed, asked))
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


@FAMILY.check(
    4,
    proves="Every answer of a judged evaluation, and every gold row, has one judgement, in "
    "order; it was shown request and answer in the plan's words and nothing of the arm; the "
    "verdict is what the plan's rules read in what the judge said.",
    cannot_prove="That the judge said it.",
    references=("question 17 (judge reliability)", "design 4"),
    owns=("evidence/judgements.jsonl: evaluation, arm, item, sample, prompt, verdict",),
    absence_is_harmless=True,
)
def judgements_are_read_again(case: OpenedCase) -> Run:
    """Every answer has a judgement, and its verdict is read again."""
    rows = case.rows("judgements")
    if not judge.judged(case.plan) and not rows:
        return NotApplicable("the plan has no judge")
    answers = case.answers("generations") if "generations" in case.tables else None
    yield from told(judge.judgement_faults(case.plan, case.derived.items, answers, rows))
    return len(rows)


@FAMILY.check(
    5,
    needs=("record", "plan"),
    proves="No judge is the model that it judges: neither its files nor its tensors are; its "
    "prompt shows an answer and at most the request; the record's judges are the plan's.",
    cannot_prove="That the judge was not made from the model, or that an answer does not tell "
    "the arm by its style.",
    references=("question 17 (judge reliability)",
                "https://github.com/UKGovernmentBEIS/inspect_ai/issues/4695"),
    owns=("case.json#/judges", "plan.json#/evaluations/*/measure/judge"),
    absence_is_harmless=True,
)  # fmt: skip
def nobody_judges_itself(case: OpenedCase) -> Run:
    """No judge is the model that it judges, and none is told the arm."""
    stated, planned = case.record.judges or (), judge.judged(case.plan)
    yield from told(judge.judge_faults(case.plan), "plan.json#")
    names = [(evaluation.id, one.manifest_digest) for evaluation, _, one in planned]
    if names != [(one.evaluation, one.manifest_digest) for one in stated]:
        yield Fault("case.json#/judges", "the judges of the plan", f"{len(stated)} judges")
    for number, one in enumerate(stated):
        here = f"case.json#/judges/{number}"
        files = files_digest(one.files)
        if files != one.manifest_digest:
            yield Fault(f"{here}/files", f"files of {one.manifest_digest}", files)
        if one.tensor_root == case.record.subject.tensor_root:
            yield Fault(f"{here}/tensor_root", "other weights than the model's", "the same")
    return len(stated) or NotApplicable("the plan has no judge")


@FAMILY.check(
    6,
    proves="Of equal answers to one request a judge says one thing, whatever arm gave them: no "
    "other judge, and no other mood, was used for some of the arms.",
    cannot_prove="That one judge read arms whose answers have nothing in common; only people's "
    "labels in every arm tell (GRD-003).",
    references=("question 17 (judge reliability)",),
    owns=("evidence/judgements.jsonl: raw",),
    absence_is_harmless=True,
)
def equal_answers_are_judged_equally(case: OpenedCase) -> Run:
    """Of equal answers the judge says one thing."""
    rows = case.rows("judgements")
    if not rows:
        return NotApplicable("the case has no judgements")
    yield from told(judge.unequal(rows))
    return len(rows)
