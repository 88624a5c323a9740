"""Rows measured again by somebody else: which ones are drawn, and whether they agree.

Two populations a claim: all answer rows of the case, and the few on which its own comparison
rests. Without the second a forger could invent every one of those and stay below any bound on
all rows: in a case of 100,000 rows they are half a percent.

The draw, complete: rows stand in the order of the tables `generations`, `choices`, `probes` and
`likelihoods` and of their lines; those behind a claim in the same order. With S =
derive_seed(case id, "replay", nonce) of `methods.stream`, asked for n rows of a population
of N, the rows drawn are numbers
Stream(S, PURPOSE).sample(N, min(n, N)), PURPOSE being `case/n` or `axis/AXIS/n`. The number
asked for is part of the seed, so that a row cannot be left out without drawing all others anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import cast

import msgspec
import numpy as np

from safetycase.errors import MethodRefused, SchemaViolation
from safetycase.methods import grid
from safetycase.methods.grade import Grade, grader_of
from safetycase.methods.measure import TABLE_OF_KIND
from safetycase.methods.probe import tensor_name
from safetycase.methods.stream import Stream, derive_seed
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.replay import AnswerTable, ReplayedRow, RowPlace, Tolerance
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import TABLES, AnswerKind, AnswerRow, path_of

TOLERANCES = {
    "float32": Tolerance(log_probability=1e-3, relative=1e-3),
    "bfloat16": Tolerance(log_probability=0.25, relative=2e-2),
}
"""By the plan's number format.

float32: other batch shapes move figures by parts in 10^7, other machines by parts in 10^5, six
digits are published; no grade that is not a near tie turns on a thousandth. bfloat16 has eight
bits: logits from 16 to 32 lie 1/8 apart, so two steps; norms lose a part in 2^8 an element.
"""

Tables = Mapping[AnswerKind, Sequence[AnswerRow]]
"""The rows of every table of answers, in the order of kinds; one that is missing has none."""

LARGEST_TOLD = 1e6
"""A difference of more than so many tolerances is told as this many."""

_NEXT_TO_NOTHING = 1e-9
_IDENTITY = ("evaluation", "arm", "item", "sample")
_EXACT = frozenset({"output", "tokens", "stop", "edits", "outcome"})
_NORMS = frozenset({"delta", "residual"})
_HEADER_AND_FIRST = 2


@dataclass(frozen=True)
class Published:
    """A case as a replay reads it: grades and splits derived again, rows by table and line."""

    case_id: str
    plan: Plan
    evidence: Evidence
    tables: Tables
    _graders: dict[str, Grade] = field(default_factory=dict, init=False)
    _norms: dict[str, float] = field(default_factory=dict, init=False)

    def row(self, place: RowPlace) -> AnswerRow:
        """The row on a line of a table; refused if the case has no such line."""
        rows = self.tables[place.table]
        number = place.line - _HEADER_AND_FIRST
        if not 0 <= number < len(rows):
            where = path_of(place.table)
            raise MethodRefused(where, f"a row on line {place.line}", found="none")
        return rows[number]

    def grade(self, row: AnswerRow) -> str:
        """The outcome of a row by the plan's grader, whatever the row says."""
        evaluation = grid.evaluation_named(self.plan, row.evaluation)
        if evaluation.id not in self._graders:
            self._graders[evaluation.id] = grader_of(self.plan, evaluation, self.evidence)
        return self._graders[evaluation.id](Answers.of([row]))[0]

    def norm(self, evaluation: str) -> float:
        """Mean L2 norm of the residuals that the probe of an evaluation was made of."""
        if evaluation not in self._norms:
            residuals = self.evidence.tensor(tensor_name(evaluation)).astype(np.float64)
            self._norms[evaluation] = float(np.linalg.norm(residuals, axis=1).mean())
        return self._norms[evaluation]


def tolerance_of(plan: Plan) -> Tolerance:
    """When figures of a case of this plan agree; refused for an unknown number format."""
    if plan.model.dtype not in TOLERANCES:
        raise MethodRefused("replay", "a known number format", found=plan.model.dtype)
    return TOLERANCES[plan.model.dtype]


def draw(
    published: Published, axis: Axis | None, nonce: str, asked: int
) -> tuple[int, tuple[RowPlace, ...]]:
    """The size of a population, and the rows of it that nonce and case id choose, as drawn.

    Every row has the same chance; the population is measured whole if it has no more rows than
    were asked for. Says nothing of when the nonce was chosen, or of how many were tried.
    """
    find: Callable[[int], RowPlace]
    if axis is None:
        size = sum(map(len, published.tables.values()))
        find, purpose = partial(_nth_row, published.tables), f"case/{asked}"
    else:
        places = rows_behind(published, axis)
        size = len(places)
        find, purpose = places.__getitem__, f"axis/{axis.id}/{asked}"
    stream = Stream(derive_seed(published.case_id, "replay", nonce), purpose)
    return size, tuple(find(number) for number in stream.sample(size, min(asked, size)))


