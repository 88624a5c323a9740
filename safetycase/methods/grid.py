"""Which cells a plan asks for: every (evaluation, arm, split) that must be answered.

Rows stand in this order, so that completeness is a matter of position. The identities of
features and directions are not needed here: the grid is fixed by the plan, and by whether the
search on an axis found anything at all. An axis without a feature has nothing to edit, hence no
arms; which axes those are follows from the discovery evidence (`identify.featureless`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from safetycase.errors import MethodRefused
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Evaluation

BASELINE = "baseline"
SPLITS = ("discovery", "tuning", "held_out")
NAMED_ROLES = ("target", "sham", "reconstruction", "opposite", "best_of")


@dataclass(frozen=True)
class Cell:
    """All items of one split of an evaluation, under one arm."""

    evaluation: str
    dataset: str
    arm: str
    split: str


def dose_arms(axis: Axis) -> list[str]:
    """Arms of the target's dose series, in plan order."""
    return [f"{axis.id}/dose/{i:02d}" for i in range(len(axis.candidate.doses))]


def best_of_arms(plan: Plan, axis: Axis) -> list[list[str]]:
    """Arms of the dose series of each random feature set of the best-of family."""
    doses = range(len(axis.candidate.doses))
    return [
        [f"{axis.id}/best_of/{c:02d}/dose/{i:02d}" for i in doses]
        for c in range(plan.controls.best_of)
    ]


def named_arms(axis: Axis) -> list[str]:
    """Held-out arms that stand alone, the target first."""
    return [f"{axis.id}/{role}" for role in NAMED_ROLES]


def random_live_arms(plan: Plan, axis: Axis) -> list[str]:
    """Held-out arms that edit random live features."""
    return [f"{axis.id}/random_live/{i:02d}" for i in range(plan.controls.random_live_features)]


def random_direction_arms(plan: Plan, axis: Axis) -> list[str]:
    """Held-out arms along differences of two random activations."""
    return [
        f"{axis.id}/random_direction/{i:02d}" for i in range(plan.controls.random_directions)
    ]


def held_out_arms(plan: Plan, axis: Axis) -> list[str]:
    """All held-out arms of an axis, in table order."""
    return [
        *named_arms(axis),
        *random_live_arms(plan, axis),
        *random_direction_arms(plan, axis),
    ]


def arm_count(plan: Plan) -> int:
    """How many arms a plan asks for, without naming them: counted before anything is listed."""
    controls = plan.controls
    drawn = controls.random_live_features + controls.random_directions
    doses = [len(axis.candidate.doses) for axis in plan.axes]
    return sum(len(NAMED_ROLES) + drawn + (1 + controls.best_of) * count for count in doses)


def evaluation_named(plan: Plan, name: str) -> Evaluation:
    """The evaluation of that name; refused if the plan has none."""
    for evaluation in plan.evaluations:
        if evaluation.id == name:
            return evaluation
    raise MethodRefused("plan /evaluations", f"an evaluation {name}", found="none")


def axis_named(plan: Plan, name: str) -> Axis:
    """The axis of that name; refused if the plan has none."""
    for axis in plan.axes:
        if axis.id == name:
            return axis
    raise MethodRefused("plan /axes", f"an axis {name}", found="none")


def cells(plan: Plan, without: Collection[str] = ()) -> Iterator[Cell]:
    """Every cell of the plan, in table order; `without` names the axes that have no feature."""
    for evaluation in plan.evaluations:
        for split in SPLITS:
            yield Cell(evaluation.id, evaluation.dataset, BASELINE, split)
        for axis in plan.axes:
            if axis.id not in without:
                yield from _axis_cells(plan, axis, evaluation)


def _axis_cells(plan: Plan, axis: Axis, evaluation: Evaluation) -> Iterator[Cell]:
    if axis.dose_rule.measure.evaluation == evaluation.id:
        for arm in dose_arms(axis):
            yield Cell(evaluation.id, evaluation.dataset, arm, "tuning")
        for arms in best_of_arms(plan, axis):
            for arm in arms:
                yield Cell(evaluation.id, evaluation.dataset, arm, "tuning")
    for arm in _held_out_arms_for(plan, axis, evaluation.id):
        yield Cell(evaluation.id, evaluation.dataset, arm, "held_out")


def _held_out_arms_for(plan: Plan, axis: Axis, evaluation: str) -> list[str]:
    every = {axis.claim.measure.evaluation}
    every |= {mediator.measure.evaluation for mediator in axis.mediators}
    if evaluation in every:
        return held_out_arms(plan, axis)
    if evaluation in {effect.measure.evaluation for effect in axis.side_effects}:
        return named_arms(axis)
    return []
