"""The arms of an axis: whose features, which direction, which dose.

Control draws follow from the case's seed and the published pool, so that nobody can look
for controls that happen to do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.methods.contrasts import (
    drawn_words,
    gaussian,
    own_direction,
    refusal_direction,
    refusal_length,
    refusal_of,
    unrelated_direction,
)
from safetycase.methods.controls import (
    difference_direction,
    direction,
    draw_pairs,
    not_along,
)
from safetycase.methods.feature_sets import best_of_sets, drawn_sets, target_features
from safetycase.methods.matching import gain_of, length_of
from safetycase.methods.operations import adds
from safetycase.methods.stream import Stream, derive_seed
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, ErrorPolicy, Operation
from safetycase.record.results import Role
from safetycase.tables.evidence import Evidence

TUNING_ROLES = frozenset({"dose", "best_of_dose", "gauge"})
"""Arms that are measured on the tuning split alone."""

KEEPING_THE_ERROR = frozenset(
    {"sham", "reconstruction", "prompt", "system_prompt", "refusal_direction"}
)
"""Arms without the target's error policy: some need no dictionary, one is nothing but that."""


@dataclass(frozen=True)
class ArmSpec:
    """An arm before it is measured."""

    id: str
    role: Role
    features: tuple[int, ...]
    pool_pair: tuple[int, int] | None
    dose: float
    coefficient: float
    word: str | None = None
    seed: str | None = None
    prefix: str | None = None
    candidate: int | None = None
    operation: Operation | None = None
    gain: float | None = None
    layers: Literal["all"] | None = None
    error_policy: ErrorPolicy | None = None
    system: str | None = None

    @property
    def is_said(self) -> bool:
        """Whether a text is put to the model, and nothing is edited."""
        return self.prefix is not None or self.system is not None

    @property
    def made_as(self) -> str:
        """The role that its direction is made for: of a gauge, that of its control."""
        return self.id.split("/")[2] if self.role == "gauge" else self.role


@dataclass(frozen=True)
class Chosen:
    """What the tuning split picked: the target's dose, the best random set and its dose.

    And of which candidate each dose is, by its number in the plan.
    """

    dose: float
    best_of: int
    best_of_dose: float
    candidate: int = 0
    best_of_candidate: int = 0


def unit_norm(axis: Axis, evidence: Evidence, candidate: int = 0) -> float:
    """What a dose of 1 is: the pool's mean L2 norm in six digits, or 1 in any other unit.

    Rounded so that the last bits of a summation order never enter a coefficient.
    """
    if grid.candidates(axis)[candidate].unit != "residual_norm_fraction":
        return 1.0
    pool = evidence.tensor(f"{axis.id}.pool")
    if pool.ndim != 2 or not pool.shape[0]:
        raise MethodRefused(
            f"tensor {axis.id}.pool", "activations [n, d]", found=str(pool.shape)
        )
    norms = np.linalg.norm(pool.astype(np.float64), axis=1)
    return float(f"{norms.mean():.6g}")


def tuning_arms(plan: Plan, axis: Axis, case_seed: str, evidence: Evidence) -> list[ArmSpec]:
    """The target's dose series, then that of each best-of set, candidate by candidate."""
    target = target_features(axis, evidence)
    sets = best_of_sets(plan, axis, case_seed, evidence)
    arms = []
    for number, tried in enumerate(grid.candidates(axis)):
        norm, does = unit_norm(axis, evidence, number), _own_operation(axis, number)
        k = number or None
        series: list[tuple[Role, tuple[int, ...], list[str]]] = [
            ("dose", target, grid.dose_arms(axis, number))
        ]
        names = grid.best_of_arms(plan, axis, number)
        series += [("best_of_dose", *pair) for pair in zip(sets, names, strict=True)]
        for role, features, names_of_series in series:
            arms += [
                ArmSpec(
                    arm, role, features, None, dose, dose * norm, candidate=k, operation=does
                )
                for arm, dose in zip(names_of_series, tried.doses, strict=True)
            ]
    return _of_policy(axis, arms)


def _of_policy(axis: Axis, arms: Iterable[ArmSpec]) -> list[ArmSpec]:
    """The arms with the axis's error policy: target and controls differ in direction alone."""
    return [
        spec
        if spec.role in KEEPING_THE_ERROR
        else replace(spec, error_policy=axis.candidate.error_policy)
        for spec in arms
    ]


