"""Inputs and outputs for a reader to look at, drawn by the case's own id.

`samples(case)` of an evaluation and an arm is Stream(CASE_ID, `sample/EVALUATION/ARM`)
.sample(N, min(5, N)) of the N rows of that arm in table order (`methods/stream.py`). The id is
the digest of what was signed, so nobody picks the rows without making the case anew; its author
can still make many. A reviewer's own nonce is stronger: `safetycase replay`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from safetycase.canonical import JsonValue
from safetycase.methods.grid import BASELINE
from safetycase.methods.stream import Stream
from safetycase.methods.turns import as_read, turns_of
from safetycase.record.plan import Plan
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ChoiceRow, GenerationRow, LikelihoodRow, path_of

SAMPLES = 5
"""Rows of an evaluation under an arm: the least of EU GPAI Code of Practice 7.3(1)(f)."""
SAMPLES_NAME = "samples.json"
"""Under which name pages point at drawn rows: made from the case, never a member of it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A drawn row with the prompt that it answers."""

    evaluation: str
    arm: str
    row: str
    """Table and line."""
    item: str
    input: str
    output: str
    outcome: str


def samples(
    case_id: str, plan: Plan, items: Items, answers: Mapping[tuple[str, str], Answers]
) -> tuple[Sample, ...]:
    """The rows that the case's id draws: of every evaluation, under baseline and targets."""
    return tuple(_samples(case_id, plan, items, answers))


def _samples(
    case_id: str, plan: Plan, items: Items, answers: Mapping[tuple[str, str], Answers]
) -> Iterator[Sample]:
    arms = [BASELINE, *(f"{axis.id}/target" for axis in plan.axes)]
    for evaluation in plan.evaluations:
        for arm in arms:
            rows = answers.get((evaluation.id, arm))
            if rows is None:
                continue
            stream = Stream(case_id, f"sample/{evaluation.id}/{arm}")
            for number in stream.sample(len(rows), min(SAMPLES, len(rows))):
                row: Any = rows[number]
                prompt = items.named(evaluation.dataset, row.item).prompt
                where, said = f"{path_of(rows.kind)} line {rows.lines[number]}", _said(row)
                if turns_of(evaluation) is not None:
                    prompt, said = as_read(prompt, said)
                yield Sample(evaluation.id, arm, where, row.item, prompt, said, row.outcome)


def _said(row: Any) -> str:  # noqa: ANN401 — a row of one of four tables
    """What the model said, as text."""
    if isinstance(row, GenerationRow):
        return row.output
    if isinstance(row, ChoiceRow):
        return (
            f"log p {row.forward_matching!r} for the matching answer and "
            f"{row.forward_other!r} for the other; in the other order "
            f"{row.swapped_matching!r} and {row.swapped_other!r}"
        )
    if isinstance(row, LikelihoodRow):
        return f"{row.nll!r} nats a token over {row.tokens} tokens"
    return f"score {row.score!r}"


def as_document(drawn: tuple[Sample, ...]) -> JsonValue:
    """The drawn rows as the JSON values that pages point into."""
    return [{name: getattr(sample, name) for name in Sample.__slots__} for sample in drawn]
