"""What a step of a run has at hand, and how many answers each step is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from safetycase.errors import RunFailed
from safetycase.methods import grid
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.run.answers import Bench
from safetycase.run.engines.engine import Engine
from safetycase.run.journal import Journal
from safetycase.run.measure import arms_of
from safetycase.run.notebook import Notebook
from safetycase.run.progress import Progress
from safetycase.run.prompts import Prompt, encode
from safetycase.run.shrink import Batches
from safetycase.run.units import Store
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow


@dataclass(frozen=True)
class Lab:
    """Everything a step needs: instruments, notes, finished work, a listener."""

    bench: Bench
    case_seed: str
    notes: Notebook
    store: Store
    engine: Engine
    journal: Journal
    progress: Progress

    def prompts(self, items: Iterable[ItemRow]) -> list[Prompt]:
        """The tokens of some items' prompts."""
        return [
            encode(self.bench.model, item.prompt, where=f"{item.dataset}, item {item.item}")
            for item in items
        ]

    def contrast(self, axis: Axis, split: str) -> Sequence[ItemRow]:
        """The items of an axis's contrast in a split; refused if there are none."""
        dataset = axis.selection.contrast.dataset
        items = self.notes.items.of(dataset, split)
        if not items:
            raise RunFailed(f"axis {axis.id}", f"items of {dataset} in {split}", found="none")
        return items

    @property
    def edited(self) -> list[Axis]:
        """The axes on which features were found."""
        return [axis for axis in self.bench.plan.axes if axis.id not in self.notes.featureless]

    @property
    def batch_rows(self) -> int:
        """Rows of a batch that only reads."""
        return min(self.bench.environment.batch_rows, 128)

    def reading(self, what: str) -> Batches:
        """Batches of prompts of which only activations are wanted; `what` is for the record."""
        return Batches(self.batch_rows, partial(self.notes.read_in_smaller, what), what)


BASELINE_STEP = "measuring the baseline"
DOSE_STEP = "trying doses"
GAUGE_STEP = "measuring how large controls are"
HELD_OUT_STEP = "measuring held-out items"


def planned_rows(plan: Plan, items: Items) -> dict[str, int]:
    """The answers that a plan asks for, by the step that measures them."""
    rows = {BASELINE_STEP: 0, DOSE_STEP: 0, GAUGE_STEP: 0, HELD_OUT_STEP: 0}
    for evaluation in plan.evaluations:
        for split in grid.SPLITS:
            every = arms_of(plan, evaluation, split, ())
            gauges = sum(grid.is_gauge(arm) for arm in every)
            arms, asked = len(every) - gauges, len(items.of(evaluation.dataset, split))
            step = DOSE_STEP if split == "tuning" else HELD_OUT_STEP
            rows[step if arms > 1 else BASELINE_STEP] += arms * asked
            if gauges:
                rows[GAUGE_STEP] += (1 + gauges) * asked
    return rows if rows[GAUGE_STEP] else {k: n for k, n in rows.items() if k != GAUGE_STEP}
