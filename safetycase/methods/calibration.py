"""Graders against people: which answers are labelled, and what the labels say, arm by arm.

Which answers people see is drawn by the case's seed, the same items in every arm, so that
nobody chooses the ones on which the grader does well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from safetycase.digest import sha256_hex
from safetycase.errors import MethodRefused
from safetycase.methods.gold import axes_asking, generated
from safetycase.methods.grade import outcomes_of
from safetycase.methods.grader_error import (
    Agreement,
    cohens_kappa,
    lang_reiczigel,
    rogan_gladen,
)
from safetycase.methods.grid import BASELINE
from safetycase.methods.interval import clopper_pearson
from safetycase.methods.lint import measures_of
from safetycase.methods.outcomes import each_answer
from safetycase.methods.stream import Stream
from safetycase.record.calibration import (
    Calibration,
    ConfusionCount,
    CorrectedRate,
    EvaluationCalibration,
    Proportion,
)
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Evaluation, HumanLabels, Measure
from safetycase.record.unavailable import Unavailable
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import HumanLabelRow, path_of

TABLE = path_of("human_labels")
DIVIDED = "divided"
"""Stands where people's outcome would, if no outcome has more than half of the raters."""

Key = tuple[str, str, str, int]
"""Evaluation, arm, item and sample of an answer."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class LabelGap:
    """Where the labels are not those that the plan asks for; `silent`: nobody was asked."""

    evaluation: str
    where: str
    expected: str
    found: str
    silent: bool = False


def labelled(plan: Plan) -> list[tuple[Evaluation, HumanLabels]]:
    """The evaluations of which people label answers."""
    return [(e, m.labels) for e, m in generated(plan) if m.labels is not None]


def labelled_arms(plan: Plan, evaluation: str) -> list[str]:
    """The arms whose answers people label: the baseline, and the target of every axis."""
    return [BASELINE, *(f"{axis}/target" for axis in axes_asking(plan, evaluation))]


def drawn(plan: Plan, case_seed: str, evidence: Evidence) -> list[Key]:
    """The answers that people label, in table order: first samples of held-out items.

    Answers that could not be had, and arms that were not measured, are nobody's to label.
    """
    keys: list[Key] = []
    for evaluation, labels in labelled(plan):
        held_out = evidence.items.of(evaluation.dataset, "held_out")
        stream = Stream(case_seed, f"{evaluation.id}/labels")
        places = stream.sample(len(held_out), min(labels.per_arm, len(held_out)))
        names = [held_out[place].item for place in sorted(places)]
        for arm in labelled_arms(plan, evaluation.id):
            given = _grades(evidence, evaluation.id, arm)
            keys += [(evaluation.id, arm, name, 0) for name in names if (name, 0) in given]
    return keys


def blind_name(case_seed: str, key: Key) -> str:
    """The name under which raters see an answer: it tells nothing of the arm."""
    return sha256_hex("/".join([case_seed, *map(str, key)]).encode())[:16]


def label_gaps(plan: Plan, case_seed: str, evidence: Evidence) -> Iterator[LabelGap]:
    """What keeps labels from being those of the answers drawn, by as many raters as asked."""
    rows = evidence.human_labels
    asked = {evaluation.id: labels for evaluation, labels in labelled(plan)}
    for evaluation, _ in generated(plan):
        if evaluation.id not in asked or not rows:
            found = "none" if evaluation.id in asked else "no labels are planned"
            expected = f"labels by people of answers to {evaluation.id}"
            yield LabelGap(evaluation.id, TABLE, expected, found, silent=True)
    if rows:
        yield from _gaps(plan, asked, drawn(plan, case_seed, evidence), rows)


def _gaps(
    plan: Plan,
    asked: dict[str, HumanLabels],
    keys: Sequence[Key],
    rows: Sequence[HumanLabelRow],
) -> Iterator[LabelGap]:
    known = {e.id: outcomes_of(e) for e in plan.evaluations}
    wanted = [key for key in keys for _ in range(asked[key[0]].raters)]
    seen: set[tuple[Key, str]] = set()
    for number, row in enumerate(rows):
        where, key = f"{TABLE} line {number + 2}", key_of(row)
        here = wanted[number] if number < len(wanted) else None
        if key != here:
            expected = "no further row" if here is None else _spelled(here)
            yield LabelGap(row.evaluation, where, expected, _spelled(key))
            return
        if (key, row.rater) in seen:
            yield LabelGap(row.evaluation, where, "another rater", row.rater)
        seen.add((key, row.rater))
        if row.outcome not in known[row.evaluation]:
            expected = f"one of {', '.join(known[row.evaluation])}"
            yield LabelGap(row.evaluation, where, expected, row.outcome)
    if len(rows) < len(wanted):
        missing = wanted[len(rows)]
        yield LabelGap(missing[0], TABLE, f"a label of {_spelled(missing)}", "none")


def key_of(row: HumanLabelRow) -> Key:
    """The answer that a label is about."""
    return row.evaluation, row.arm, row.item, row.sample


def _spelled(key: Key) -> str:
    return f"{key[0]} / {key[1]} / {key[2]} / sample {key[3]}"


def calibrations(plan: Plan, evidence: Evidence) -> tuple[EvaluationCalibration, ...] | None:
    """What labels say of every labelled evaluation's grader; none if there are no labels."""
    if not evidence.human_labels or not labelled(plan):
        return None
    votes: dict[Key, list[str]] = {}
    for row in evidence.human_labels:
        votes.setdefault(key_of(row), []).append(row.outcome)
    return tuple(
        EvaluationCalibration(
            evaluation=evaluation.id,
            arms=tuple(
                _calibration(plan, evidence, votes, measure, arm)
                for measure, arm in _measured(plan, evaluation.id)
                if any(key[:2] == (evaluation.id, arm) for key in votes)
            ),
        )
        for evaluation, _ in labelled(plan)
    )


