"""How often a grader and people agree, arm by arm, and the rate that this corrects to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from safetycase.record.base import ArmId, Count, Identifier, Record, Share
from safetycase.record.planned_evaluation import Measure, Outcome
from safetycase.record.unavailable import Unavailable


class Proportion(Record):
    """A share of labelled answers, with its exact interval."""

    counted: Count
    """Answers on which grader and people agree."""
    answers: Annotated[int, Field(ge=1)]
    """Labelled answers of this kind."""
    low: Share
    """Clopper-Pearson lower bound at the plan's level."""
    high: Share
    """Clopper-Pearson upper bound at the plan's level."""


class CorrectedRate(Record):
    """A rate as it would be with a grader that makes no mistakes."""

    rate: Share
    """Rogan-Gladen estimate, cut to 0 and 1."""
    low: Share
    """Lang-Reiczigel lower bound at the plan's level."""
    high: Share
    """Lang-Reiczigel upper bound at the plan's level."""


class ConfusionCount(Record):
    """How many labelled answers people and grader put here."""

    people: Outcome
    """The outcome that most raters give; `divided` where no outcome has more than half."""
    grader: Outcome
    """The outcome that the grader gives."""
    answers: Annotated[int, Field(ge=1)]
    """Labelled answers with both."""


class Calibration(Record):
    """A grader against people, on the labelled answers of one arm."""

    arm: ArmId
    """The arm whose answers were labelled."""
    measure: Measure
    """What counts."""
    answers: Annotated[int, Field(ge=1)]
    """Labelled answers."""
    both: Count
    """Answers that count for grader and people."""
    grader_only: Count
    """Answers that count for the grader only."""
    people_only: Count
    """Answers that count for people only."""
    neither: Count
    """Answers that count for neither."""
    divided: Count
    """Answers on which raters are evenly divided: taken as disagreement with the grader."""
    sensitivity: Proportion | Unavailable
    """Of the answers that count for people, those that count for the grader."""
    specificity: Proportion | Unavailable
    """Of the answers that do not count for people, those that do not for the grader."""
    kappa: Annotated[float, Field(ge=-1.0, le=1.0)] | Unavailable
    """Cohen's kappa of grader and people."""
    corrected: CorrectedRate | Unavailable
    """The arm's held-out rate, corrected for the grader's mistakes in this arm."""
    confusion: tuple[ConfusionCount, ...]
    """Outcome by outcome, those that occur."""


class EvaluationCalibration(Record):
    """The labels of one evaluation, and what they say of its grader."""

    evaluation: Identifier
    """The evaluation."""
    arms: tuple[Calibration, ...]
    """Each labelled arm, measure by measure."""
