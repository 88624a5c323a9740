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
from safetycase.methods.controls import REPORTED_ONLY
from safetycase.record.control_tests import ControlFamily
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, Candidate, Operation, SideEffect
from safetycase.record.planned_evaluation import Evaluation, Measure

BASELINE = "baseline"
SPLITS = ("discovery", "tuning", "held_out")
NAMED_ROLES = ("target", "sham", "reconstruction", "opposite", "best_of")
SIMPLER_ROLES = ("difference_in_means", "prompt", "system_prompt", "refusal_direction")


@dataclass(frozen=True)
class Cell:
    """All items of one split of an evaluation, under one arm."""

    evaluation: str
    dataset: str
    arm: str
    split: str


def candidates(axis: Axis) -> tuple[Candidate, ...]:
    """The edits that are tried on an axis: its candidate, then the alternatives."""
    return (axis.candidate, *(axis.alternatives or ()))


def dose_arms(axis: Axis, number: int = 0) -> list[str]:
    """Arms of the target's dose series under one of the candidates, in plan order."""
    return _series(axis.id, axis, number)


def best_of_arms(plan: Plan, axis: Axis, number: int = 0) -> list[list[str]]:
    """The same of each random feature set of the best-of family."""
    sets = (f"{axis.id}/best_of/{c:02d}" for c in range(plan.controls.best_of))
    return [_series(name, axis, number) for name in sets]


def _series(start: str, axis: Axis, number: int) -> list[str]:
    within = f"{start}/alternative/{number:02d}" if number else start
    return [f"{within}/dose/{i:02d}" for i in range(len(candidates(axis)[number].doses))]


_GAUGED_SETS = frozenset({"random_live"})
_GAUGED_DIRECTIONS = frozenset(
    {
        "random_direction",
        "unrelated_contrast",
        "shuffled_label",
        "gaussian",
        "difference_in_means",
    }
)


def gauged_arms(plan: Plan, axis: Axis) -> list[str]:
    """Held-out controls that do what the target does, at a gain that tuning rows give.

    None on axes that add. Of several candidates, what any of them needs: which one is taken is
    not known before they are tried, and the grid is the plan's.
    """
    roles = {role for tried in candidates(axis) for role in gauged_roles(tried.operation)}
    return [arm for arm in held_out_arms(plan, axis) if arm.split("/")[1] in roles]


def gauged_roles(operation: Operation) -> frozenset[str]:
    """Controls that do what the target does: any direction can be projected out."""
    if operation == "add":
        return frozenset()
    return _GAUGED_SETS | _GAUGED_DIRECTIONS if operation == "project_out" else _GAUGED_SETS


def gauge_of(axis: Axis, arm: str) -> str:
    """The arm of the tuning split that the gain of a held-out control follows from."""
    return f"{axis.id}/gauge/{arm.removeprefix(f'{axis.id}/')}"


def gauge_arms(plan: Plan, axis: Axis) -> list[str]:
    """Arms of the tuning split that are measured once the target's dose is chosen."""
    return [gauge_of(axis, arm) for arm in gauged_arms(plan, axis)]


def is_gauge(arm: str) -> bool:
    """Whether an arm is there for a gain alone."""
    return "/gauge/" in arm


def is_unedited(arm: str) -> bool:
    """Whether an arm edits nothing and has no hook: the baseline, and a prompt of any kind."""
    return arm == BASELINE or arm.endswith(("/prompt", "/system_prompt"))


def is_edited_upstream(axis: Axis, arm: str) -> bool:
    """Whether an arm is edited before the axis's own place as well."""
    asked = None if axis.baselines is None else axis.baselines.refusal_direction
    return asked is not None and asked.layers == "all" and arm.endswith("/refusal_direction")


def baseline_arms(axis: Axis) -> list[str]:
    """Held-out arms of simpler interventions than the target's."""
    asked = axis.baselines
    if asked is None:
        return []
    wanted = (asked.difference_in_means, asked.prefix, asked.system, asked.refusal_direction)
    roles = zip(SIMPLER_ROLES, wanted, strict=True)
    return [f"{axis.id}/{role}" for role, value in roles if value]


def compared_arms(axis: Axis) -> list[str]:
    """Held-out arms beside which the target is counted: simpler interventions.

    Where the dictionary's error is dropped, the reconstruction is the first of them.
    """
    dropped = axis.candidate.error_policy == "none"
    return [*([f"{axis.id}/reconstruction"] if dropped else []), *baseline_arms(axis)]


def named_arms(axis: Axis) -> list[str]:
    """Held-out arms that stand alone, the target first."""
    return [*(f"{axis.id}/{role}" for role in NAMED_ROLES), *baseline_arms(axis)]


def control_counts(plan: Plan) -> dict[ControlFamily, int]:
    """How many arms each control family of the plan has, in table order."""
    controls = plan.controls
    unrelated = controls.unrelated_contrasts
    counts: dict[ControlFamily, int | None] = {
        "random_live": controls.random_live_features,
        "random_direction": controls.random_directions,
        "unrelated_contrast": None if unrelated is None else unrelated.count,
        "shuffled_label": controls.shuffled_labels,
        "gaussian": controls.gaussian_directions,
    }
    return {family: count for family, count in counts.items() if count is not None}


def relied_on(plan: Plan) -> dict[ControlFamily, int]:
    """The families whose rank tests a claim must pass, and how many arms each has."""
    counts = control_counts(plan)
    return {family: n for family, n in counts.items() if family not in REPORTED_ONLY}