def _measured(plan: Plan, evaluation: str) -> list[tuple[Measure, str]]:
    """What is counted of an evaluation in the labelled arms, each pair once."""
    pairs: list[tuple[Measure, str]] = []
    for axis in plan.axes:
        for measure in measures_of(axis):
            if measure.evaluation == evaluation:
                pairs += [(measure, BASELINE), (measure, f"{axis.id}/target")]
    return [pair for number, pair in enumerate(pairs) if pair not in pairs[:number]]


def _calibration(
    plan: Plan, evidence: Evidence, votes: dict[Key, list[str]], measure: Measure, arm: str
) -> Calibration:
    grades = _grades(evidence, measure.evaluation, arm)
    cells: Counter[tuple[bool, bool]] = Counter()
    confusion: Counter[tuple[str, str]] = Counter()
    divided = 0
    for key, given in votes.items():
        if key[:2] != (measure.evaluation, arm):
            continue
        if key[2:] not in grades:
            raise MethodRefused(TABLE, f"an answer {_spelled(key)}", found="none")
        grade = grades[key[2:]]
        graded = grade in measure.outcomes
        balance = 2 * sum(outcome in measure.outcomes for outcome in given) - len(given)
        divided += balance == 0
        cells[graded, balance > 0 if balance else not graded] += 1
        confusion[_majority(given), grade] += 1
    table = Agreement(
        cells[True, True], cells[True, False], cells[False, True], cells[False, False]
    )
    level = plan.statistics.level
    return Calibration(
        arm=arm,
        measure=measure,
        answers=cells.total(),
        both=table.both,
        grader_only=table.grader_only,
        people_only=table.people_only,
        neither=table.neither,
        divided=divided,
        sensitivity=_or_reason(lambda: _share(table.both, table.positives, level)),
        specificity=_or_reason(lambda: _share(table.neither, table.negatives, level)),
        kappa=_or_reason(lambda: cohens_kappa(table)),
        corrected=_or_reason(lambda: _corrected(plan, evidence, measure, arm, table)),
        confusion=tuple(
            ConfusionCount(people=people, grader=grader, answers=answers)
            for (people, grader), answers in sorted(confusion.items())
        ),
    )


def _grades(evidence: Evidence, evaluation: str, arm: str) -> dict[tuple[str, int], str]:
    answers = evidence.answers.get((evaluation, arm))
    if answers is None:
        return {}
    samples = answers.numbers("sample").tolist()
    keys = zip(answers.item, samples, strict=True)
    return dict(zip(keys, answers.outcome, strict=True))


def _majority(given: Sequence[str]) -> str:
    outcome, votes = Counter(given).most_common(1)[0]
    return outcome if 2 * votes > len(given) else DIVIDED


def _share(counted: int, answers: int, level: float) -> Proportion:
    if not answers:
        raise MethodRefused("labels", "answers of this kind", found="none among those labelled")
    interval = clopper_pearson(counted, answers, level)
    return Proportion(counted=counted, answers=answers, low=interval.low, high=interval.high)


def _corrected(
    plan: Plan, evidence: Evidence, measure: Measure, arm: str, table: Agreement
) -> CorrectedRate:
    counts = each_answer(plan, evidence, measure, arm, "held_out")
    if counts.unknown:
        raise MethodRefused(
            "corrected rate", "every held-out answer", found=f"{counts.unknown} missing"
        )
    counted, rows = int(counts.least.sum()), len(counts.least)
    interval = lang_reiczigel(counted, rows, table, plan.statistics.level)
    rate = rogan_gladen(
        counted / rows, table.both / table.positives, table.neither / table.negatives
    )
    return CorrectedRate(rate=rate, low=interval.low, high=interval.high)


def _or_reason(make: Callable[[], Value]) -> Value | Unavailable:
    try:
        return make()
    except MethodRefused as refusal:
        return Unavailable(reason=str(refusal))
