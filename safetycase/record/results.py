"""Everything that follows from the plan and the rows: derived by `methods`, twice."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import ArmId, Count, Identifier, Record, Sha256, Share, Text
from safetycase.record.beside import OutcomeCount, Shrinkage, Stratum
from safetycase.record.calibration import EvaluationCalibration
from safetycase.record.control_tests import ControlTest, MatchedComparison
from safetycase.record.counted import Clustered, ExcludedPairs, Steering
from safetycase.record.doses import DoseResponse
from safetycase.record.identification import GroupMember, Identification
from safetycase.record.planned_axis import (
    DoseUnit,
    ErrorPolicy,
    Operation,
    Positions,
    When,
)
from safetycase.record.planned_evaluation import Measure
from safetycase.record.trace_summary import TraceSummary

Split = Literal["discovery", "tuning", "held_out"]

Role = Literal[
    "baseline",
    "target",
    "sham",
    "reconstruction",
    "opposite",
    "random_live",
    "random_direction",
    "unrelated_contrast",
    "shuffled_label",
    "gaussian",
    "difference_in_means",
    "prompt",
    "system_prompt",
    "refusal_direction",
    "best_of",
    "dose",
    "best_of_dose",
    "gauge",
]
"""What an arm is for; `dose`, `best_of_dose` and `gauge` are measured on the tuning split."""


class SplitCount(Record):
    """How many items of a dataset fell into each split."""

    dataset: Identifier
    """The dataset."""
    discovery: Count
    """Items in discovery."""
    tuning: Count
    """Items in tuning."""
    held_out: Count
    """Items held out."""


class Intervention(Record):
    """What every edit of an axis has in common."""

    dictionary: Identifier
    """Dictionary whose decoder rows are used."""
    dictionary_digest: Sha256
    """Digest of its files."""
    hook: Text
    """Path of the activation that is edited: that which the dictionary writes."""
    layer: Count
    """Block, counted from 0."""
    operation: Operation
    """What is done to the activation; of `add`: h ← h + coefficient · unit direction."""
    unit: DoseUnit
    """What a dose of 1 is; of lengths, `unit_norm`."""
    unit_norm: Annotated[float, Field(gt=0.0)]
    """Mean L2 norm of the activation pool, to six significant digits, in activation units; 1
    where doses are no share of it."""
    positions: Positions
    """Edited positions."""
    condition: When
    """When the edit applies."""
    error_policy: Literal["current", "none", "clean"]
    """`current`: the part of the activation that the dictionary does not explain stays as it
    is; `none`: it is dropped, and the edit is made on what the dictionary makes of it; `clean`:
    in every block it is that of the unedited model."""
    dtype: Literal["float32"]
    """Number format in which the edit is computed."""
    cache: Literal["edited", "unedited_prompt"]
    """Whether the prompt is edited too, so that its cached keys and values carry the edit."""


class Arm(Record):
    """One condition under which items were answered."""

    id: ArmId
    """Name used by the rows."""
    role: Role
    """What the arm is for."""
    features: tuple[Count, ...]
    """Features whose decoder rows make the direction; none for other directions."""
    pool_pair: tuple[Count, Count] | None = None
    """Rows of the activation pool whose difference is the direction, if it is one."""
    word: Text | None = None
    """The word that makes the two classes of an unrelated contrast, if the arm is one."""
    seed: Sha256 | None = None
    """Seed of the permuted labels or of the Gaussian components, if the arm has any."""
    prefix: Text | None = None
    """Text in front of every prompt, if the arm is a prompt and no edit."""
    system: Text | None = None
    """System message in the place of the plan's, if the arm is a system prompt and no edit."""
    candidate: Annotated[int, Field(ge=1)] | None = None
    """Number of the axis's alternative that the arm does, from 1; none: its candidate."""
    operation: Operation | None = None
    """What the arm does, where its candidate does not add, or the arm alone does not; none
    where it adds and its candidate does."""
    layers: Literal["all"] | None = None
    """Whether a direction is taken out of the residual stream before the first block, between
    attention and MLP, and after every block; none: the axis's place alone is edited."""
    error_policy: ErrorPolicy | None = None
    """`none`: the edit is made on what the dictionary makes of the activation; `clean`: on that
    with the unedited model's error; left out: on the activation as it is."""
    gain: float | None = None
    """What the edit is multiplied by to be as large as the target's; none: 1."""
    dose: float
    """Signed dose in the plan's unit; 0 if nothing is added."""
    coefficient: float
    """Dose times the unit norm; of an arm that adds, the signed length of the edit, in
    activation units."""
    realised: float | None = None
    """Mean ‖Δh‖ per edited position over the arm's rows, at the axis's place; of an arm with an
    error policy, what was added beside the dropped error; none if there is no edit."""
    relative: float | None = None
    """Mean ‖Δh‖ / mean ‖h‖ over the arm's rows; none if there is no edit."""