def rows_behind(published: Published, axis: Axis) -> list[RowPlace]:
    """The rows on which an axis's claim itself rests, in table order; refused if none.

    Baseline and target on held-out items, of the evaluation of the claim's rate and of those
    of its manipulation checks. Controls and side effects are bounded by the whole case alone.
    """
    measures = [axis.claim.measure, *(mediator.measure for mediator in axis.mediators)]
    named = [grid.evaluation_named(published.plan, measure.evaluation) for measure in measures]
    arms = {grid.BASELINE, f"{axis.id}/target"}
    places = []
    for kind, rows in published.tables.items():
        lines: set[int] = set()
        for evaluation in named:
            if isinstance(rows, Answers) and TABLE_OF_KIND[evaluation.measure.kind] == kind:
                held_out = published.evidence.items.of(evaluation.dataset, "held_out")
                is_behind = (
                    rows.texts("evaluation").among({evaluation.id})
                    & rows.texts("arm").among(arms)
                    & rows.item.among({item.item for item in held_out})
                )
                lines |= set(np.asarray(rows.lines)[is_behind].tolist())
        places += [RowPlace(table=kind, line=line) for line in sorted(lines)]
    if not places:
        raise MethodRefused(f"axis {axis.id}", "rows behind its claim", found="none")
    return places


def _nth_row(tables: Tables, number: int) -> RowPlace:
    """The answer row of that number, from 0, over all tables; no list of them is made."""
    for kind, rows in tables.items():
        if number < len(rows):
            return RowPlace(table=kind, line=number + _HEADER_AND_FIRST)
        number -= len(rows)
    raise MethodRefused("replay", "the number of an answer row", found=f"{number} too many")


def row_of(table: AnswerTable, values: Sequence[object], *, where: str) -> AnswerRow:
    """The row that a statement's values spell; refused unless they are columns of its table."""
    try:
        return cast("AnswerRow", msgspec.convert(list(values), TABLES[table]))
    except msgspec.ValidationError as error:
        raise SchemaViolation(where, f"a row of {table}", found=str(error)) from None


def compared(published: Published, place: RowPlace, again: AnswerRow) -> ReplayedRow:
    """A row measured again beside the published one, and where the two differ.

    Evaluation, arm, item and sample are the published row's; both are graded here. Texts,
    token counts, stops, edited positions and grades must be equal; figures within the
    tolerance of the plan's number format. A grade that turns on a near tie counts as differing.
    """
    before = published.row(place)
    named = {name: getattr(before, name) for name in _IDENTITY if hasattr(before, name)}
    after = msgspec.structs.replace(again, **named)
    after = msgspec.structs.replace(after, outcome=published.grade(after))
    before = msgspec.structs.replace(before, outcome=published.grade(before))
    differs, largest = [], 0.0
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if name in _EXACT:
            is_equal = old == new
        elif name in named:
            continue
        else:
            share = min(abs(new - old) / _limit(published, before, name, old), LARGEST_TOLD)
            largest = max(largest, share)
            is_equal = share <= 1.0
        if not is_equal:
            differs.append(name)
    return ReplayedRow(
        table=place.table,
        line=place.line,
        again=tuple(msgspec.to_builtins(after)),
        differs=tuple(differs),
        largest=largest,
        first_word=_first_word(before, after),
    )


def _limit(published: Published, row: AnswerRow, name: str, value: float) -> float:
    """The largest accepted difference of a figure; where a size is zero, next to nothing."""
    tolerance = tolerance_of(published.plan)
    if name in _NORMS:
        return max(tolerance.relative * abs(value), _NEXT_TO_NOTHING)
    if name == "score":
        return max(tolerance.relative * published.norm(row.evaluation), _NEXT_TO_NOTHING)
    return tolerance.log_probability


def _first_word(before: AnswerRow, after: AnswerRow) -> int | None:
    """Where two texts part, in words: the verifier has no tokenizer."""
    one, two = (getattr(row, "output", "") for row in (before, after))
    if one == two:
        return None
    pairs = enumerate(zip_longest(one.split(), two.split()))
    different = (number for number, (left, right) in pairs if left != right)
    return next(different, len(one.split()))