def _own_operation(axis: Axis, candidate: int) -> Operation | None:
    """What is said of an arm that does what a candidate does; nothing where that adds."""
    tried = grid.candidates(axis)[candidate]
    return None if adds(tried) else tried.operation


def gauge_arms(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, chosen: Chosen
) -> list[ArmSpec]:
    """Controls that do what the target does, as they are before their gain is known.

    Measured on the tuning split, so that the gain follows from rows. None on axes that add,
    where every control is as long as the target by its coefficient.
    """
    gauged = dict(zip(grid.gauged_arms(plan, axis), grid.gauge_arms(plan, axis), strict=True))
    controls = _controls(plan, axis, case_seed, evidence, chosen) if gauged else []
    gauges = [
        replace(
            spec if spec.operation != "add" else _matched(plan, axis, evidence, spec),
            id=gauged[spec.id],
            role="gauge",
        )
        for spec in controls
        if spec.id in gauged
    ]
    return _of_policy(axis, gauges)


def held_out_arms(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, chosen: Chosen
) -> list[ArmSpec]:
    """All held-out arms, in the order of the grid."""
    target = target_features(axis, evidence)
    random_set = best_of_sets(plan, axis, case_seed, evidence)[chosen.best_of]
    own = chosen.candidate
    dose, does = chosen.dose, _own_operation(axis, own)
    turned = -dose if does is None else dose
    named: list[tuple[Role, tuple[int, ...], float, int]] = [
        ("target", target, dose, own),
        ("sham", target, 0.0, own),
        ("reconstruction", (), 0.0, own),
        ("opposite", target, turned, own),
        ("best_of", random_set, chosen.best_of_dose, chosen.best_of_candidate),
    ]
    arms = [
        ArmSpec(
            f"{axis.id}/{role}",
            role,
            features,
            None,
            d,
            d * unit_norm(axis, evidence, number),
            candidate=number or None,
            operation=_own_operation(axis, number) if features else None,
            gain=-1.0 if does is not None and role == "opposite" else None,
        )
        for role, features, d, number in named
    ]
    controls = _controls(plan, axis, case_seed, evidence, chosen)
    arms += [_matched(plan, axis, evidence, spec) for spec in controls]
    return _of_policy(axis, arms)


def _matched(plan: Plan, axis: Axis, evidence: Evidence, spec: ArmSpec) -> ArmSpec:
    """A control as large as the target is on tuning items, if it is not by its coefficient.

    The refusal direction stays at its own size.
    """
    if spec.operation is None or spec.role == "refusal_direction":
        return spec
    number = spec.candidate or 0
    if spec.operation == "add":
        length = length_of(plan, axis, evidence, spec.dose, number)
        return replace(spec, coefficient=length if spec.dose > 0.0 else -length)
    gauge = grid.gauge_of(axis, spec.id)
    return replace(spec, gain=gain_of(plan, axis, evidence, spec.dose, gauge, number))


def _controls(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, chosen: Chosen
) -> list[ArmSpec]:
    """Simpler interventions and all control families at a dose, in the order of the grid."""
    dose, norm = chosen.dose, unit_norm(axis, evidence, chosen.candidate)
    target = target_features(axis, evidence)
    arms = _baseline_arms(axis, dose, norm, evidence)
    count = plan.controls.random_live_features
    sets = drawn_sets(plan, axis, case_seed, evidence, "random_live", count)
    for arm, features in zip(grid.control_arms(plan, axis, "random_live"), sets, strict=True):
        arms.append(ArmSpec(arm, "random_live", features, None, dose, dose * norm))
    pairs = draw_pairs(
        Stream(case_seed, f"{axis.id}/random_direction"),
        plan.controls.activation_pool,
        plan.controls.random_directions,
        is_control=not_along(
            evidence.tensor(f"{axis.id}.pool"), direction(decoder_rows(axis, target, evidence))
        ),
    )
    for arm, pair in zip(grid.control_arms(plan, axis, "random_direction"), pairs, strict=True):
        arms.append(ArmSpec(arm, "random_direction", (), pair, dose, dose * norm))
    drawn = drawn_words(plan, axis, case_seed, evidence)
    for arm, word in zip(
        grid.control_arms(plan, axis, "unrelated_contrast"), drawn, strict=True
    ):
        arms.append(ArmSpec(arm, "unrelated_contrast", (), None, dose, dose * norm, word=word))
    seeded: tuple[Literal["shuffled_label", "gaussian"], ...] = ("shuffled_label", "gaussian")
    for family in seeded:
        for arm in grid.control_arms(plan, axis, family):
            seed = derive_seed(case_seed, arm)
            arms.append(ArmSpec(arm, family, (), None, dose, dose * norm, seed=seed))
    return [
        replace(
            spec,
            candidate=chosen.candidate or None,
            operation=_done_by(axis, chosen.candidate, spec),
        )
        for spec in arms
    ]


