"""Which arms share their answers although they edit differently, and what that tells.

A score (a log-probability, a projection) is a real number that every edit moves in its own way:
two edits with equal scores in every row did not both take place. A greedy text is a choice
among few: honest edits that push a model into the same state give the same texts. So equal
texts tell only where no third edit gives them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetycase.methods.arms import ArmSpec
from safetycase.methods.grid import BASELINE
from safetycase.tables.rows import AnswerRow, ChoiceRow, GenerationRow

TELLING_ROWS = 3
"""Scored rows that differ from the baseline before equal scores of two arms are a trace."""
TELLING_TEXTS = 9
"""Different new texts, given by no third edit, before equal texts of two arms are a trace."""

Answers = Mapping[tuple[str, str], Sequence[AnswerRow]]


@dataclass(frozen=True, slots=True)
class Copy:
    """An arm with the answers of another, row for row."""

    evaluation: str
    arm: str
    of: str
    scored: bool
    """Whether scores are equal, which no two edits give; texts may be equal by chance."""


def answer(row: AnswerRow) -> Hashable:
    """What a row says, without whose arm it is and without the account of the edit."""
    if isinstance(row, GenerationRow):
        return (row.item, row.output, row.tokens, row.nll)
    if isinstance(row, ChoiceRow):
        return (row.item, row.forward_matching, row.forward_other, row.swapped_matching)
    return (row.item, row.score)


def plain_answers(answers: Answers, evaluation: str) -> dict[str, Hashable]:
    """The baseline's answers to an evaluation, by item."""
    return {row.item: answer(row) for row in answers.get((evaluation, BASELINE), ())}


def copies(answers: Answers, specs: Sequence[ArmSpec]) -> Iterator[Copy]:
    """Every arm whose answers are those of an arm before it, where that tells something.

    Only arms that add a direction are compared. Scores: both edits differ in direction, sign or
    size, and `TELLING_ROWS` rows differ from the baseline's. Texts: the edits have no feature
    and no activation in common, and `TELLING_TEXTS` different texts are neither the baseline's
    nor given to that item under a third direction. Does not see copies of texts into three
    arms or more: from outside they look like a state that many edits lead to.
    """
    adding = {spec.id: spec for spec in specs if spec.coefficient}
    given: dict[str, _Given] = {}
    for evaluation, first, arm in _twins(answers, adding):
        one, two, rows = adding[first], adding[arm], answers[evaluation, arm]
        if not isinstance(rows[0], GenerationRow):
            if _vector(one) != _vector(two) and _scores_tell(answers, evaluation, rows):
                yield Copy(evaluation, arm, first, scored=True)
        elif _parts(one).isdisjoint(_parts(two)):
            if evaluation not in given:
                given[evaluation] = _given(answers, adding, evaluation)
            if _texts_tell(given[evaluation], rows):
                yield Copy(evaluation, arm, first, scored=False)


def _twins(answers: Answers, adding: Mapping[str, ArmSpec]) -> Iterator[tuple[str, str, str]]:
    """Evaluation, first arm and later arm with the same answers, row for row."""
    seen: dict[Hashable, str] = {}
    for (evaluation, arm), rows in answers.items():
        if arm in adding and rows:
            first = seen.setdefault((evaluation, *map(answer, rows)), arm)
            if first != arm:
                yield evaluation, first, arm


def _scores_tell(answers: Answers, evaluation: str, rows: Sequence[AnswerRow]) -> bool:
    plain = plain_answers(answers, evaluation)
    return sum(answer(row) != plain.get(row.item) for row in rows) >= TELLING_ROWS


_Given = dict[Hashable, set[Hashable]]
"""Under which directions an answer is given; the baseline's is none."""


def _given(answers: Answers, adding: Mapping[str, ArmSpec], evaluation: str) -> _Given:
    given: _Given = {}
    for (name, arm), rows in answers.items():
        if name == evaluation:
            direction = _direction(adding.get(arm))
            for row in rows:
                given.setdefault(answer(row), set()).add(direction)
    return given


def _texts_tell(given: _Given, rows: Sequence[AnswerRow]) -> bool:
    """Whether enough texts are given under these two directions and no other."""
    return len({_text(row) for row in rows if len(given[answer(row)]) <= 2}) >= TELLING_TEXTS


def _text(row: AnswerRow) -> Hashable:
    return row.output if isinstance(row, GenerationRow) else None


def _direction(spec: ArmSpec | None) -> Hashable:
    """What is added, but for its size; none where nothing is, as in the baseline."""
    return None if spec is None else (spec.features, spec.pool_pair, spec.coefficient > 0.0)


def _vector(spec: ArmSpec) -> Hashable:
    return (spec.features, spec.pool_pair, spec.coefficient)


def _parts(spec: ArmSpec) -> set[Hashable]:
    """What a direction is made of; two that share a part are not independent."""
    pair = spec.pool_pair or ()
    return {("feature", f) for f in spec.features} | {("activation", a) for a in pair}
