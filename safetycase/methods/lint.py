"""What a plan can and cannot show, before anything is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from safetycase.methods import format as spell
from safetycase.methods.contrasts import refusal_of
from safetycase.methods.controls import controls_needed, least_attainable
from safetycase.methods.edit_lint import edit_lint, held_out_evaluations
from safetycase.methods.equations import read_place, spans_blocks, written_place
from safetycase.methods.grader_faults import grader_faults
from safetycase.methods.grid import relied_on
from safetycase.methods.randomness_lint import randomness_lint
from safetycase.methods.search_lint import search_lint
from safetycase.methods.sites import READ_ONLY
from safetycase.methods.stack_lint import stack_lint
from safetycase.methods.stacks import every_dictionary
from safetycase.methods.turns_lint import turns_lint
from safetycase.record.control_tests import ControlFamily
from safetycase.record.plan import Plan, PlannedDictionary
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Generate, Measure, Probe

_LONGEST_OFF_TARGET = 40
"""Letters of another axis's name, so that the condition about it has a name."""


def lint(plan: Plan) -> list[str]:
    """Faults of a plan, each with its place and the remedy; an empty list lets it run.

    Does not judge whether items are good, margins sensible or samples large: only what can
    be known from the plan's own words.
    """
    return [
        *_names(plan),
        *_sites(plan),
        *stack_lint(plan),
        *search_lint(plan),
        *_samples(plan),
        *turns_lint(plan),
        *_exclusions(plan),
        *grader_faults(plan),
        *_alpha(plan),
        *edit_lint(plan),
        *_claims(plan),
        *_decision(plan),
        *randomness_lint(plan),
    ]


_FIELDS: dict[ControlFamily, str] = {
    "random_live": "random_live_features",
    "random_direction": "random_directions",
    "unrelated_contrast": "unrelated_contrasts/count",
    "shuffled_label": "shuffled_labels",
}


