"""All results, from the plan and the rows: what the runner writes and the verifier repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from safetycase.canonical import write
from safetycase.digest import sha256_hex
from safetycase.methods import arms as planned
from safetycase.methods import beside, grid
from safetycase.methods.arm_edits import clamp_units, state_edits
from safetycase.methods.calibration import calibrations
from safetycase.methods.claims import Findings, adjust, claim_p, conditions, detectable
from safetycase.methods.decision import decide
from safetycase.methods.degradation import matched_comparison
from safetycase.methods.dose import choose, dose_responses
from safetycase.methods.equations import dictionary_of, written_place
from safetycase.methods.feature_sets import target_features
from safetycase.methods.groups import group_members
from safetycase.methods.identify import finds_nothing, identification, select_features
from safetycase.methods.measure import (
    baseline_comparisons,
    comparisons,
    control_tests,
    rates,
)
from safetycase.methods.mechanism import mechanism
from safetycase.methods.neighbours import Neighbours
from safetycase.methods.realised import realised_norm
from safetycase.methods.sites import hook_path
from safetycase.methods.split import SPLITS, assign_all
from safetycase.methods.spread import steering
from safetycase.methods.trace_draws import trace_rows
from safetycase.methods.traces import Traces
from safetycase.methods.wording import wording
from safetycase.record.doses import DoseResponse
from safetycase.record.identification import GroupMember
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.results import Arm, AxisResult, Claim, Intervention, Results, SplitCount
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ItemRow


def splits_of(plan: Plan, case_seed: str, clusters: Sequence[str]) -> dict[str, str]:
    """The split of every cluster, from the case's seed and the plan's shares."""
    shares = {split: getattr(plan.splits, split) for split in SPLITS}
    return assign_all(case_seed, clusters, shares)


def resplit(plan: Plan, case_seed: str, rows: Sequence[ItemRow]) -> list[ItemRow]:
    """The items with the splits that the case's seed gives their clusters."""
    splits = splits_of(plan, case_seed, [row.cluster for row in rows])
    return [
        row
        if row.split == splits[row.cluster]
        else msgspec.structs.replace(row, split=splits[row.cluster])
        for row in rows
    ]


def split_counts(plan: Plan, items: Items) -> tuple[SplitCount, ...]:
    """How many items of each dataset stand in each split."""
    return tuple(
        SplitCount(
            dataset=dataset.id,
            discovery=len(items.of(dataset.id, "discovery")),
            tuning=len(items.of(dataset.id, "tuning")),
            held_out=len(items.of(dataset.id, "held_out")),
        )
        for dataset in plan.datasets
    )


def intervention(plan: Plan, axis: Axis, evidence: Evidence) -> Intervention | None:
    """What every edit of an axis has in common; none where no feature was found."""
    if finds_nothing(axis, evidence):
        return None
    dictionary, number = dictionary_of(plan, axis), _taken(plan, axis, evidence)
    taken = grid.candidates(axis)[number]
    return Intervention(
        dictionary=dictionary.id,
        dictionary_digest=dictionary.manifest_digest,
        hook=hook_path(plan.model.architecture, written_place(dictionary)),
        layer=dictionary.layer,
        operation=taken.operation,
        unit=taken.unit,
        unit_norm=planned.unit_norm(axis, evidence, number),
        positions=taken.positions,
        condition=taken.condition or "always",
        error_policy=taken.error_policy or "current",
        dtype="float32",
        cache="unedited_prompt" if taken.positions == "generated" else "edited",
    )


def _taken(plan: Plan, axis: Axis, evidence: Evidence) -> int:
    """Number of the candidate that the tuning rows chose; without alternatives, the first."""
    if axis.alternatives is None:
        return 0
    return choose(axis, dose_responses(plan, axis, evidence)).candidate


def intervention_digest(
    shared: Intervention,
    features: Sequence[int],
    dose: float,
    units: Sequence[float] | None = None,
) -> str:
    """Digest of the complete specification: what a release configuration names.

    `units`, of `clamp`: what a level of 1 is of each feature.
    """
    specification = {
        **shared.spelled(),
        "features": list(features),
        "dose": dose,
        "coefficient": dose * shared.unit_norm,
    }
    if units is not None:
        specification["units"] = list(units)
    return sha256_hex(write(specification))


def arm_specs(
    plan: Plan,
    axis: Axis,
    case_seed: str,
    evidence: Evidence,
    responses: Sequence[DoseResponse] | None = None,
) -> list[planned.ArmSpec]:
    """All arms of an axis, tuning first; needs the tuning rows. None without a feature.

    `responses`: the axis's dose series, where they are derived already.
    """
    if finds_nothing(axis, evidence):
        return []
    chosen = choose(axis, responses or dose_responses(plan, axis, evidence))
    return [
        *planned.tuning_arms(plan, axis, case_seed, evidence),
        *planned.gauge_arms(plan, axis, case_seed, evidence, chosen),
        *planned.held_out_arms(plan, axis, case_seed, evidence, chosen),
    ]


def arms(
    plan: Plan, axis: Axis, evidence: Evidence, specs: Sequence[planned.ArmSpec]
) -> tuple[Arm, ...]:
    """All arms of an axis with their realised edits."""
    return tuple(_arm(plan, axis, evidence, spec) for spec in specs)


