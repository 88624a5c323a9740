"""A risk axis as planned: from contrast to features, dose, side effects and claim."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Identifier, Record, Share, Text
from safetycase.record.planned_evaluation import Measure, Outcome

Operation = Literal["add", "scale", "ablate", "clamp", "project_out"]
"""What is done to an activation h, with the activations z of features f, what each of them adds
(its decoder row d), a coefficient c (the dose times the unit) and the part of h that the
dictionary does not explain left as it is (with `error_policy` `none`: dropped first, so that
what the dictionary makes of h stands below for h):

`add`: h ← h + c · unit direction; `scale`: h ← h + c · Σ z·d, so that -1 takes the features out
and 1 doubles them; `ablate`: the same by another name, for doses from -1 to 1; `clamp`:
h ← h + Σ (c·t - z)·d, where t is the feature's unit, and nothing at all at dose 0;
`project_out`: h ← h + c · P h, where P projects on the span of the decoder rows, so that -1
takes it out.
"""
DoseUnit = Literal[
    "residual_norm_fraction",
    "l2",
    "activation_multiple",
    "max_activation_multiple",
    "activation_value",
    "projection_multiple",
]
"""What a dose of 1 is. `residual_norm_fraction`: the mean residual norm at the site, over
discovery activations; `l2`: a length of 1; `activation_multiple`: what a feature adds as it
fires; `max_activation_multiple`: its largest activation over discovery prompts;
`activation_value`: an activation of 1; `projection_multiple`: the projection on the span.
"""
Positions = Literal["all_but_bos", "prompt", "generated"]
"""Which tokens are edited: all but the first, those of the prompt but the first, or those that
the model has generated. The first generated token follows from the prompt's last one. Of a
script all turns are meant: what user and template say is prompt, every answer is generated.
"""
When = Literal["always", "where_active"]
ErrorPolicy = Literal["none", "clean"]
"""What becomes of what the dictionary leaves unexplained, where it does not stay as it is.

`none`: it is dropped; `clean`: it is that of the unedited model at the same token, which is
another only where several blocks are edited.
"""

Direction = Literal["up", "down"]

Pooling = Literal["max", "mean", "last"]
"""How activations over a prompt's tokens, the first left out, become one: the largest, their
mean, or that at the last token."""


class Contrast(Record):
    """Two classes of prompts whose difference the features should carry."""

    dataset: Identifier
    """Dataset of the prompts."""
    label: Literal["context", "kind", "outcome"]
    """Column of the items that holds the class; `outcome`: the class is what the unedited model
    did on the item."""
    positive: Text | None = None
    """Value of that column in the positive class; all other items are the negative class. None
    with `outcome`."""
    measure: Measure | None = None
    """Of `outcome` alone: an evaluation of the same dataset, and the outcomes that make an item
    positive. An item is positive if more than half of the answers to it count; one that has no
    answer is in neither class."""


class Groups(Record):
    """What a kept feature brings into the edit: decoder neighbours that fire with it.

    They may be parts of one concept that the dictionary has split, or that one of them has
    absorbed (Chanin et al. 2024, arXiv 2409.14507).
    """

    cosine: Annotated[float, Field(gt=0.0, le=1.0)]
    """Least cosine of a neighbour's decoder row with the kept feature's."""
    co_firing: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of the discovery prompts on which either fires, the least share on which both do."""
    at_most: Annotated[int, Field(ge=1, le=64)]
    """How many a kept feature brings in, nearest first; ties go to the lower index."""


class Attribution(Record):
    """The log-odds that a feature moves as it fires, to first order."""

    evaluation: Identifier
    """A choice evaluation of the contrast's dataset. What is attributed is the mean over both
    letter orders of log p(matching) - log p(other)."""
    direction: Direction
    """`up`: features are sought that raise it as they fire; `down`: such as lower it."""


