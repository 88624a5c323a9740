"""Stage 7: the rows are graded as the plan says, and the edits they report took place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods.grid import BASELINE, evaluation_named
from safetycase.methods.probe import probe_of
from safetycase.methods.rank import auroc
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Generate, Probe
from safetycase.tables.rows import AnswerRow, ChoiceRow, GenerationRow, ProbeRow, path_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, each_axis

FAMILY = Family(
    "EVI",
    "Evidence",
    "Rows are graded as planned, and report what the edit did.",
    stage=7,
    tier="recomputed",
)

ANSWER_TABLES = ("generations", "choices", "probes")
_NOISE = {"float32": 1e-3, "bfloat16": 0.1}
"""Largest difference of a log-probability between two equal computations in batches of
different shape, in nats, by number format."""
_EXCESS = 1e-4


@FAMILY.check(
    1,
    needs=("plan", "rows", "tensors"),
    proves="Every outcome is the one that the plan's grader gives the published answer: text "
    "rules and coherence ceilings, letter log-odds, or the probe's own threshold.",
    cannot_prove="That the grader means what it should, or that the answer is the model's.",
    references=("question 27 (arithmetic)", "question 18 (grader controls)"),
    owns=("evidence/{generations,choices,probes}.jsonl: outcome",),
)
def grades_are_given_again(case: OpenedCase) -> Run:
    """Every outcome is what the plan's grader gives."""
    regraded = case.derived.evidence.answers
    examined = 0
    for key, rows in case.evidence.answers.items():
        for row, again in zip(rows, regraded.get(key, ()), strict=False):
            examined += 1
            if row is not again and row.outcome != again.outcome:
                yield Fault(
                    place_of(row), again.outcome, row.outcome, axis=axis_of(case, row.arm)
                )
    return examined


def place_of(row: AnswerRow) -> str:
    """Table and planned cell of a row, for a finding."""
    kinds = {GenerationRow: "generations", ChoiceRow: "choices", ProbeRow: "probes"}
    return f"{path_of(kinds[type(row)])}: {row.evaluation} / {row.arm} / {row.item}"


def axis_of(case: OpenedCase, arm: str) -> str | None:
    """The axis that an arm belongs to; none for the baseline."""
    name = arm.partition("/")[0]
    return name if any(axis.id == name for axis in case.plan.axes) else None


@FAMILY.check(
    2,
    needs=("plan", "rows"),
    proves="By the rows' own counts the hook edited at least one position of every row of "
    "every arm but the baseline, where it edited none; and only the sham changed nothing.",
    cannot_prove="That the counts were taken by the hook.",
    references=("design 5 step 8", "question 7 (sham)"),
    owns=("evidence/{generations,choices,probes}.jsonl: edits",),
)
def hooks_fired(case: OpenedCase) -> Run:
    """The hook edited every row of every arm, and none of the baseline."""
    examined = 0
    for table in ANSWER_TABLES:
        for row in case.rows(table):
            examined += 1
            fault = _hook_fault(row)
            if fault is not None:
                found = f"{row.edits} edits of mean size {row.delta}"
                yield Fault(place_of(row), fault, found, axis=axis_of(case, row.arm))
    return examined


def _hook_fault(row: AnswerRow) -> str | None:
    if row.arm == BASELINE:
        quiet = not (row.edits or row.delta or row.residual)
        return None if quiet else "no hook at all"
    if not row.edits or not row.residual:
        return "at least one position seen by the hook"
    if row.arm.endswith("/sham"):
        return "an edit of size 0" if row.delta else None
    return None


