"""Answers that could not be had: for which causes, and how many at most.

A cause must be one that does not look at what answers say: an answer that does not please has
no cause here. What is missing is analysed as if it were the worst, both ways
(`outcomes.Counts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from safetycase.methods import format as spell
from safetycase.methods.gap import Gap
from safetycase.methods.grid import axis_of, cells, evaluation_named, samples_of
from safetycase.methods.turns import turns_of
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import ExclusionRow, path_of

_TABLE = path_of("exclusions")


def exclusion_gaps(plan: Plan, evidence: Evidence, without: Collection[str]) -> Iterator[Gap]:
    """Exclusions that the plan does not permit, of cells that it does not ask for, or twice.

    `without` names axes that have no feature, and therefore no arms.
    """
    rows = evidence.exclusions
    permitted = () if plan.exclusions is None else plan.exclusions.causes
    askable = _planned(plan, evidence, without) if rows else frozenset()
    times = Counter(map(_key, rows))
    for number, row in enumerate(rows, start=2):
        where = f"{_TABLE} line {number}: {_spelled(row)}"
        if row.cause not in permitted:
            expected = f"a cause that the plan permits: {', '.join(permitted) or 'none'}"
            yield Gap(where, expected, row.cause)
        if row.cause == "transcript_longer_than_context" and not _is_script(plan, row):
            yield Gap(where, "a script of several turns, whose answers can be too long", "none")
        if _key(row) not in askable:
            yield Gap(where, "an answer that the plan asks for", "another")
        elif times[_key(row)] > 1:
            yield Gap(where, "every exclusion once", f"{times[_key(row)]} times")


def _key(row: ExclusionRow) -> tuple[str, str, str, int]:
    return row.evaluation, row.arm, row.item, row.sample


def _spelled(row: ExclusionRow) -> str:
    return f"{row.evaluation} / {row.arm} / {row.item} / sample {row.sample}"


def _is_script(plan: Plan, row: ExclusionRow) -> bool:
    asked = (e for e in plan.evaluations if e.id == row.evaluation)
    return any(turns_of(evaluation) is not None for evaluation in asked)


def _planned(
    plan: Plan, evidence: Evidence, without: Collection[str]
) -> frozenset[tuple[str, str, str, int]]:
    return frozenset(
        (cell.evaluation, cell.arm, item.item, sample)
        for cell in cells(plan, without)
        for item in evidence.items.of(cell.dataset, cell.split)
        for sample in range(samples_of(evaluation_named(plan, cell.evaluation)))
    )


def missing_gaps(plan: Plan, evidence: Evidence, without: Collection[str]) -> Iterator[Gap]:
    """Cells with a larger share of missing answers than the plan's `at_most`: left open."""
    allowed = 0.0 if plan.exclusions is None else plan.exclusions.at_most
    expected = f"at most {spell.percent(allowed)} of the answers missing"
    text = "So much is missing that this arm shows nothing."
    for cell in cells(plan, without):
        samples = samples_of(evaluation_named(plan, cell.evaluation))
        here = evidence.answered(
            cell.evaluation, cell.dataset, cell.arm, cell.split, samples=samples
        )
        if here is not None:
            gone = len(here) - int(here.sum())
            if gone > allowed * len(here):
                where = f"{cell.evaluation} / {cell.arm} / {cell.split}"
                axis = axis_of(plan, cell.arm)
                found = f"{gone} of {len(here)}"
                yield Gap(where, expected, found, text, silent=True, axis=axis)
