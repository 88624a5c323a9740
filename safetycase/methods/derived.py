"""What follows from plan and evidence, axis by axis; nothing here has seen the record.

Every piece is made by the same function of `methods` that the runner used, at most once. That
a record states something else changes nothing here, so that one altered field fails only the
check that answers for it. What the plan does not ask for is none without a look at the rows: a
question that was never put is not left open by what is withheld.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods import arms as planned
from safetycase.methods import beside, derive, dose, grid, identify, label, measure, spread
from safetycase.methods import claims as judged
from safetycase.methods.argument import argument, limitations
from safetycase.methods.arm_edits import clamp_units
from safetycase.methods.calibration import calibrations
from safetycase.methods.decision import decide
from safetycase.methods.degradation import matched_comparison
from safetycase.methods.feature_sets import target_features
from safetycase.methods.grade import regrade
from safetycase.methods.grid import BASELINE
from safetycase.methods.neighbours import Neighbours
from safetycase.methods.once import once
from safetycase.methods.traces import Traces
from safetycase.record.beside import OutcomeCount, Shrinkage, Stratum
from safetycase.record.calibration import EvaluationCalibration
from safetycase.record.case import Node
from safetycase.record.control_tests import ControlTest, MatchedComparison
from safetycase.record.counted import Steering
from safetycase.record.doses import DoseResponse
from safetycase.record.identification import GroupMember, Identification
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.results import (
    Arm,
    AxisResult,
    BaselineComparison,
    Claim,
    Comparison,
    DecisionResult,
    Intervention,
    Rate,
    Results,
    SplitCount,
)
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import LabelCheckRow


@dataclass
class Derived:
    """Everything that follows from a plan and its evidence."""

    plan: Plan
    case_seed: str
    stated: Evidence
    """Tables and tensors as published."""
    read_shipped: Callable[[], frozenset[str]]
    """Reads which axes the release configuration names; asked only when claims are judged."""
    kept: dict[str, Any] = field(default_factory=dict)

    @once
    def items(self) -> Items:
        """Items, with their splits derived again."""
        return Items(derive.resplit(self.plan, self.case_seed, self.stated.items.rows))

    @once
    def searched(self) -> Evidence:
        """What the search for features rests on: items and tensors.

        And no answers, but those of the unedited model by which prompts have a class.
        """
        gone = self.stated.exclusions
        bare = Evidence(self.items, {}, (), (), self.stated.tensors, exclusions=gone)
        named = [axis.selection.contrast.measure for axis in self.plan.axes]
        keys = {(measure.evaluation, BASELINE) for measure in named if measure is not None}
        answers = {k: rows for k, rows in self.stated.answers.items() if k in keys}
        if not answers:
            return bare
        try:
            return regrade(
                self.plan,
                replace(bare, answers=answers, judgements=self.stated.judgements),
            )
        except MethodRefused:
            return bare

    @once
    def featureless(self) -> frozenset[str]:
        """Axes on which the search finds nothing, and of which no arm is asked."""
        return identify.featureless(self.plan, self.searched)

    @once
    def ungraded(self) -> Evidence:
        """Evidence with splits and label predictions derived again, grades as published."""
        return Evidence(
            items=self.items,
            answers=self.stated.answers,
            label_words=self.stated.label_words,
            label_checks=self.label_checks,
            tensors=self.stated.tensors,
            traces=self.stated.traces,
            human_labels=self.stated.human_labels,
            exclusions=self.stated.exclusions,
            dictionary_texts=self.stated.dictionary_texts,
            judgements=self.stated.judgements,
        )

    @once
    def evidence(self) -> Evidence:
        """Evidence with splits, label predictions and grades derived again."""
        graded = regrade(self.plan, self.ungraded)
        identify.share_search(self.plan, self.searched, graded)
        return graded

    @once
    def label_checks(self) -> list[LabelCheckRow]:
        """Label checks with every prediction made again from the label and the prompt."""
        labels = label.vocabularies(self.plan, self.stated.label_words)
        return label.repredict(self.plan, self.items, labels, self.stated.label_checks)

    @once
    def splits(self) -> tuple[SplitCount, ...]:
        """How many items of each dataset stand in each split."""
        return derive.split_counts(self.plan, self.items)

    @once
    def axes(self) -> dict[str, DerivedAxis]:
        """What follows for each axis, by its name."""
        return {axis.id: DerivedAxis(self, axis) for axis in self.plan.axes}

    @once
    def claims(self) -> dict[str, Claim]:
        """The claims of all axes: their p are corrected together."""
        findings = [axis.findings for axis in self.axes.values()]
        return dict(zip(self.axes, derive.claims(self.plan, findings), strict=True))

    @once
    def results(self) -> Results:
        """All results, as the runner should have written them."""
        axes = tuple(axis.result for axis in self.axes.values())
        return Results(
            splits=self.splits,
            axes=axes,
            decision=self.decision,
            calibration=self.calibration,
        )

    @once
    def calibration(self) -> tuple[EvaluationCalibration, ...] | None:
        """Graders against people."""
        return calibrations(self.plan, self.evidence) if self.stated.human_labels else None

    @once
    def decision(self) -> DecisionResult:
        """The release tier."""
        return decide(self.plan, [axis.result for axis in self.axes.values()])

    @once
    def argument(self) -> tuple[Node, ...]:
        """The nodes of the argument."""
        return argument(self.plan, self.results)

    @once
    def limitations(self) -> tuple[str, ...]:
        """What a case of this plan must say that it does not show."""
        return limitations(self.plan)


@dataclass
class DerivedAxis:
    """Everything that follows for one axis."""

    whole: Derived
    axis: Axis
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        """The regraded evidence."""
        return self.whole.evidence

    @once
    def selection(self) -> identify.Selection:
        """What the selection rule finds on the discovery split."""
        return identify.select_features(self.axis, self.whole.searched)

    @once
    def identification(self) -> Identification:
        """The selection with held-out AUROC, labels and label scores."""
        return identify.identification(
            self.axis, self.whole.case_seed, self.evidence, self.selection
        )

    @once
    def dose_response(self) -> tuple[DoseResponse, ...]:
        """The dose series of target and random sets, each with the dose picked."""
        return dose.dose_responses(self.whole.plan, self.axis, self.evidence)

    @once
    def arm_specs(self) -> list[planned.ArmSpec]:
        """All arms as the plan's seed draws them, tuning first."""
        whole, doses = self.whole, self.dose_response
        return derive.arm_specs(whole.plan, self.axis, whole.case_seed, self.evidence, doses)

    @once
    def directions(self) -> np.ndarray:
        """The unit direction of every arm, from decoder rows, activations and seeds."""
        plan = self.whole.plan
        return planned.directions(plan, self.axis, self.arm_specs, self.evidence)

    @once
    def traces(self) -> Traces | None:
        """The audit traces; none if the plan asks for none."""
        plan, digest = self.whole.plan, self.whole.case_seed
        if plan.audit is None:
            return None
        specs, lines = self.arm_specs, self.directions
        return derive.traces_of(plan, self.axis, digest, self.evidence, specs, lines)

    @once
    def arms(self) -> tuple[Arm, ...]:
        """All arms with their realised edits."""
        return derive.arms(self.whole.plan, self.axis, self.evidence, self.arm_specs)

    @once
    def intervention(self) -> Intervention | None:
        """What all edits have in common; none where no feature was found."""
        return derive.intervention(self.whole.plan, self.axis, self.evidence)

    @once
    def intervention_digest(self) -> str | None:
        """Digest of the target's complete specification, if there is one."""
        if self.intervention is None:
            return None
        chosen = dose.choose(self.axis, self.dose_response)
        features = target_features(self.axis, self.evidence)
        units = clamp_units(self.axis, features, self.evidence, chosen.candidate)
        return derive.intervention_digest(self.intervention, features, chosen.dose, units)

    @once
    def rates(self) -> tuple[Rate, ...]:
        """Every held-out rate."""
        return measure.rates(self.whole.plan, self.axis, self.evidence)

    @once
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every paired comparison with the baseline."""
        return measure.comparisons(self.whole.plan, self.axis, self.evidence)

    @once
    def steering(self) -> Steering | None:
        """Which items the target moves which way."""
        return spread.steering(self.whole.plan, self.axis, self.evidence)

    @once
    def controls(self) -> tuple[ControlTest, ...]:
        """The rank test against each control family."""
        return measure.control_tests(self.whole.plan, self.axis, self.evidence)

    @once
    def baselines(self) -> tuple[BaselineComparison, ...] | None:
        """The target against each simpler intervention."""
        if not grid.compared_arms(self.axis):
            return None
        return measure.baseline_comparisons(self.whole.plan, self.axis, self.evidence)

    @once
    def outcomes(self) -> tuple[OutcomeCount, ...]:
        """Where the answers to the claim's questions went."""
        return beside.outcome_counts(self.whole.plan, self.axis, self.evidence)

    @once
    def shrinkage(self) -> Shrinkage | None:
        """What is left on held-out items of what was chosen."""
        plan, found = self.whole.plan, self.identification
        return beside.shrinkage(plan, self.axis, self.evidence, found, self.dose_response)

    @once
    def strata(self) -> tuple[Stratum, ...] | None:
        """The effect by baseline outcome of the mediators."""
        if not beside.stratifying(self.whole.plan, self.axis):
            return None
        return beside.strata(self.whole.plan, self.axis, self.evidence)

    @once
    def degradation(self) -> MatchedComparison | None:
        """The target at matched degradation."""
        if self.axis.matched_degradation is None:
            return None
        return matched_comparison(self.whole.plan, self.axis, self.evidence)

    @once
    def neighbours(self) -> Neighbours | None:
        """The decoder neighbours of the features, and what is published of them."""
        if self.whole.plan.geometry is None:
            return None
        return derive.neighbours_of(self.whole.plan, self.axis, self.evidence)

    @once
    def groups(self) -> tuple[GroupMember, ...] | None:
        """What is edited with the kept features."""
        if self.axis.selection.groups is None:
            return None
        return derive.groups_of(self.axis, self.evidence)

    @once
    def findings(self) -> judged.Findings:
        """What the claim is judged by."""
        return judged.Findings(
            axis=self.axis,
            identification=self.identification,
            rates=self.rates,
            comparisons=self.comparisons,
            controls=self.controls,
            shipped=self.axis.id in self.whole.read_shipped(),
            baselines=self.baselines or (),
            degradation=self.degradation,
            grouped=len({one.member for one in self.groups or ()}),
        )

    @property
    def claim(self) -> Claim:
        """What is claimed, judged beside all other claims."""
        return self.whole.claims[self.axis.id]

    @once
    def result(self) -> AxisResult:
        """The whole result but for traces, neighbours and groups: nothing else needs them."""
        return AxisResult(
            axis=self.axis.id,
            identification=self.identification,
            intervention=self.intervention,
            intervention_digest=self.intervention_digest,
            arms=self.arms,
            dose_response=self.dose_response,
            rates=self.rates,
            comparisons=self.comparisons,
            controls=self.controls,
            baselines=self.baselines,
            outcomes=self.outcomes,
            shrinkage=self.shrinkage,
            strata=self.strata,
            degradation=self.degradation,
            claim=self.claim,
            steering=self.steering,
        )
