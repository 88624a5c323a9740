"""What a plan's edits can and cannot be, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.methods.contrasts import refusal_of
from safetycase.methods.operations import UNITS
from safetycase.methods.stacks import every_dictionary
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, Candidate
from safetycase.record.planned_evaluation import Generate


def edit_lint(plan: Plan) -> list[str]:
    """Faults of every edit that a plan tries."""
    return [
        *_operations(plan),
        *_of_several_blocks(plan),
        *_clean_errors(plan),
        *_positions(plan),
        *_doses(plan),
    ]


def _tried(plan: Plan) -> Iterator[tuple[str, Axis, Candidate]]:
    """Every edit that a plan tries, with its place."""
    for axis in plan.axes:
        yield f"/axes {axis.id} /candidate", axis, axis.candidate
        for number, edit in enumerate(axis.alternatives or ()):
            yield f"/axes {axis.id} /alternatives/{number}", axis, edit


def _operations(plan: Plan) -> Iterator[str]:
    for where, axis, edit in _tried(plan):
        if edit.unit not in UNITS[edit.operation]:
            units = " or ".join(UNITS[edit.operation])
            yield f"{where}/unit: {edit.operation} is dosed in {units}, not in {edit.unit}."
        if edit.condition is not None and edit.operation != "clamp":
            yield f"{where}/condition: only clamp has one; {edit.operation} needs none."
        yield from _unlike(where, axis, edit)
        if edit.operation == "ablate":
            if -1.0 not in edit.doses or not all(-1.0 <= dose <= 1.0 for dose in edit.doses):
                yield f"{where}/doses: of ablate, -1 (all of it) and none beyond -1 and 1."
            if axis.dose_rule.sign != "negative":
                yield f"{where}: to ablate is a negative dose; ask for sign negative, or scale."


def _unlike(where: str, axis: Axis, edit: Candidate) -> Iterator[str]:
    """What must be the same in all edits of an axis, and is not."""
    if edit.positions != axis.candidate.positions:
        yield f"{where}/positions: all edits of an axis have the same positions."
    if edit.error_policy != axis.candidate.error_policy:
        yield (
            f"{where}/error_policy: all edits of an axis have the same; with none, a dose of "
            "zero is the dictionary's reconstruction, and effects are counted from there."
        )


def _of_several_blocks(plan: Plan) -> Iterator[str]:
    several = {name for name, known in every_dictionary(plan).items() if known.layers}
    asked = [(where, axis, edit.operation) for where, axis, edit in _tried(plan)]
    for axis in plan.axes:
        refusal = refusal_of(axis)
        if refusal is not None:
            where = f"/axes {axis.id} /baselines/refusal_direction"
            asked.append((where, axis, refusal.operation))
    for where, axis, operation in asked:
        if axis.dictionary in several and operation == "project_out":
            yield (
                f"{where}/operation: {axis.dictionary} is of several blocks, and how far an "
                "activation of all lies along a row is not known when the first is edited; "
                "scale, ablate, clamp or add."
            )


def _clean_errors(plan: Plan) -> Iterator[str]:
    """Where the error of the unedited model is to be held, and is none, or is not known."""
    several = {name for name, known in every_dictionary(plan).items() if known.layers}
    measures = {evaluation.id: evaluation.measure for evaluation in plan.evaluations}
    for axis in plan.axes:
        edit, where = axis.candidate, f"/axes {axis.id} /candidate/error_policy"
        if edit.error_policy != "clean":
            continue
        if axis.dictionary not in several:
            yield (
                f"{where}: {axis.dictionary} edits one block, where the error is that of the "
                "unedited model already; leave it out."
            )
        tuned = axis.dose_rule.measure.evaluation
        for name in sorted({tuned, *held_out_evaluations(plan, axis)}):
            measure = measures.get(name)
            if not isinstance(measure, Generate):
                continue
            if edit.positions != "prompt" or measure.turns is not None:
                yield (
                    f"{where}: {name} generates, and after a token that an edited answer says "
                    "otherwise the unedited model has no error to hold; edit the prompt alone, "
                    "one turn, or score."
                )


def _positions(plan: Plan) -> Iterator[str]:
    kinds = {evaluation.id: evaluation.measure.kind for evaluation in plan.evaluations}
    for axis in plan.axes:
        if axis.candidate.positions != "generated":
            continue
        tuned = axis.dose_rule.measure.evaluation
        for name in sorted({tuned, *held_out_evaluations(plan, axis)}):
            if kinds.get(name, "generate") != "generate":
                yield (
                    f"/axes {axis.id} /candidate/positions: generated tokens alone are edited, "
                    f"and {name} generates none; edit the prompt, or leave it out."
                )


def held_out_evaluations(plan: Plan, axis: Axis) -> set[str]:
    """The evaluations that are measured on held-out items under the arms of an axis."""
    others = {other.axis for other in axis.off_target or ()}
    measures = [each.claim.measure for each in plan.axes if each.id in {axis.id, *others}]
    measures += [effect.measure for effect in axis.side_effects]
    measures += [mediator.measure for mediator in axis.mediators]
    return {measure.evaluation for measure in measures}


def _doses(plan: Plan) -> Iterator[str]:
    for place, _, edit in _tried(plan):
        where, doses = f"{place}/doses", edit.doses
        if doses.count(0.0) != 1:
            yield f"{where}: zero must occur once; it is the reference of the series."
        if not any(d < 0 for d in doses) or not any(d > 0 for d in doses):
            yield f"{where}: both signs must occur; a mechanism has a direction."
        if len(set(doses)) != len(doses):
            yield f"{where}: a dose occurs twice."
        if len({abs(d) for d in doses} - {0.0}) < 2:
            yield f"{where}: at least two sizes are needed to see a dose-response."