def _arm(plan: Plan, axis: Axis, evidence: Evidence, spec: planned.ArmSpec) -> Arm:
    tuning = spec.role in planned.TUNING_ROLES
    measure = axis.dose_rule.measure if tuning else axis.claim.measure
    split = "tuning" if tuning else "held_out"
    delta, relative = realised_norm(plan, evidence, measure, spec.id, split)
    return Arm(
        id=spec.id,
        role=spec.role,
        features=spec.features,
        pool_pair=spec.pool_pair,
        word=spec.word,
        seed=spec.seed,
        prefix=spec.prefix,
        system=spec.system,
        candidate=spec.candidate,
        operation=spec.operation,
        gain=spec.gain,
        layers=spec.layers,
        error_policy=spec.error_policy,
        dose=spec.dose,
        coefficient=spec.coefficient,
        realised=delta,
        relative=relative,
    )


def traces_of(
    plan: Plan,
    axis: Axis,
    case_seed: str,
    evidence: Evidence,
    specs: Sequence[planned.ArmSpec],
    directions: np.ndarray,
) -> Traces:
    """The audit traces of an axis, of a plan that asks for an audit."""
    rows = trace_rows(plan, axis, case_seed, evidence, specs)
    states = state_edits(axis, specs, directions, evidence)
    return Traces(plan, axis, evidence, rows, specs, directions, states)


def neighbours_of(plan: Plan, axis: Axis, evidence: Evidence) -> Neighbours | None:
    """The decoder neighbours of an axis's features; none unless the plan asks for them."""
    if plan.geometry is None or finds_nothing(axis, evidence):
        return None
    return Neighbours(axis, evidence, plan.geometry.neighbours)


def groups_of(axis: Axis, evidence: Evidence) -> tuple[GroupMember, ...] | None:
    """What is edited with an axis's kept features; none unless the plan asks for groups."""
    if axis.selection.groups is None or finds_nothing(axis, evidence):
        return None
    return group_members(axis, evidence)


def grouped(axis: Axis, evidence: Evidence) -> int:
    """How many features are edited beside the kept ones."""
    return len({one.member for one in groups_of(axis, evidence) or ()})


def target_digest(plan: Plan, axis: Axis, evidence: Evidence) -> str | None:
    """Digest of the target's complete specification, if there is one; needs the tuning rows."""
    shared = intervention(plan, axis, evidence)
    if shared is None:
        return None
    chosen = choose(axis, dose_responses(plan, axis, evidence))
    features = target_features(axis, evidence)
    units = clamp_units(axis, features, evidence, chosen.candidate)
    return intervention_digest(shared, features, chosen.dose, units)


def findings_of(
    plan: Plan,
    axis: Axis,
    case_seed: str,
    evidence: Evidence,
    safeguards: Mapping[str, str],
) -> Findings:
    """What the claim of an axis is judged by; `safeguards` maps axes to shipped digests."""
    return Findings(
        axis=axis,
        identification=identification(
            axis, case_seed, evidence, select_features(axis, evidence)
        ),
        rates=rates(plan, axis, evidence),
        comparisons=comparisons(plan, axis, evidence),
        controls=control_tests(plan, axis, evidence),
        shipped=axis.id in safeguards
        and safeguards[axis.id] == target_digest(plan, axis, evidence),
        baselines=baseline_comparisons(plan, axis, evidence) or (),
        degradation=matched_comparison(plan, axis, evidence),
        grouped=grouped(axis, evidence),
    )


def claims(plan: Plan, findings: Sequence[Findings]) -> list[Claim]:
    """The claims of all axes: their p corrected together, their wording computed."""
    adjusted = adjust([claim_p(each) for each in findings])
    return [_claim(plan, each, p) for each, p in zip(findings, adjusted, strict=True)]


def _claim(plan: Plan, findings: Findings, adjusted: float | None) -> Claim:
    met = conditions(plan, findings, adjusted)
    return Claim(
        holds=all(condition.holds for condition in met),
        p=claim_p(findings),
        p_adjusted=adjusted,
        detectable=detectable(plan, findings),
        conditions=met,
        wording=wording(plan, findings, met),
        mechanism=mechanism(findings, met),
    )


def derive_results(
    plan: Plan, case_seed: str, evidence: Evidence, safeguards: Mapping[str, str]
) -> Results:
    """Every result of the case. Refused if rows or tensors are missing."""
    findings = [findings_of(plan, axis, case_seed, evidence, safeguards) for axis in plan.axes]
    axes = tuple(
        _axis_result(plan, axis, case_seed, evidence, found, claim)
        for axis, found, claim in zip(plan.axes, findings, claims(plan, findings), strict=True)
    )
    return Results(
        splits=split_counts(plan, evidence.items),
        axes=axes,
        decision=decide(plan, axes),
        calibration=calibrations(plan, evidence),
    )


def _axis_result(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, found: Findings, claim: Claim
) -> AxisResult:
    responses = dose_responses(plan, axis, evidence)
    specs = arm_specs(plan, axis, case_seed, evidence, responses)
    traces = None
    if plan.audit is not None:
        lines = planned.directions(plan, axis, specs, evidence)
        traces = traces_of(plan, axis, case_seed, evidence, specs, lines)
    near = neighbours_of(plan, axis, evidence)
    return AxisResult(
        axis=axis.id,
        identification=found.identification,
        intervention=intervention(plan, axis, evidence),
        intervention_digest=target_digest(plan, axis, evidence),
        arms=arms(plan, axis, evidence, specs),
        dose_response=responses,
        rates=tuple(found.rates),
        comparisons=tuple(found.comparisons),
        controls=tuple(found.controls),
        baselines=tuple(found.baselines) or None,
        degradation=found.degradation,
        outcomes=beside.outcome_counts(plan, axis, evidence),
        shrinkage=beside.shrinkage(plan, axis, evidence, found.identification, responses),
        strata=beside.strata(plan, axis, evidence),
        claim=claim,
        traces=traces.summary() if traces is not None and traces.rows else None,
        neighbours=None if near is None else near.results(),
        groups=groups_of(axis, evidence),
        steering=steering(plan, axis, evidence),
    )