def _twice(where: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{where}: {name} occurs {count} times; names must be unique."


def _names(plan: Plan) -> Iterator[str]:
    yield from _twice("/datasets", (d.id for d in plan.datasets))
    yield from _twice("/evaluations", (e.id for e in plan.evaluations))
    instruments = [d.id for d in plan.dictionaries] + [s.id for s in plan.stacks or ()]
    yield from _twice("/dictionaries", instruments)
    yield from _twice("/axes", (a.id for a in plan.axes))
    datasets = {dataset.id for dataset in plan.datasets}
    evaluations = {evaluation.id for evaluation in plan.evaluations}
    dictionaries = set(instruments)
    for evaluation in plan.evaluations:
        used = {evaluation.dataset}
        if isinstance(evaluation.measure, Probe):
            used.add(evaluation.measure.contrast)
        yield from _unknown(f"/evaluations {evaluation.id}", used, datasets, "dataset")
    unrelated = plan.controls.unrelated_contrasts
    if unrelated is not None:
        where = "/controls/unrelated_contrasts"
        yield from _unknown(where, {unrelated.dataset}, datasets, "dataset")
    for axis in plan.axes:
        where = f"/axes {axis.id}"
        asked = {measure.evaluation for measure in counted_by(axis)}
        if axis.selection.attribution is not None:
            asked.add(axis.selection.attribution.evaluation)
        yield from _unknown(where, {axis.dictionary}, dictionaries, "dictionary")
        contrasts = {axis.selection.contrast.dataset}
        refusal = refusal_of(axis)
        contrasts |= set() if refusal is None else {refusal.contrast.dataset}
        yield from _unknown(where, contrasts, datasets, "dataset")
        yield from _unknown(where, asked, evaluations, "evaluation")


def _sites(plan: Plan) -> Iterator[str]:
    for dictionary in plan.dictionaries:
        where = f"/dictionaries {dictionary.id}"
        yield from _blocks(dictionary, where)
        place = written_place(dictionary)
        if plan.model.architecture is None and read_place(dictionary).site != "resid_post":
            yield f"{where}: {dictionary.site} has no path without /model/architecture."
        if place.site in READ_ONLY:
            yield f"{where}: {place.site} can be read, but no edit can be made there."


def _blocks(dictionary: PlannedDictionary, where: str) -> Iterator[str]:
    """Faults of the blocks that are stated: several for equations of several, else none."""
    layers, equation = dictionary.layers, dictionary.equation
    if not spans_blocks(equation):
        if layers is not None:
            yield f"{where}/layers: {equation} is of one block, /layer."
        return
    stated = layers or ()
    is_ascending = len(stated) > 1 and list(stated) == sorted(set(stated))
    if not is_ascending or stated[0] != dictionary.layer:
        yield (
            f"{where}/layers: {equation} is of several blocks; state them, ascending, "
            "and the first as /layer."
        )


def _exclusions(plan: Plan) -> Iterator[str]:
    if plan.exclusions is not None:
        yield from _twice("/exclusions/causes", plan.exclusions.causes)


def _samples(plan: Plan) -> Iterator[str]:
    for evaluation in plan.evaluations:
        measure = evaluation.measure
        if not isinstance(measure, Generate):
            continue
        where = f"/evaluations {evaluation.id} /measure"
        if measure.samples is None and measure.per_item is not None:
            yield f"{where}/per_item: one answer to an item needs no score over samples."
        greedy = plan.sampling.temperature == 0.0 or plan.sampling.top_k == 1
        if measure.samples is not None and greedy:
            yield (
                f"{where}/samples: greedy sampling gives {measure.samples} times the same "
                "answer; raise /sampling/temperature and /sampling/top_k."
            )


def _unknown(where: str, used: set[str], known: set[str], kind: str) -> Iterator[str]:
    for name in sorted(used - known):
        yield f"{where}: the plan has no {kind} {name}; known: {', '.join(sorted(known))}."


def measures_of(axis: Axis) -> list[Measure]:
    """Every measure by which an axis is judged."""
    return [
        axis.claim.measure,
        axis.dose_rule.measure,
        *(effect.measure for effect in axis.side_effects),
        *(mediator.measure for mediator in axis.mediators),
    ]


def counted_by(axis: Axis) -> list[Measure]:
    """Every measure whose outcomes an axis counts, for its claim or for its classes."""
    refusal = refusal_of(axis)
    contrasts = [axis.selection.contrast, *([] if refusal is None else [refusal.contrast])]
    classes = [contrast.measure for contrast in contrasts if contrast.measure is not None]
    return [*measures_of(axis), *classes]


def _alpha(plan: Plan) -> Iterator[str]:
    family = sum(axis.claim.kind == "effect" for axis in plan.axes)
    if not family:
        return
    alpha = plan.statistics.alpha
    needed = controls_needed(alpha, family)
    for control, count in relied_on(plan).items():
        name = _FIELDS[control]
        if least_attainable(count) > alpha / family:
            yield (
                f"/controls/{name}: {count} controls can give no rank p below "
                f"{spell.number(least_attainable(count))}, but {family} claims at alpha "
                f"{spell.number(alpha)} need {spell.number(alpha / family)}; take {needed}."
            )


def _claims(plan: Plan) -> Iterator[str]:
    for axis in plan.axes:
        where = f"/axes {axis.id} "
        if axis.claim.kind == "no_harmful_change" and not axis.mediators:
            yield (
                f"{where}/mediators: a claim that nothing changes needs a manipulation "
                "check, or an intervention that does nothing would prove it."
            )
        if axis.claim.kind == "effect" and axis.dose_rule.measure != axis.claim.measure:
            yield (
                f"{where}/dose_rule/measure: an effect claim tunes the dose on its own rate."
            )
        if axis.baselines is not None and not axis.baselines.spelled():
            yield f"{where}/baselines: none is named; leave the field out, or name one."
        yield from _system_message(plan, axis)
        yield from _refusal_direction(plan, axis)
        yield from _degradation(plan, axis)
        yield from _off_target(plan, axis)
        yield from _not_by(axis)
        yield from _twice(f"{where}/side_effects", [e.id for e in axis.side_effects])
        yield from _twice(f"{where}/mediators", [m.id for m in axis.mediators])


def _system_message(plan: Plan, axis: Axis) -> Iterator[str]:
    if axis.baselines is None or axis.baselines.system is None:
        return
    where = f"/axes {axis.id} /baselines/system"
    if plan.chat_template is None:
        yield f"{where}: a system message needs a chat_template; name it, or ask for a prefix."
    elif axis.baselines.system == plan.chat_template.system:
        yield f"{where}: it is the plan's own, behind which the baseline is measured already."
    kinds = {evaluation.id: evaluation.measure.kind for evaluation in plan.evaluations}
    for name in sorted(held_out_evaluations(plan, axis)):
        if kinds.get(name) == "perplexity":
            yield (
                f"{where}: the texts of {name} stand in no conversation, so that no system "
                "message can come before them; ask for a prefix, or leave one of the two out."
            )


def _refusal_direction(plan: Plan, axis: Axis) -> Iterator[str]:
    asked = refusal_of(axis)
    if asked is None or asked.layers is None:
        return
    where = f"/axes {axis.id} /baselines/refusal_direction/layers"
    if asked.operation == "add":
        yield f"{where}: a direction is added at one layer; take it out, or leave layers out."
    for name, dictionary in every_dictionary(plan).items():
        place = written_place(dictionary)
        if name == axis.dictionary and place.site != "resid_post":
            yield (
                f"{where}: a direction of {place.site} is not one of the residual stream; name "
                "a dictionary that writes resid_post, or leave layers out."
            )


def _degradation(plan: Plan, axis: Axis) -> Iterator[str]:
    asked, where = axis.matched_degradation, f"/axes {axis.id} /matched_degradation"
    if asked is None:
        return
    if axis.claim.kind != "effect":
        yield f"{where}: only an effect is compared at equal damage; leave it out."
    known = {effect.id for effect in axis.side_effects}
    if asked.damage == "capability" and asked.side_effect not in known:
        yield f"{where}/side_effect: name the side effect that is the damage."
    if asked.damage != "capability" and asked.side_effect is not None:
        yield f"{where}/side_effect: only with damage capability."
    kinds = {
        "likelihood": {"generate", "choice"},
        "capability": {"generate", "choice", "probe", "perplexity"},
    }
    measured = {each.id: each.measure.kind for each in plan.evaluations}
    kind = measured.get(axis.claim.measure.evaluation)
    if kind is not None and kind not in kinds.get(asked.damage, {"generate"}):
        yield f"{where}/damage: {asked.damage} cannot be read from answers of kind {kind}."


def _off_target(plan: Plan, axis: Axis) -> Iterator[str]:
    where = f"/axes {axis.id} /off_target"
    others = [other.axis for other in axis.off_target or ()]
    known = {each.id for each in plan.axes} - {axis.id}
    yield from _unknown(where, set(others), known, "other axis")
    yield from _twice(where, others)
    for name in others:
        if len(name) > _LONGEST_OFF_TARGET:
            yield f"{where}: {name} is too long; take at most {_LONGEST_OFF_TARGET} letters."


def _not_by(axis: Axis) -> Iterator[str]:
    claim = axis.claim
    if claim.not_by is None:
        return
    where = f"/axes {axis.id} /claim/not_by"
    counted, apart = set(claim.measure.outcomes), set(claim.not_by.outcomes)
    if claim.kind != "effect":
        yield f"{where}: only an effect can consist of something; leave it out."
    elif claim.direction == "down" and counted & apart:
        yield f"{where}: {', '.join(sorted(counted & apart))} is what must fall."
    elif claim.direction == "up" and not counted - apart:
        yield f"{where}: nothing that must rise is left; take fewer outcomes."


def _decision(plan: Plan) -> Iterator[str]:
    axes = {axis.id for axis in plan.axes}
    for number, rule in enumerate(plan.decision.rules):
        where = f"/decision/rules/{number}"
        for name in sorted({*rule.claims, *([rule.axis] if rule.axis else [])} - axes):
            yield f"{where}: no axis {name}; add it to /axes."
        if (rule.axis is None) != (rule.rate_at_most is None):
            yield f"{where}: axis and rate_at_most go together."