@FAMILY.check(
    3,
    needs=("plan", "rows"),
    proves="With the hook in place and a dose of zero, every answer is the baseline's.",
    cannot_prove="That the hook does nothing else at other doses.",
    references=("design 5 step 8", "question 7 (sham)"),
    owns=("evidence/{generations,choices,probes}.jsonl: rows of the sham",),
)
@each_axis
def sham_is_the_baseline(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The sham's answers are the baseline's."""
    arm = f"{axis.id}/sham"
    answers = case.evidence.answers
    noise = _NOISE[case.plan.model.dtype]
    examined = 0
    for evaluation in case.plan.evaluations:
        baseline = {row.item: row for row in answers.get((evaluation.id, BASELINE), ())}
        for row in answers.get((evaluation.id, arm), ()):
            before = baseline.get(row.item)
            examined += before is not None
            if before is not None and not _same_answer(before, row, noise):
                yield Fault(place_of(row), "the baseline's answer", "another")
    return examined


def _same_answer(before: AnswerRow, after: AnswerRow, noise: float) -> bool:
    if isinstance(before, GenerationRow) and isinstance(after, GenerationRow):
        return before.output == after.output and _near([before.nll], [after.nll], noise)
    if isinstance(before, ChoiceRow) and isinstance(after, ChoiceRow):
        return _near(_log_probabilities(before), _log_probabilities(after), noise)
    if isinstance(before, ProbeRow) and isinstance(after, ProbeRow):
        return _near([before.score], [after.score], noise)
    return False


def _log_probabilities(row: ChoiceRow) -> list[float]:
    return [row.forward_matching, row.forward_other, row.swapped_matching, row.swapped_other]


def _near(before: Sequence[float], after: Sequence[float], noise: float) -> bool:
    return all(
        math.isclose(a, b, rel_tol=noise, abs_tol=noise)
        for a, b in zip(before, after, strict=True)
    )


@FAMILY.check(
    4,
    needs=("plan", "rows"),
    proves="Every answer is one that could occur: no longer than the plan allows, cut only at "
    "the limit, probabilities of two letters that sum to at most one.",
    cannot_prove="That it did occur.",
    references=("question 27 (arithmetic)", "design 5 step 8"),
    owns=("evidence/generations.jsonl: tokens, stop",
          "evidence/choices.jsonl: log-probabilities"),
)  # fmt: skip
def answers_are_possible(case: OpenedCase) -> Run:
    """Every answer is one that could occur."""
    rows = [*case.rows("generations"), *case.rows("choices")]
    limits = {
        evaluation.id: evaluation.measure.max_new_tokens
        for evaluation in case.plan.evaluations
        if isinstance(evaluation.measure, Generate)
    }
    for row in rows:
        for expected, found in _impossible(row, limits):
            yield Fault(place_of(row), expected, found, axis=axis_of(case, row.arm))
    return len(rows) or len(case.rows("probes"))


def _impossible(row: AnswerRow, limits: dict[str, int]) -> Iterator[tuple[str, str]]:
    if isinstance(row, GenerationRow):
        limit = limits.get(row.evaluation, 0)
        if not 1 <= row.tokens <= limit:
            yield f"1 to {limit} tokens", str(row.tokens)
        if row.stop not in {"eos", "length"} or (row.stop == "length" and row.tokens != limit):
            yield f"eos, or length at {limit} tokens", f"{row.stop} at {row.tokens}"
    elif isinstance(row, ChoiceRow):
        values = _log_probabilities(row)
        for first, second in (values[:2], values[2:]):
            total = math.exp(first) + math.exp(second)
            if total > 1.0 + _EXCESS:
                yield "two probabilities that sum to at most 1", repr(total)


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
    names = [e.id for e in case.plan.evaluations if e.measure.kind == "probe"]
    if not names:
        return NotApplicable("the plan has no probe")
    for name in names:
        where = f"evidence/probes.safetensors:{name}.residuals"
        case.derived.ungraded.tensor(f"{name}.residuals")
        try:
            area = _training_auroc(case, name)
        except MethodRefused as refusal:
            yield Fault(where, refusal.expected, refusal.found or "none", str(refusal))
            continue
        if area <= _CHANCE:
            yield Fault(where, "an AUROC above 0.5", repr(area))
    return len(names)


_CHANCE = 0.5


def _training_auroc(case: OpenedCase, name: str) -> float:
    measure = evaluation_named(case.plan, name).measure
    if not isinstance(measure, Probe):
        raise MethodRefused(f"evaluation {name}", "a probe", found=measure.kind)
    evidence = case.derived.ungraded
    probe = probe_of(name, measure, evidence)
    items = evidence.items.of(measure.contrast, "discovery")
    labels = np.array([item.context == measure.positive for item in items])
    scores = evidence.tensor(f"{name}.residuals").astype(np.float64) @ probe.direction
    return auroc(scores, labels)
