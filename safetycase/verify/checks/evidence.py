"""Stage 7: the rows are graded as the plan says, and the edits they report took place."""

from __future__ import annotations

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods.account import hook_faults, impossible, other_tokens, same_answers
from safetycase.methods.grid import BASELINE
from safetycase.methods.probe import probe_of
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Generate, Probe
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run

FAMILY = Family(
    "EVI", "Evidence", "Rows are graded as planned, and report what the edit did.",
    stage=7, tier="recomputed", needs=("plan", "rows"),
)  # fmt: skip

_NOISE = {"float32": 1e-3, "bfloat16": 0.1}
"""Largest difference of a log-probability between two equal computations in batches of
different shape, in nats, by number format."""
_CHANCE = 0.5


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
    regraded = case.derived.evidence.answers
    examined = 0
    for key, answers in case.evidence.answers.items():
        if key not in regraded:
            continue
        stated, again = answers.outcome, regraded[key].outcome
        examined += len(answers)
        for row in np.flatnonzero(~stated.same_as(again)).tolist():
            axis = axis_of(case, key[1])
            yield Fault(answers.where(row), again[row], stated[row], axis=axis)
    return examined


def axis_of(case: OpenedCase, arm: str) -> str | None:
    """The axis that an arm belongs to; none for the baseline."""
    name = arm.partition("/")[0]
    return name if any(axis.id == name for axis in case.plan.axes) else None


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
    examined = 0
    positions = {axis.id: axis.candidate.positions for axis in case.plan.axes}
    for (_, arm), answers in case.evidence.answers.items():
        examined += len(answers)
        name = axis_of(case, arm)
        for expected, bad in hook_faults(
            arm, answers, positions.get(name or "", "all_but_bos")
        ):
            for row in np.flatnonzero(bad).tolist():
                found = f"{answers.edits[row]} edits of mean size {answers.delta[row]}"
                yield Fault(answers.where(row), expected, found, axis=name)
    return examined


@FAMILY.edited_check(
    3,
    proves="With the hook in place and a dose of zero, every answer is the baseline's.",
    cannot_prove="That the hook does nothing else at other doses.",
    references=("design 5 step 8", "question 7 (sham)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: rows of the sham",),
)
def sham_is_the_baseline(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The sham's answers are the baseline's."""
    noise = _NOISE[case.plan.model.dtype]
    examined = 0
    for evaluation in case.plan.evaluations:
        baseline = case.evidence.answers.get((evaluation.id, BASELINE))
        sham = case.evidence.answers.get((evaluation.id, f"{axis.id}/sham"))
        if baseline is None or sham is None:
            continue
        places = baseline.places_of(sham)
        after = sham.take(np.flatnonzero(places >= 0))
        before = baseline.take(places[places >= 0])
        examined += len(after)
        for row in np.flatnonzero(~same_answers(before, after, noise=noise)).tolist():
            yield Fault(after.where(row), "the baseline's answer", "another")
    return examined


@FAMILY.check(
    4,
    proves="Every answer is one that could occur: no longer than the plan allows, cut only at "
    "the limit, probabilities of two letters that sum to at most one, as many tokens of a "
    "given text under every arm that puts nothing in front of it.",
    cannot_prove="That it did occur.",
    references=("question 27 (arithmetic)", "design 5 step 8"),
    owns=("evidence/generations.jsonl: tokens, stop",
          "evidence/choices.jsonl: log-probabilities",
          "evidence/likelihoods.jsonl: tokens"),
)  # fmt: skip
def answers_are_possible(case: OpenedCase) -> Run:
    """Every answer is one that could occur."""
    limits = {
        evaluation.id: evaluation.measure.max_new_tokens
        for evaluation in case.plan.evaluations
        if isinstance(evaluation.measure, Generate)
    }
    examined = 0
    for (evaluation, arm), answers in case.evidence.answers.items():
        examined += len(answers)
        for row, expected, found in impossible(answers, limits.get(evaluation, 0)):
            yield Fault(answers.where(row), expected, found, axis=axis_of(case, arm))
        for row, tokens in other_tokens(case.evidence.answers, evaluation, arm):
            found = str(answers.numbers("tokens")[row])
            yield Fault(answers.where(row), f"{tokens} tokens", found, axis=axis_of(case, arm))
    return examined


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
    evidence = case.derived.ungraded
    for name, measure in probes.items():
        where = f"evidence/probes.safetensors:{name}.residuals"
        evidence.tensor(f"{name}.residuals")
        try:
            area = probe_of(name, measure, evidence).auroc
        except MethodRefused as refusal:
            yield Fault(where, refusal.expected, refusal.found or "none", str(refusal))
            continue
        if area <= _CHANCE:
            yield Fault(where, "an AUROC above 0.5", repr(area))
    return len(probes)
