"""What a plan must not ask of scripts, from its own words."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.methods.turns import TURN, turns_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Evaluation, Generate, Probe, Turns


def turns_lint(plan: Plan) -> Iterator[str]:
    """Scripts that others read as prompts, frames without a turn, readers of more than one."""
    asked = {each.dataset: each.id for each in plan.evaluations if turns_of(each) is not None}
    for where, dataset in _read_as_prompts(plan):
        if dataset in asked:
            yield f"{where}: by {asked[dataset]}, the items of {dataset} are scripts."
    for evaluation in plan.evaluations:
        turns = turns_of(evaluation)
        if turns is not None:
            yield from _faults(plan, evaluation, turns)
    if not asked:
        yield from _without_scripts(plan)


def _without_scripts(plan: Plan) -> Iterator[str]:
    """What only scripts have, in a plan that has none."""
    if plan.exclusions and "transcript_longer_than_context" in plan.exclusions.causes:
        yield "/exclusions/causes: only scripts have a transcript; leave the cause out."
    for dataset in plan.datasets:
        if dataset.columns is not None and dataset.columns.system is not None:
            yield f"/datasets {dataset.id} /columns/system: only scripts have a system text."


def _read_as_prompts(plan: Plan) -> Iterator[tuple[str, str]]:
    for evaluation in plan.evaluations:
        where = f"/evaluations {evaluation.id}"
        if turns_of(evaluation) is None:
            yield f"{where} /dataset", evaluation.dataset
        if isinstance(evaluation.measure, Probe):
            yield f"{where} /measure/contrast", evaluation.measure.contrast
    for axis in plan.axes:
        yield f"/axes {axis.id} /selection/contrast", axis.selection.contrast.dataset
        direction = axis.baselines and axis.baselines.refusal_direction
        if direction:
            yield f"/axes {axis.id} /baselines/refusal_direction", direction.contrast.dataset
    if plan.controls.unrelated_contrasts is not None:
        yield "/controls/unrelated_contrasts", plan.controls.unrelated_contrasts.dataset


def _faults(plan: Plan, evaluation: Evaluation, turns: Turns) -> Iterator[str]:
    where = f"/evaluations {evaluation.id} /measure"
    if turns.frame is not None and plan.chat_template is not None:
        yield f"{where}/turns/frame: a chat template has its own; leave the frame out."
    elif turns.frame is not None and turns.frame.count(TURN) != 1:
        yield f"{where}/turns/frame: say once where the turn stands, as {TURN}."
    is_judged = (
        isinstance(evaluation.measure, Generate) and evaluation.measure.judge is not None
    )
    if is_judged and turns.graded != "last":
        yield f"{where}/turns/graded: a judge reads the last answer; take last, or no judge."
