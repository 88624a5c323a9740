"""People who label the toy's answers, mostly as the grader does."""

from __future__ import annotations

from dataclasses import replace

from safetycase.methods.calibration import drawn, labelled
from safetycase.methods.grade import outcomes_of
from safetycase.methods.stream import Stream
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import HumanLabelRow

RATERS = ("ann", "bo", "cy")
_FAULTS = 12
"""A rater is of another opinion about one answer in so many."""


def with_labels(plan: Plan, case_seed: str, evidence: Evidence) -> Evidence:
    """The evidence with the labels that the plan asks for; as it is if it asks none."""
    raters = {evaluation.id: labels.raters for evaluation, labels in labelled(plan)}
    known = {e.id: outcomes_of(e) for e in plan.evaluations}
    rows = []
    for key in drawn(plan, case_seed, evidence):
        evaluation, arm, item, sample = key
        grade = next(
            row.outcome for row in evidence.answers[evaluation, arm] if row.item == item
        )
        for rater in RATERS[: raters[evaluation]]:
            opinion = Stream("people", "/".join([*key[:3], rater]))
            other = opinion.below(_FAULTS) == 0
            outcome = (
                known[evaluation][opinion.below(len(known[evaluation]))] if other else grade
            )
            rows.append(HumanLabelRow(evaluation, arm, item, sample, rater, outcome))
    return replace(evidence, human_labels=tuple(rows))