class Rate(Record):
    """The share of items whose outcome counts, in one arm."""

    arm: ArmId
    """The arm."""
    measure: Measure
    """What counts."""
    split: Split
    """The split."""
    counted: Count
    """Items that count."""
    items: Annotated[int, Field(ge=1)]
    """All items of the split: nothing is dropped."""
    low: Share
    """Clopper-Pearson lower bound at the plan's level; clusters widen it."""
    high: Share
    """Clopper-Pearson upper bound at the plan's level; clusters widen it."""
    table: Text
    """Table the rows are in."""
    clustered: Clustered | None = None
    """How clusters were counted; none where every answer stands alone."""
    excluded: Annotated[int, Field(ge=1)] | None = None
    """Items that lack an answer: `low` counts none of them, `high` all; none: all have one."""


class Comparison(Record):
    """An arm against the baseline, item by item, on the held-out split."""

    arm: ArmId
    """The arm compared with `baseline`."""
    measure: Measure
    """What counts."""
    both: Count
    """Items that count in both arms."""
    gained: Count
    """Items that count in the arm only."""
    lost: Count
    """Items that count in the baseline only."""
    neither: Count
    """Items that count in neither."""
    difference: float
    """Share in the arm minus share in the baseline."""
    low: float
    """Tango lower bound of the difference at the plan's level; clusters widen it."""
    high: float
    """Tango upper bound of the difference at the plan's level; clusters widen it."""
    p: Share
    """Two-sided exact McNemar p; with clusters, of the exact sign-flip test by cluster."""
    clustered: Clustered | None = None
    """How clusters were counted; none where every pair stands alone."""
    excluded: ExcludedPairs | None = None
    """Pairs with a missing answer, in no other count here; none: all are there."""


class BaselineComparison(Record):
    """The target against a simpler intervention, item by item: what the features add to it."""

    arm: ArmId
    """The simpler intervention."""
    both: Count
    """Items that count under both."""
    gained: Count
    """Items that count under the target only."""
    lost: Count
    """Items that count under the simpler intervention only."""
    neither: Count
    """Items that count under neither."""
    difference: float
    """(gained - lost) / items, as a share: the target's rate less the other's."""
    low: float
    """Tango lower bound of the difference at the plan's level; clusters widen it."""
    high: float
    """Tango upper bound of the difference at the plan's level; clusters widen it."""
    p: Share
    """Two-sided exact McNemar p; with clusters, of the exact sign-flip test by cluster."""
    clustered: Clustered | None = None
    """How clusters were counted; none where every pair stands alone."""
    excluded: ExcludedPairs | None = None
    """Pairs with a missing answer, in no other count here; none: all are there."""


class Condition(Record):
    """One thing that must be so for the claim to hold."""

    id: Identifier
    """Short name; the same in every case."""
    holds: bool
    """Whether it is so."""
    reason: Text
    """The figures, in words."""


Mechanism = Literal[
    "behavioural_association", "intervention_sufficient", "intervention_necessary"
]
"""Kind of evidence for a mechanism: features that go with a behaviour, an edit that is enough
to move it, or their being taken out that moves it. None of these shows a sole mechanism."""


