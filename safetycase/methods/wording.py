"""The strongest sentence that the conditions of a claim allow.

Nobody writes the sentence of a claim: it follows from the conditions, so that a failed
condition weakens the words and nothing can strengthen them.
"""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.methods import format as spell
from safetycase.methods.claims import Findings, detectable, pairs_of
from safetycase.methods.classes import FEWEST, class_name
from safetycase.methods.design import DISCORDANCE
from safetycase.methods.grid import BASELINE
from safetycase.record.counted import Clustered, ExcludedPairs
from safetycase.record.plan import Plan
from safetycase.record.results import BaselineComparison, Comparison, Condition

_CONTROL_CONDITIONS = frozenset(
    {
        "exceeds_random_live",
        "exceeds_random_direction",
        "exceeds_unrelated_contrast",
        "exceeds_shuffled_label",
        "exceeds_at_matched_degradation",
        "exceeds_best_of",
        "exceeds_reconstruction",
        "adds_to_reconstruction",
        "sign_matters",
        "sham_is_baseline",
        "coherent",
    }
)


def wording(plan: Plan, findings: Findings, conditions: Sequence[Condition]) -> str:
    """The claim's sentence, from most to least that can be said, and what the features add."""
    if not findings.identification.features:
        return _nothing_found(findings)
    failed = {condition.id for condition in conditions if not condition.holds}
    if findings.axis.claim.kind == "effect":
        said = _effect_wording(plan, findings, failed)
    else:
        said = _no_change_wording(plan, findings, failed)
    return " ".join([said, *(_added(plan, each) for each in findings.baselines)])


_POLICIES = {
    "current": "",
    "none": " in its reconstruction of the activations",
    "clean": " with its errors on the unedited model",
}
_BASELINES = {
    "reconstruction": "the dictionary's reconstruction alone",
    "difference_in_means": "the difference of class means",
    "prompt": "a prompt",
    "system_prompt": "a system prompt",
    "refusal_direction": "the refusal direction",
}


def _added(plan: Plan, found: BaselineComparison) -> str:
    """What the target adds to a simpler intervention, or that nothing was shown to be added."""
    name = _BASELINES[found.arm.rpartition("/")[2]]
    figures = (
        f"{spell.points(found.difference)} ({spell.percent(plan.statistics.level)} interval "
        f"{spell.points_interval(found.low, found.high)}, {spell.p_value(found.p)})"
    )
    if found.p > plan.statistics.alpha:
        return f"Beside {name}, no difference was shown: {figures}."
    return f"Beside {name}, the rate differs by {figures}."


def _nothing_found(findings: Findings) -> str:
    found, axis = findings.identification, findings.axis
    least, name = found.least_p_adjusted, class_name(axis.selection.contrast)
    by_outcome = axis.selection.contrast.label == "outcome"
    nothing = f"Nothing was edited, and nothing follows about {axis.claim.rate}."
    if by_outcome and min(found.positive_items, found.negative_items) < FEWEST:
        return (
            f"No feature was found: {found.positive_items} discovery items are {name}, and "
            f"{found.negative_items} are not, too few to be told apart. {nothing}"
        )
    return (
        f"No feature was found: none of {found.candidates} candidates of {axis.dictionary} "
        f"{_sought(findings, name)} discovery items"
        + ("" if least is None else f" (smallest corrected {spell.p_value(least)}")
        + ("" if least is None else f", alpha {spell.number(axis.selection.alpha)})")
        + f". {nothing}"
    )


def _sought(findings: Findings, name: str) -> str:
    """What no candidate does, and on how many discovery items."""
    found, asked = findings.identification, findings.axis.selection.attribution
    ones, others = found.positive_items, found.negative_items
    if asked is None:
        return f"tells {name} from the rest on {ones} and {others}"
    does = "raises" if asked.direction == "up" else "lowers"
    return f"{does} the log-odds of {asked.evaluation}, to first order, on {ones + others}"


def _effect_wording(plan: Plan, findings: Findings, failed: set[str]) -> str:
    figures = observed(plan, findings)
    if findings.target.p > plan.statistics.alpha or findings.at_least(findings.target) <= 0.0:
        return f"No effect was shown: {figures}.{_power(plan, findings)}"
    if failed & _CONTROL_CONDITIONS:
        return (
            f"Outputs changed under perturbation: {figures}. The change cannot be put down to "
            f"the selected features ({_names(failed & _CONTROL_CONDITIONS)})."
        )
    if "more_than_refusal" in failed:
        apart = findings.axis.claim.not_by
        named = " and ".join(apart.outcomes) if apart is not None else "refusals"
        return (
            f"A change was observed on these items: {figures}. It is no gain: it is not shown "
            f"that more than {named} took its place ({_names(failed)})."
        )
    if failed - {"shipped"}:
        return (
            f"A change was observed on these items: {figures}. It does not support the claim "
            f"({_names(failed)})."
        )
    return f"{_place(findings, failed)}{_edit(findings)} {_changes(findings)}: {figures}."