def _done_by(axis: Axis, candidate: int, spec: ArmSpec) -> Operation | None:
    """What a control does: what the target does, where that has a meaning for it; else it adds.

    A prompt does nothing to activations; the refusal direction is taken out or added, whatever
    the target does.
    """
    does = _own_operation(axis, candidate)
    if spec.role == "refusal_direction" and spec.operation is not None:
        return spec.operation
    if does is None or spec.is_said:
        return None
    return does if spec.role in grid.gauged_roles(does) else "add"


def _baseline_arms(axis: Axis, dose: float, norm: float, evidence: Evidence) -> list[ArmSpec]:
    """The simpler interventions that the plan asks for: directions, and prompts."""
    asked, arms = axis.baselines, []
    if asked is not None and asked.difference_in_means:
        name = f"{axis.id}/difference_in_means"
        arms.append(ArmSpec(name, "difference_in_means", (), None, dose, dose * norm))
    if asked is not None and asked.prefix is not None:
        name = f"{axis.id}/prompt"
        arms.append(ArmSpec(name, "prompt", (), None, 0.0, 0.0, prefix=asked.prefix))
    if asked is not None and asked.system is not None:
        name = f"{axis.id}/system_prompt"
        arms.append(ArmSpec(name, "system_prompt", (), None, 0.0, 0.0, system=asked.system))
    refusal = refusal_of(axis)
    if refusal is not None:
        adds_it = refusal.operation == "add"
        name, own = f"{axis.id}/refusal_direction", 1.0 if adds_it else -1.0
        size = refusal_length(axis, evidence) if adds_it else own
        does = None if adds_it else refusal.operation
        spec = ArmSpec(name, "refusal_direction", (), None, own, size, operation=does)
        arms.append(replace(spec, layers=refusal.layers))
    return arms


def needed_features(arms: Iterable[ArmSpec]) -> list[int]:
    """Every feature whose decoder row some arm uses, ascending."""
    return sorted({feature for arm in arms for feature in arm.features})


def directions(
    plan: Plan, axis: Axis, arms: Sequence[ArmSpec], evidence: Evidence
) -> np.ndarray:
    """Unit directions float32 [arms, d_model]; zeros where features or nothing is edited.

    Of features: the normalised sum of their unit decoder rows. Of a pool pair: the normalised
    difference of the two activations. Of a word, of the axis's own or permuted labels, of
    refusals: the normalised difference of class means. Of a Gaussian seed: its normalised
    components.
    """
    pool = evidence.tensor(f"{axis.id}.pool")
    result = np.zeros((len(arms), pool.shape[1]), dtype=np.float32)
    for i, arm in enumerate(arms):
        if arm.pool_pair is not None:
            result[i] = difference_direction(pool, *arm.pool_pair)
        elif arm.word is not None:
            result[i] = unrelated_direction(plan, axis, arm.word, evidence)
        elif arm.made_as == "gaussian" and arm.seed is not None:
            result[i] = gaussian(arm.seed, pool.shape[1])
        elif arm.made_as in {"difference_in_means", "shuffled_label"}:
            result[i] = own_direction(axis, evidence, arm.seed)
        elif arm.role == "refusal_direction":
            result[i] = refusal_direction(axis, evidence)
        elif arm.features and arm.operation is None:
            result[i] = direction(decoder_rows(axis, arm.features, evidence))
    return result


def decoder_rows(axis: Axis, features: Sequence[int], evidence: Evidence) -> np.ndarray:
    """The published decoder rows of some features [features, d_model]."""
    rows = evidence.tensor(f"{axis.id}.w_dec")
    index = {int(f): i for i, f in enumerate(evidence.tensor(f"{axis.id}.features"))}
    missing = [feature for feature in features if feature not in index]
    if missing:
        raise MethodRefused(
            f"tensor {axis.id}.w_dec", "decoder rows of its features", found=f"no {missing}"
        )
    return rows[[index[feature] for feature in features]]