class Claim(Record):
    """The claim of an axis, as the measurements allow it."""

    holds: bool
    """Whether every condition holds."""
    p: Share | None = None
    """Largest p of the tests that must all pass; none for a bound on a change."""
    p_adjusted: Share | None = None
    """The same after Holm over the effect claims of the plan."""
    detectable: Share | None = None
    """Least change found with the plan's power if a fifth of the items change; of effects."""
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    """Conditions in fixed order."""
    wording: Text
    """The strongest sentence that the conditions allow; computed, never written."""
    mechanism: Mechanism | None = None
    """Kind of evidence for a mechanism; none where no feature was found."""


class Neighbour(Record):
    """A feature whose decoder row lies near that of a kept one: one concept, or two."""

    feature: Count
    """The kept feature."""
    neighbour: Count
    """Index of the other in the dictionary."""
    cosine: Annotated[float, Field(ge=-1.0, le=1.0)]
    """Cosine of their decoder rows."""
    both: Count
    """Discovery prompts on which both fire."""
    feature_alone: Count
    """Discovery prompts on which the kept feature alone fires."""
    neighbour_alone: Count
    """Discovery prompts on which the neighbour alone fires."""
    kept: bool
    """Whether the neighbour was kept too, and is edited with it."""


class AxisResult(Record):
    """The results of one axis."""

    axis: Identifier
    """The axis, as in the plan."""
    identification: Identification
    """The features found."""
    intervention: Intervention | None = None
    """What the edits have in common; none where no feature was found."""
    intervention_digest: Sha256 | None = None
    """Digest of the target's complete specification: edit, features, coefficient."""
    arms: tuple[Arm, ...]
    """All arms of the axis, tuning first; none where no feature was found."""
    dose_response: tuple[DoseResponse, ...]
    """The target's doses, then those of the best-of family."""
    rates: tuple[Rate, ...]
    """Rates on the held-out split."""
    comparisons: tuple[Comparison, ...]
    """Paired comparisons with the baseline."""
    controls: tuple[ControlTest, ...]
    """Rank tests against the control families."""
    baselines: tuple[BaselineComparison, ...] | None = None
    """The target against the simpler interventions; none unless the plan asks."""
    outcomes: tuple[OutcomeCount, ...] | None = None
    """Where the answers to the claim's questions went, under every named arm."""
    shrinkage: Shrinkage | None = None
    """What is left on held-out items of what was chosen; none where no feature was found."""
    strata: tuple[Stratum, ...] | None = None
    """The effect by baseline outcome of a mediator of the same items, where there is one."""
    degradation: MatchedComparison | None = None
    """The target at matched degradation; none unless the plan asks."""
    claim: Claim
    """The claim."""
    traces: TraceSummary | None = None
    """The audit traces; none if the plan asks for none."""
    neighbours: tuple[Neighbour, ...] | None = None
    """Decoder neighbours of the kept features; none if the plan asks for none."""
    groups: tuple[GroupMember, ...] | None = None
    """What is edited with the kept features; none if the plan asks for no groups."""
    steering: Steering | None = None
    """Which items moved which way; none where no feature was found."""


class Determination(Record):
    """Whether a rate is known to be on one side of a rule's threshold."""

    rule: Count
    """Number of the rule, from 0."""
    axis: Identifier
    """Axis whose treated rate is bounded."""
    low: Share
    """One-sided lower bound of the rate, at the plan's level."""
    high: Share
    """One-sided upper bound of the rate, at the plan's level."""
    threshold: Share
    """The rule's largest rate."""
    determination: Literal["below", "cannot_rule_out", "reached"]
    """`below`: not even the upper bound is over it; `reached`: even the lower one is; else the
    interval straddles it, and a rule takes that for reached."""


class DecisionResult(Record):
    """The release tier that follows from the claims."""

    tier: Identifier
    """The tier."""
    rule: Count | None = None
    """Number of the rule that gave it, from 0; none if no rule applied."""
    reason: Text
    """Why, in words."""
    determinations: tuple[Determination, ...] | None = None
    """Every rule's threshold against the interval; none where no rule has one."""


class Results(Record):
    """All results, in plan order."""

    splits: tuple[SplitCount, ...]
    """How the items of each dataset were divided."""
    axes: tuple[AxisResult, ...]
    """One result an axis."""
    decision: DecisionResult
    """The decision."""
    calibration: tuple[EvaluationCalibration, ...] | None = None
    """Graders against people, in plan order; none if there are no labels."""