class Selection(Record):
    """How features are found on the discovery split, and nowhere else."""

    contrast: Contrast
    """Classes to be told apart."""
    statistic: Literal["auroc", "standardised_mean_difference", "attribution"]
    """`auroc`: area under the ROC curve of the pooled activations, p by Mann-Whitney;
    `standardised_mean_difference`: difference of class means in standard deviations of all
    prompts, p by Welch's t test; `attribution`: mean over prompts of activation times gradient,
    p by a one-sample t test."""
    alpha: Annotated[float, Field(gt=0.0, le=0.2)]
    """Largest corrected p of a kept feature: the error rate that the correction holds."""
    minimum_density: Share
    """A candidate fires on at least this share of discovery items."""
    keep: Annotated[int, Field(ge=1, le=64)]
    """How many features are kept, best first; ties go to the lower index."""
    correction: Literal["holm", "benjamini_hochberg"] | None = None
    """`holm`: alpha bounds the chance that any significant candidate is a chance find;
    `benjamini_hochberg`: the expected share of chance finds among them. None: `holm`."""
    pooling: Pooling | None = None
    """What a feature's activation on a prompt is: the largest over its tokens but the first,
    their mean, or that at the last token. None: `max`."""
    attribution: Attribution | None = None
    """What is attributed to features; with statistic `attribution`, and with no other."""
    groups: Groups | None = None
    """What is edited with every kept feature; none: the kept features alone."""


class LabelValidation(Record):
    """How a feature's label is tested against its activations."""

    words: Annotated[int, Field(ge=1, le=64)]
    """Size of the label: the words on which the feature fires most, on discovery items."""
    examples: Annotated[int, Field(ge=10)]
    """Held-out prompts on which the label must predict the feature, at most."""
    minimum_score: Share
    """Balanced accuracy from which the label counts as supported."""


class Candidate(Record):
    """An edit to be tried: the selected features, with a series of doses."""

    operation: Operation
    """What is done at every edited position, by the list of operations."""
    unit: DoseUnit
    """What a dose of 1 is, by the list of units; each operation has its own."""
    positions: Positions
    """Which tokens are edited; the first of all never is."""
    condition: When | None = None
    """Of `clamp`: at every position, or for each feature only where it fires; none: always."""
    error_policy: ErrorPolicy | None = None
    """`none`: what the dictionary does not explain of the activation is dropped, so that the
    activation becomes what the dictionary makes of it, with the edit; `clean`: in every block
    it is what the unedited model has there; left out: it stays as it is."""
    doses: Annotated[tuple[float, ...], Field(min_length=5)]
    """Signed doses in the order they are tried; zero and both signs are among them."""


class DoseRule(Record):
    """How one dose is chosen on the tuning split.

    Eligible doses have the wanted sign and are not zero; admissible ones among them raise
    the incoherent share over the zero dose by no more than the limit. Chosen is the smallest
    absolute dose whose effect is at least `share_of_best` of the best admissible effect (at
    least the best itself, if that is not above zero); ties go to the first in the plan.
    Without an admissible dose the smallest eligible one is chosen. Among several edits, that
    whose chosen dose is admissible and does most is taken; ties go to the first in the plan.
    """

    measure: Measure
    """The rate that a dose is to move: the claim's own, or that of a mediator."""
    direction: Direction
    """Where it is to go."""

    share_of_best: Share
    """How close to the best admissible effect is enough."""
    incoherent_at_most: Share
    """Largest added share of incoherent answers of an admissible dose."""
    sign: Literal["negative", "positive", "either"]
    """Doses that may be chosen; the others are measured and shown all the same."""


class SideEffect(Record):
    """Something that must not get worse by more than a margin (non-inferiority)."""

    id: Identifier
    """Short name: `capability`, `over_refusal`, `coherence`, …"""
    title: Text
    """What must be kept, in words."""
    measure: Measure
    """The rate."""
    worse: Direction
    """The direction that is harm."""
    margin: Annotated[float, Field(gt=0.0, le=0.5)]
    """Largest tolerated change, as a share; the bound of the interval must stay inside."""


class Mediator(Record):
    """Something the intervention is meant to change on its way: the manipulation check."""

    id: Identifier
    """Short name: `verbalised_awareness`, `probe`, …"""
    title: Text
    """What must change, in words."""
    measure: Measure
    """The rate, measured by something not built from the selected features."""
    direction: Direction
    """Where it must go."""
    at_least: Share
    """Least change, as a share; the bound of the interval must reach it."""


class OffTarget(Record):
    """Another axis of the plan, on whose claim's rate this axis's edit must do no harm."""

    axis: Identifier
    """The other axis."""
    worse: Direction
    """The direction of that axis's rate that is harm."""
    margin: Annotated[float, Field(gt=0.0, le=0.5)]
    """Largest tolerated change, as a share; the bound of the interval must stay inside."""


