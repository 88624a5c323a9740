"""Which rows and positions of an axis are traced: half of the target's, half of controls'."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from safetycase.methods.arms import ArmSpec
from safetycase.methods.grid import evaluation_named
from safetycase.methods.outcomes import answers_of
from safetycase.methods.stream import Stream
from safetycase.methods.turns import fed_back
from safetycase.record.plan import Audit, Plan
from safetycase.record.planned_axis import Axis, Positions
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import AnswerRow, GenerationRow, TraceRow

CONTROL_ROLES = frozenset(
    {
        "opposite",
        "best_of",
        "random_live",
        "random_direction",
        "unrelated_contrast",
        "shuffled_label",
        "gaussian",
        "difference_in_means",
        "refusal_direction",
    }
)
"""Arms beside the target that add a direction or take one out; what else is done to
activations needs the whole dictionary."""


def traced_rows(
    audit: Audit, held_out: Sequence[Sequence[AnswerRow]], stream: Stream
) -> list[AnswerRow]:
    """Rows to be traced: half of the target's, the first cell, half of the controls'.

    Takes `sample(rows of the target, half)`, then `sample(rows of all controls, rest)`.
    """
    target, controls = held_out[0], held_out[1:]
    ends = list(accumulate(map(len, controls), initial=0))
    half = min((audit.rows + 1) // 2, len(target))
    rest = min(audit.rows // 2, ends[-1])
    drawn = [target[place] for place in stream.sample(len(target), half)]
    for place in stream.sample(ends[-1], rest):
        cell = bisect(ends, place) - 1
        drawn.append(controls[cell][place - ends[cell]])
    return drawn


def trace_rows(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, specs: Sequence[ArmSpec]
) -> list[TraceRow]:
    """The rows of the index that the case's seed draws for an axis.

    None without an audit, and none where no feature was found and nothing is edited.

    One stream: the rows first, then for each row in turn `sample(edits, positions)`, ascending.
    """
    if plan.audit is None or not specs:
        return []
    evaluation = evaluation_named(plan, axis.claim.measure.evaluation)
    arms = [spec.id for spec in specs if spec.role == "target"]
    arms += [s.id for s in specs if s.role in CONTROL_ROLES and s.layers is None]
    cells = [answers_of(plan, evidence, evaluation.id, arm, "held_out") for arm in arms]
    stream = Stream(case_seed, f"{axis.id}/traces")
    positions = axis.candidate.positions
    return [
        TraceRow(
            axis=axis.id,
            evaluation=row.evaluation,
            arm=row.arm,
            item=row.item,
            sample=getattr(row, "sample", 0),
            position=position,
            token="prompt" if position < prompt_positions(row, positions) else "generated",
        )
        for row in traced_rows(plan.audit, cells, stream)
        for position in _drawn(stream, row.edits, plan.audit.positions)
    ]


def _drawn(stream: Stream, edits: int, most: int) -> list[int]:
    """The positions drawn of a row, ascending; none of a row without an edited position."""
    return sorted(stream.sample(edits, min(most, edits))) if edits else []


def prompt_positions(row: AnswerRow, positions: Positions = "all_but_bos") -> int:
    """How many of a row's edited positions hold its prompt, of all turns of a script."""
    if positions == "generated":
        return 0
    if positions == "prompt":
        return row.edits
    if isinstance(row, GenerationRow):
        return row.edits - fed_back(row.tokens, row.stop)
    return row.edits