def _no_change_wording(plan: Plan, findings: Findings, failed: set[str]) -> str:
    figures = observed(plan, findings)
    unchecked = {f for f in failed if f.startswith("moves.")} | failed & {
        "manipulation_checked"
    }
    if unchecked:
        return (
            f"Nothing follows about {findings.axis.claim.rate}: the intervention was not shown "
            f"to do what it is for ({_names(unchecked)}). Observed: {figures}."
        )
    if failed - {"shipped"}:
        return f"No harmful change could be excluded: {figures} ({_names(failed)})."
    target = findings.target
    bound = target.high if findings.axis.claim.direction == "up" else -target.low
    return (
        f"{_place(findings, failed)}{_edit(findings)} does not move the rate of "
        f"{findings.axis.claim.rate} by more than {spell.points(bound).lstrip('+')} in the "
        f"harmful direction: {figures}."
    )


_WEAKENED = {
    "asserted": "Somebody says so, and nothing of it was confirmed: {figures}.",
    "intact": "The file reports, and recomputation does not bear out: {figures}.",
    "recomputed": "Recomputed from the published rows, and not shown to be sound: {wording}",
    "sound": "Recomputed, and planned beforehand; nobody else has measured it: {wording}",
    "reproduced": "{wording}",
}
"""What is left of a claim's sentence at each tier; below *recomputed*, figures alone."""


def weakened(tier: str, wording: str, figures: str) -> str:
    """What may be said of a claim that is known so far; a tier without words is the least.

    `wording` is the strongest sentence that the figures allow, `figures` the figures alone.
    """
    return _WEAKENED.get(tier, _WEAKENED["asserted"]).format(wording=wording, figures=figures)


def _place(findings: Findings, failed: set[str]) -> str:
    if findings.axis.purpose == "deployed" and "shipped" not in failed:
        return "As released, "
    return "In the laboratory, "


def _edit(findings: Findings) -> str:
    count = len(findings.identification.features)
    noun = "feature" if count == 1 else "features"
    edited = f"editing {count} {noun} of {findings.axis.dictionary}"
    if findings.grouped:
        members = "decoder neighbour" if findings.grouped == 1 else "decoder neighbours"
        edited += f" and {findings.grouped} {members}"
    return f"{edited}{_POLICIES[findings.axis.candidate.error_policy or 'current']}"


def _changes(findings: Findings) -> str:
    verb = "raises" if findings.axis.claim.direction == "up" else "lowers"
    return f"{verb} the rate of {findings.axis.claim.rate}"


def observed(plan: Plan, findings: Findings) -> str:
    """The figures of a claim without a word on what they show."""
    if not findings.identification.features:
        return "nothing was edited, as no feature was found"
    target: Comparison = findings.target
    items, lost = pairs_of(target), target.excluded
    before, after = (_upper_bound(findings, arm) for arm in (BASELINE, target.arm))
    level = spell.percent(plan.statistics.level)
    unit = "" if target.clustered is None else f", {_unit(target.clustered)}"
    return (
        f"{spell.rate(target.both + target.lost, items, at_most=before)} before, "
        f"{spell.rate(target.both + target.gained, items, at_most=after)} after, difference "
        f"{spell.points(target.difference)} ({level} interval "
        f"{spell.points_interval(target.low, target.high)}, {spell.p_value(target.p)}, paired "
        f"and held out{unit}{_missing(lost)})"
    )


def _power(plan: Plan, findings: Findings) -> str:
    least = detectable(plan, findings)
    if least is None:
        return ""
    return (
        f" A change of {spell.points(least).lstrip('+')} would have been found with power "
        f"{spell.percent(plan.statistics.power)}, if {spell.percent(DISCORDANCE)} of the items "
        "change."
    )


def _missing(lost: ExcludedPairs | None) -> str:
    if lost is None:
        return ""
    return f"; {lost.pairs} pairs lack an answer and count as the worst both ways"


def _unit(clustered: Clustered) -> str:
    each = "" if clustered.samples is None else f"{clustered.samples} answers to each item, "
    return f"{each}in {clustered.clusters} clusters"


def _upper_bound(findings: Findings, arm: str) -> float | None:
    measure = findings.axis.claim.measure
    found = (r.high for r in findings.rates if (r.arm, r.measure) == (arm, measure))
    return next(found, None)


def _names(failed: set[str]) -> str:
    return "failed: " + ", ".join(sorted(failed))
