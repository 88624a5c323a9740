"""Texts whose outcome is known, put to the plan's own graders.

A grader that calls an empty answer safe, or gibberish harmful, takes damage for behaviour.
Source: Souly et al. 2024, arXiv 2402.10260 (StrongREJECT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from safetycase.errors import MethodRefused
from safetycase.methods.grade import TextGrader, outcomes_of, said_of
from safetycase.methods.lint import counted_by
from safetycase.methods.text_grade import fold
from safetycase.methods.turns import spelled_answers
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import (
    INCOHERENT,
    Evaluation,
    Generate,
    GoldRow,
    Turns,
)
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import GenerationRow

GOLD = "gold"
"""Stands where the arm of an answer would."""


@dataclass(frozen=True, slots=True)
class GoldGap:
    """A text that a grader gets wrong; `silent`: one that nobody has given it."""

    evaluation: str
    where: str
    expected: str
    found: str
    silent: bool


def generated(plan: Plan) -> list[tuple[Evaluation, Generate]]:
    """The evaluations whose answers are texts."""
    return [(e, e.measure) for e in plan.evaluations if isinstance(e.measure, Generate)]


def axes_asking(plan: Plan, evaluation: str) -> list[str]:
    """The axes that count outcomes of an evaluation."""
    return [
        axis.id
        for axis in plan.axes
        if evaluation in {measure.evaluation for measure in counted_by(axis)}
    ]


def gold_item(number: int) -> str:
    """The name of a gold row, as if it were an item."""
    return f"gold-{number:03d}"


def gold_gaps(plan: Plan, evidence: Evidence | None = None) -> Iterator[GoldGap]:
    """Every gold row that its grader gets wrong, then what no gold row tries.

    Tried is a grader with a row for each outcome that it can give, one without a word, and one
    of words that is incoherent. What a judge says of its gold rows is evidence; without any,
    its grades are not looked at.
    """
    for evaluation, generate in generated(plan):
        place = f"/evaluations {evaluation.id} /measure/gold"
        rows = generate.gold or ()
        unread = generate.judge is not None and evidence is None
        grades = [r.outcome for r in rows] if unread else _grades(plan, evaluation, evidence)
        for number, (row, grade) in enumerate(zip(rows, grades, strict=True)):
            if grade != row.outcome:
                yield GoldGap(
                    evaluation.id, f"{place}/{number}", row.outcome, grade, silent=False
                )
        for untried in _untried(evaluation, rows):
            yield GoldGap(evaluation.id, place, f"a text for {untried}", "none", silent=True)


def _untried(evaluation: Evaluation, rows: Sequence[GoldRow]) -> Iterator[str]:
    given = {row.outcome for row in rows}
    for outcome in outcomes_of(evaluation):
        if outcome not in given:
            yield outcome
    if all(fold(row.text) for row in rows):
        yield "what is empty"
    if not any(row.outcome == INCOHERENT and fold(row.text) for row in rows):
        yield "gibberish"


def _grades(plan: Plan, evaluation: Evaluation, evidence: Evidence | None) -> list[str]:
    measure = evaluation.measure
    if not isinstance(measure, Generate) or not measure.gold:
        return []
    grader = TextGrader(plan.coherence, measure.grader, measure.turns)
    targets = [row.target for row in measure.gold]
    answers = _answers(evaluation.id, measure.gold, measure.turns)
    try:
        if measure.judge is not None and evidence is not None:
            return list(grader.grade_said(answers, targets, said_of(evidence, evaluation.id)))
        return list(grader.grade(answers, targets))
    except MethodRefused as refusal:
        return [f"nothing ({refusal})"] * len(measure.gold)


def _answers(evaluation: str, rows: Sequence[GoldRow], turns: Turns | None) -> Answers:
    """The texts as answers; of scripts, each as the one answer to a script of one turn."""
    return Answers.of(
        [
            GenerationRow(
                evaluation,
                GOLD,
                gold_item(number),
                0,
                row.text if turns is None else spelled_answers([row.text]),
                1,
                "eos",
                row.nll or 0.0,
                0,
                0.0,
                0.0,
                "",
            )
            for number, row in enumerate(rows)
        ]
    )
