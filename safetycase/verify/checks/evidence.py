"""Stage 7: the rows are graded as the plan says, and the edits they report took place."""

from __future__ import annotations

from safetycase.methods.account import (
    beside_baseline,
    hook_gaps,
    impossible_gaps,
    outcome_gaps,
    sham_gaps,
)
from safetycase.methods.probe import probe_gaps
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Probe
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, NotApplicable, Run, told

FAMILY = Family(
    "EVI", "Evidence", "Rows are graded as planned, and report what the edit did.",
    stage=7, tier="recomputed", needs=("plan", "rows"),
)  # fmt: skip


@FAMILY.check(
    1,
    needs=("plan", "rows", "tensors"),
    proves="Every outcome is the one that the plan's grader gives the published answer: text "
    "rules and coherence ceilings, letter log-odds, or the probe's own threshold.",
    cannot_prove="That the grader means what it should, or that the answer is the model's.",
    references=("question 27 (arithmetic)", "question 18 (grader controls)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: outcome",),
)
def grades_are_given_again(case: OpenedCase) -> Run:
    """Every outcome is what the plan's grader gives."""
    graded = case.derived.evidence.answers
    yield from told(outcome_gaps(case.plan, case.evidence.answers, graded))
    return sum(len(rows) for key, rows in case.evidence.answers.items() if key in graded)


def _all_rows(case: OpenedCase) -> int:
    return sum(map(len, case.evidence.answers.values()))


@FAMILY.check(
    2,
    proves="By the rows' own counts the hook edited at least one position of every row of "
    "every arm but the baseline and a prompt, where it edited none; and only the sham changed "
    "nothing.",
    cannot_prove="That the counts were taken by the hook.",
    references=("design 5 step 8", "question 7 (sham)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: edits",),
)
def hooks_fired(case: OpenedCase) -> Run:
    """The hook edited every row of every arm, and none of the baseline."""
    yield from told(hook_gaps(case.plan, case.evidence.answers))
    return _all_rows(case)


@FAMILY.edited_check(
    3,
    proves="With the hook in place and a dose of zero, every answer is the baseline's.",
    cannot_prove="That the hook does nothing else at other doses.",
    references=("design 5 step 8", "question 7 (sham)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: rows of the sham",),
)
def sham_is_the_baseline(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The sham's answers are the baseline's."""
    examined = 0
    for before, after in beside_baseline(case.evidence.answers, f"{axis.id}/sham"):
        yield from told(sham_gaps(before, after, case.plan.model.dtype))
        examined += len(after)
    return examined


@FAMILY.check(
    4,
    proves="Every answer is one that could occur: no longer than the plan allows, cut only at "
    "the limit, one to each turn of a script, probabilities of two letters that sum to at most "
    "one, as many tokens of a given text under every arm that puts nothing in front of it.",
    cannot_prove="That it did occur.",
    references=("question 27 (arithmetic)", "design 5 step 8"),
    owns=("evidence/generations.jsonl: tokens, stop, number of answers",
          "evidence/choices.jsonl: log-probabilities",
          "evidence/likelihoods.jsonl: tokens"),
)  # fmt: skip
def answers_are_possible(case: OpenedCase) -> Run:
    """Every answer is one that could occur."""
    yield from told(impossible_gaps(case.plan, case.derived.items, case.evidence.answers))
    return _all_rows(case)


@FAMILY.check(
    5,
    needs=("plan", "rows", "tensors"),
    proves="Every probe is trained on residuals of the discovery split, one for each prompt of "
    "its contrast, and its direction tells the two classes apart there.",
    cannot_prove="That the probe reads what its name says; it is a correlate.",
    references=("https://arxiv.org/abs/2310.06824", "design 5 step 8"),
    owns=("evidence/probes.safetensors",),
    absence_is_harmless=True,
)
def probes_tell_their_classes_apart(case: OpenedCase) -> Run:
    """Every probe separates its classes on the split it was trained on."""
    probes = {e.id: e.measure for e in case.plan.evaluations if isinstance(e.measure, Probe)}
    if not probes:
        return NotApplicable("the plan has no probe")
    for name, measure in probes.items():
        yield from told(probe_gaps(name, measure, case.derived.ungraded))
    return len(probes)