class NotBy(Record):
    """Outcomes that are no gain: refusals or broken text in the place of what was feared."""

    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    """Outcomes whose rise must not be all that the claim rests on."""
    at_least: Annotated[float, Field(gt=0.0, le=1.0)]
    """Least change that must be left if they count as no gain; the bound must reach it."""


class PlannedClaim(Record):
    """What the axis will claim, if the measurements allow it."""

    kind: Literal["effect", "no_harmful_change"]
    """`effect`: the rate moves; `no_harmful_change`: it does not move by the margin."""
    measure: Measure
    """The rate the claim is about."""
    rate: Text
    """The rate in words, to be put after *the rate of*."""
    direction: Direction
    """`effect`: where it moves; `no_harmful_change`: the direction that would be harm."""
    margin: Annotated[float, Field(gt=0.0, le=1.0)]
    """`effect`: least change worth claiming; `no_harmful_change`: largest tolerated."""
    not_by: NotBy | None = None
    """What the effect must not consist of; none: not asked."""


class RefusalDirection(Record):
    """The direction from the prompts that a model answers to those that it refuses.

    The difference of mean activations at the last prompt token between the two classes, on the
    discovery split, where the dictionary writes (Arditi et al. 2024, arXiv 2406.11717).
    """

    contrast: Contrast
    """Prompts that are refused are the positive class, prompts that are answered the other."""
    operation: Literal["project_out", "add"]
    """`project_out`: the direction is taken out of the activation; `add`: the difference is
    added as long as it is."""
    layers: Literal["all"] | None = None
    """`all`: taken out of the residual stream at every layer, as Arditi et al. do; none: at
    this place alone, so that what later blocks write along it stays."""


class Baselines(Record):
    """Simpler ways to the same end, so that the case says what the features add to them."""

    difference_in_means: Literal[True] | None = None
    """Whether the difference of the class means of the axis's contrast is added, at the dose
    and with the edit norm of the target."""
    prefix: Text | None = None
    """A text put in front of every prompt as it stands, nothing edited; none: no such arm."""
    system: Text | None = None
    """A system message in the place of the plan's, nothing edited, for a plan with a chat
    template; in front of a system text that an item has of its own. None: no such arm."""
    refusal_direction: RefusalDirection | None = None
    """The refusal direction, at its own size whatever the target's dose; none: no such arm."""


class MatchedDegradation(Record):
    """The target's effect beside controls that damage the model as much: a condition.

    The damage of an arm is measured on held-out items, less the baseline's. `likelihood`: mean
    negative log-likelihood of the claim's texts under the unsteered model, or of its two
    letters together, in nats; `repetition`: mean share of repeated trigrams; `incoherent`:
    share of incoherent answers; `capability`: harmful change of a side effect's rate, which is
    then measured under every control.
    """

    damage: Literal["likelihood", "repetition", "incoherent", "capability"]
    """What damage is."""
    side_effect: Identifier | None = None
    """The side effect whose harm is the damage; only with `capability`."""
    tolerance: Annotated[float, Field(ge=0.0)]
    """A control matches if its damage is at least the target's less this."""
    test: Literal["matched", "regression"]
    """`matched`: rank among the controls that match; `regression`: rank of what damage does
    not explain, on a line through target and controls."""


class Axis(Record):
    """A risk axis: what is feared, which features are sought, what is done and claimed."""

    id: Identifier
    """Short name."""
    title: Text
    """The axis in words."""
    hazard: Text
    """What could go wrong if the model were released as it is."""
    purpose: Literal["diagnostic", "deployed"]
    """`deployed`: the release configuration ships the intervention; else a laboratory study."""
    dictionary: Identifier
    """Dictionary in which features are sought."""
    selection: Selection
    """How features are found."""
    labels: LabelValidation
    """How their labels are tested."""
    candidate: Candidate
    """The edit and its doses."""
    alternatives: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=8)] | None = (
        None
    )
    """Other edits of the same features, tried with their own doses; none: the first alone."""
    dose_rule: DoseRule
    """How the dose is chosen."""
    claim: PlannedClaim
    """The claim."""
    side_effects: tuple[SideEffect, ...]
    """What must not get worse."""
    mediators: tuple[Mediator, ...]
    """Manipulation checks."""
    off_target: tuple[OffTarget, ...] | None = None
    """Other axes on which the edit must do no harm; none: not asked."""
    baselines: Baselines | None = None
    """Simpler interventions measured beside the target; none: none are."""
    matched_degradation: MatchedDegradation | None = None
    """Comparison at equal damage; none: only edit norms are equal."""