def control_arms(plan: Plan, axis: Axis, family: ControlFamily) -> list[str]:
    """Held-out arms of one control family; none if the plan does not ask for it."""
    return [f"{axis.id}/{family}/{i:02d}" for i in range(control_counts(plan).get(family, 0))]


def held_out_arms(plan: Plan, axis: Axis) -> list[str]:
    """All held-out arms of an axis, in table order."""
    return [
        *named_arms(axis),
        *(arm for family in control_counts(plan) for arm in control_arms(plan, axis, family)),
    ]


def arm_count(plan: Plan) -> int:
    """How many arms a plan asks for, without naming them: counted before anything is listed."""
    drawn = sum(control_counts(plan).values())
    return sum(
        len(named_arms(axis))
        + drawn
        + (1 + plan.controls.best_of) * sum(len(tried.doses) for tried in candidates(axis))
        + (1 + drawn) * any(tried.operation != "add" for tried in candidates(axis))
        for axis in plan.axes
    )


def is_damage(axis: Axis, effect: SideEffect) -> bool:
    """Whether a side effect is the damage at which arms are compared: then all arms have it."""
    asked = axis.matched_degradation
    return asked is not None and asked.damage == "capability" and asked.side_effect == effect.id


def evaluation_named(plan: Plan, name: str) -> Evaluation:
    """The evaluation of that name; refused if the plan has none."""
    for evaluation in plan.evaluations:
        if evaluation.id == name:
            return evaluation
    raise MethodRefused("plan /evaluations", f"an evaluation {name}", found="none")


def samples_of(evaluation: Evaluation) -> int:
    """How many answers the plan wants to each item of an evaluation, under each arm."""
    measure = evaluation.measure
    return (measure.samples or 1) if measure.kind == "generate" else 1


def axis_named(plan: Plan, name: str) -> Axis:
    """The axis of that name; refused if the plan has none."""
    for axis in plan.axes:
        if axis.id == name:
            return axis
    raise MethodRefused("plan /axes", f"an axis {name}", found="none")


def axis_of(plan: Plan, arm: str) -> str | None:
    """The axis that an arm belongs to; none for the baseline."""
    name = arm.partition("/")[0]
    return name if any(axis.id == name for axis in plan.axes) else None


def to_keep(plan: Plan, axis: Axis) -> tuple[SideEffect, ...]:
    """What must not get worse on an axis: its side effects, then the rates of other axes."""
    return axis.side_effects + tuple(
        SideEffect(
            id=f"off_target.{other.axis}",
            title=f"Off target, {axis_named(plan, other.axis).title}",
            measure=axis_named(plan, other.axis).claim.measure,
            worse=other.worse,
            margin=other.margin,
        )
        for other in axis.off_target or ()
    )


def without_gain(axis: Axis) -> Measure | None:
    """The claim's rate if the outcomes that are no gain count as none; none if not asked.

    What falls is then still counted after it became a refusal; what rises is not counted.
    """
    claim = axis.claim
    if claim.not_by is None:
        return None
    counted, apart = claim.measure.outcomes, claim.not_by.outcomes
    if claim.direction == "down":
        left = (*counted, *(outcome for outcome in apart if outcome not in counted))
    else:
        left = tuple(outcome for outcome in counted if outcome not in apart)
    if not left:
        where = f"plan /axes {axis.id} /claim/not_by"
        raise MethodRefused(where, "an outcome that is a gain", found="none")
    return Measure(evaluation=claim.measure.evaluation, outcomes=left)


def cells(plan: Plan, without: Collection[str] = ()) -> Iterator[Cell]:
    """Every cell of the plan, in table order; `without` names the axes that have no feature."""
    for evaluation in plan.evaluations:
        for split in SPLITS:
            yield Cell(evaluation.id, evaluation.dataset, BASELINE, split)
        for axis in plan.axes:
            if axis.id not in without:
                yield from _axis_cells(plan, axis, evaluation)


def is_measured_on(plan: Plan, axis: Axis, evaluation: Evaluation) -> bool:
    """Whether an evaluation is asked under any arm of an axis."""
    return any(True for _ in _axis_cells(plan, axis, evaluation))


def _axis_cells(plan: Plan, axis: Axis, evaluation: Evaluation) -> Iterator[Cell]:
    if axis.dose_rule.measure.evaluation == evaluation.id:
        for number in range(len(candidates(axis))):
            for arms in (dose_arms(axis, number), *best_of_arms(plan, axis, number)):
                for arm in arms:
                    yield Cell(evaluation.id, evaluation.dataset, arm, "tuning")
        for arm in gauge_arms(plan, axis):
            yield Cell(evaluation.id, evaluation.dataset, arm, "tuning")
    for arm in _held_out_arms_for(plan, axis, evaluation.id):
        yield Cell(evaluation.id, evaluation.dataset, arm, "held_out")


def _held_out_arms_for(plan: Plan, axis: Axis, evaluation: str) -> list[str]:
    every = {axis.claim.measure.evaluation}
    every |= {mediator.measure.evaluation for mediator in axis.mediators}
    every |= {
        effect.measure.evaluation for effect in axis.side_effects if is_damage(axis, effect)
    }
    if evaluation in every:
        return held_out_arms(plan, axis)
    if evaluation in {effect.measure.evaluation for effect in to_keep(plan, axis)}:
        return named_arms(axis)
    return []
