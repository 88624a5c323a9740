"""How many rows a batch may have, found by trying: doubled while that is worth it.

The choice is made once for a run, before anything is measured, on the longest prompts of the
plan, and kept in a file beside the units. A run that goes on reads it there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.errors import RunFailed
from safetycase.methods import grid
from safetycase.methods.probe import LinearProbe
from safetycase.methods.sites import places_of
from safetycase.methods.turns import turns_in, turns_of
from safetycase.record.planned_evaluation import Choice, Evaluation, Generate
from safetycase.run.answers import Bench, answers
from safetycase.run.below import BlocksBelow
from safetycase.run.device import free_memory
from safetycase.run.edit import BASELINE_EDIT, NOTHING_SAID, ArmEdit
from safetycase.run.measure import answerable, arms_of, prefaces_of, tokens_of
from safetycase.run.progress import Progress
from safetycase.run.reshape import arm_parts
from safetycase.run.shrink import is_out_of_memory
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow

FIRST, MOST = 8, 4096
"""Rows of the first trial, and of the largest."""
WORTH = 1.05
"""How many times as many rows a second twice the rows must give."""
TIMES = 2
"""How often each size is timed; the shortest time counts."""


@dataclass(frozen=True)
class Trial:
    """Rows asked for, rows measured, and seconds; no seconds: memory ran out."""

    rows: int
    measured: int
    seconds: float | None

    @property
    def rate(self) -> float:
        """Rows a second; 0 where memory ran out."""
        return self.measured / self.seconds if self.seconds else 0.0


def tried(trial: Callable[[int], Trial], *, most: int) -> list[Trial]:
    """Trials from small to large, up to `most` rows; where the first is too large, downwards.

    The last that was worth it is the choice. Refused if two rows do not fit.
    """
    rows = min(FIRST, most)
    trials = [trial(rows)]
    while trials[-1].seconds is None:
        if rows <= 2:  # the baseline and an arm
            raise RunFailed(
                "--batch-rows auto", "memory for a batch of two rows", found="too little"
            )
        rows = -(-rows // 2)
        trials.append(trial(rows))
    while len(trials) == 1 or trials[-1].rate >= WORTH * trials[-2].rate > 0:
        rows *= 2
        if rows > most:
            break
        trials.append(trial(rows))
    return trials


def chosen(trials: Sequence[Trial]) -> int:
    """The rows of the best trial: of those of like rate the smallest."""
    best, *larger = sorted(trials, key=lambda trial: trial.rows)
    for trial in larger:
        if trial.rate >= WORTH * best.rate:
            best = trial
    return best.rows


def with_found_rows(
    bench: Bench,
    plan_digest: str,
    items: Items,
    work: Path,
    progress: Progress,
    clock: Callable[[], float] = time.perf_counter,
    *,
    most: int = MOST,
) -> Bench:
    """The bench with as many rows in a batch as was found best on this machine.

    No batch of more than `most` rows is tried, raised to a power of two, nor one that no cell
    of the plan could fill.

    Tried once for a plan and an environment; then the file in `work` says it. Another
    environment, say another GPU, is tried anew: its units have other keys anyway.
    """
    found = replace_rows(bench, bench.environment.batch_rows).environment
    about = {"plan": plan_digest, "environment": found.spelled()}
    file = work / f"batch-{sha256_hex(canonical.write(about))[:16]}.json"
    if not file.is_file():
        progress.begin("finding how many rows fit a batch", 0)
        trials = _trials(bench, items, clock, most)
        _write(file, {"rows": chosen(trials), "trials": [_spelled(t) for t in trials]})
        for trial in trials:
            told = "too many" if trial.seconds is None else f"{trial.rate:.3g} rows a second"
            progress.note(f"batches of {trial.rows} rows: {told}")
    rows = _read(file)
    progress.note(f"batches of {rows} rows, found by trying ({file.name})")
    return replace_rows(bench, rows)


def replace_rows(bench: Bench, rows: int) -> Bench:
    """The same bench with another size of batches, which the environment says was found."""
    update = {"batch_rows": rows, "batch_rows_by": "trial"}
    return replace(bench, environment=bench.environment.model_copy(update=update))


@dataclass(frozen=True)
class _Task:
    """The longest item of a kind of evaluation, and as many arms as the plan has for it.

    Or the longest behind what a baseline says, which is an arm that stands alone.
    """

    evaluation: Evaluation
    item: ItemRow
    tokens: int
    """Those that are said before it and those that may be generated included."""
    arms: Sequence[ArmEdit]

    def done(self, bench: Bench, rows: int) -> int:
        """Measure a batch of at most so many rows, if two fit; how many it had."""
        per_item = 2 if isinstance(self.evaluation.measure, Choice) else 1
        part = arm_parts(self.arms, max(2, rows // per_item))[0]
        asked = [self.item] * max(1, rows // (per_item * len(part)))
        probe = LinearProbe(np.zeros(bench.model.width, dtype=np.float32), 0.0, 0.5)
        answers(bench, self.evaluation, asked, part, probe)
        return per_item * len(asked) * len(part)


def _trials(bench: Bench, items: Items, clock: Callable[[], float], most: int) -> list[Trial]:
    """Trials of one batch of every kind of evaluation."""
    # texts that end early would not show what the longest need
    endless = replace(bench, model=replace(bench.model, stops=frozenset()))
    tasks = _tasks(endless, items)

    def timed(rows: int) -> Trial:
        begun = clock()
        measured = sum(task.done(replace(endless, below=BlocksBelow()), rows) for task in tasks)
        return Trial(rows, measured, clock() - begun)

    def trial(rows: int) -> Trial:
        try:
            return max((timed(rows) for _ in range(TIMES)), key=lambda one: one.rate)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return Trial(rows, 0, None)
        finally:
            free_memory()

    return tried(trial, most=min(MOST, _power(most), _rows_of_plan(bench, items)))


def _tasks(bench: Bench, items: Items) -> list[_Task]:
    longest: dict[tuple[str, bool], _Task] = {}
    for evaluation, split in product(bench.plan.evaluations, grid.SPLITS):
        every = items.of(evaluation.dataset, split)
        asked = answerable(bench, evaluation, every)
        for item, preface in product(asked, prefaces_of(bench.plan, evaluation, every)):
            tokens = tokens_of(bench, evaluation, item, preface) + _room(evaluation, item)
            task = evaluation.measure.kind, preface == NOTHING_SAID
            if task not in longest or longest[task].tokens < tokens:
                said = [ArmEdit("trial", None, None, None, preface)]
                arms = said if preface != NOTHING_SAID else _arms(bench, evaluation)
                longest[task] = _Task(evaluation, item, tokens, arms)
    if not longest:
        raise RunFailed("--batch-rows auto", "items that the model can be given", found="none")
    return list(longest.values())


def _room(evaluation: Evaluation, item: ItemRow) -> int:
    """Tokens that may be generated behind an item, or behind each of its turns."""
    measure = evaluation.measure
    room = measure.max_new_tokens if isinstance(measure, Generate) else 0
    return room * (1 if turns_of(evaluation) is None else len(turns_in(item.prompt)))


def _rows_of_plan(bench: Bench, items: Items) -> int:
    """The most rows that any cell of the plan could fill a batch with, as a power of two."""
    most = max(
        2 * len(_arms(bench, evaluation)) * len(items.of(evaluation.dataset, split))
        for evaluation in bench.plan.evaluations
        for split in grid.SPLITS
    )
    return _power(most)


def _power(rows: int) -> int:
    """The least power of two that is not below; at least two, a baseline and an arm."""
    return max(2, 1 << (rows - 1).bit_length())


def _arms(bench: Bench, evaluation: Evaluation) -> list[ArmEdit]:
    """The baseline, and edits that add nothing, as many as the plan has arms in a split."""
    plan = bench.plan
    place = min(
        (
            place
            for axis in plan.axes
            for place in places_of(bench.dictionaries[axis.dictionary].writes)
        ),
        key=lambda place: place.order,
    )
    nothing = np.zeros(bench.model.shape.width_at(place), dtype=np.float32)
    most = max(
        sum(not grid.is_unedited(arm) for arm in arms_of(plan, evaluation, split))
        for split in grid.SPLITS
    )
    edits = [ArmEdit(f"trial {n}", place, nothing, None) for n in range(most)]
    return [BASELINE_EDIT, *edits]


def _spelled(trial: Trial) -> JsonValue:
    seconds = None if trial.seconds is None else round(trial.seconds, 6)
    return {"rows": trial.rows, "measured": trial.measured, "seconds": seconds}


def _write(file: Path, found: dict[str, JsonValue]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(canonical.write(found))
    draft.replace(file)


def _read(file: Path) -> int:
    fields = canonical.as_object(
        canonical.read(file.read_bytes(), where=file.name),
        where=file.name,
        required=("rows", "trials"),
    )
    return canonical.as_count(fields["rows"], where=f"{file.name}#/rows")
