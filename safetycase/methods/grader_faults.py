"""Rules of graders that could not be tried, or would not look for what their name says."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.errors import MethodRefused
from safetycase.methods.pattern import pattern
from safetycase.methods.refusal_lexicon import LEXICONS
from safetycase.methods.text_grade import number_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Generate, GraderRule


def grader_faults(plan: Plan) -> Iterator[str]:
    """The faults of all graders' rules, each with its place."""
    for evaluation in plan.evaluations:
        if isinstance(evaluation.measure, Generate):
            for number, rule in enumerate(evaluation.measure.grader.rules):
                where = f"/evaluations {evaluation.id} /measure/grader/rules/{number}"
                for fault in _of_rule(rule):
                    yield f"{where}: {fault}"


def _of_rule(rule: GraderRule) -> Iterator[str]:
    if rule.tolerance is not None and rule.match != "numeric":
        yield f"tolerance is for numeric, not for {rule.match}."
    if rule.match in LEXICONS and rule.phrases != LEXICONS[rule.match]:
        yield f"the phrases of {rule.match} are fixed; give none, and they are written out."
    if rule.match == "regex" and not rule.phrases:
        yield "a rule of patterns needs at least one."
    for phrase in rule.phrases:
        try:
            _read(rule.match, phrase)
        except MethodRefused as refusal:
            yield f"{refusal}"


def _read(match: str, phrase: str) -> None:
    if match == "regex":
        pattern(phrase)
    elif match == "numeric":
        number_of(phrase)
