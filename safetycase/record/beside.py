"""What stands beside a claim: where the answers went, what shrank, in whom the effect is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from safetycase.record.base import ArmId, Count, Identifier, Record, Share
from safetycase.record.planned_evaluation import Outcome


class OutcomeCount(Record):
    """How many held-out answers of the claim's evaluation had an outcome, under an arm."""

    arm: ArmId
    """The arm."""
    outcome: Outcome
    """The outcome."""
    counted: Count
    """Answers that had it."""
    items: Annotated[int, Field(ge=1)]
    """All answers."""


class ShrunkEffect(Record):
    """The effect of the chosen dose where it was chosen, and where it was not."""

    tuning: float
    """Change by the chosen dose on the tuning split, in the dose rule's direction."""
    held_out: float
    """The same on held-out items."""
    difference: float
    """Held out minus tuning: below zero where the choice was partly luck."""
    low: float
    """Lower bound of the difference at the plan's level."""
    high: float
    """Upper bound of the difference at the plan's level."""
    large: bool
    """Whether less than half of the effect is left."""


class ShrunkAuroc(Record):
    """How well a kept feature separates where it was found, and where it was not sought."""

    feature: Count
    """Index in the dictionary."""
    discovery: Share
    """AUROC on the discovery split, where it was the best of all candidates."""
    held_out: Share
    """AUROC on held-out items of the contrast."""
    difference: float
    """Held out minus discovery."""
    low: float
    """Lower bound of the difference at the plan's level."""
    high: float
    """Upper bound of the difference at the plan's level."""
    large: bool
    """Whether less than half of what lies above one half is left."""


class Shrinkage(Record):
    """What is left on held-out items of what was chosen because it was large."""

    effect: ShrunkEffect | None = None
    """Of the chosen dose; none where its rate is not measured on held-out items."""
    features: tuple[ShrunkAuroc, ...]
    """Of every kept feature, best first."""


class Stratum(Record):
    """The target's effect among the items of one baseline outcome of a mediator.

    Descriptive: the strata are made of the unedited model's own answers.
    """

    mediator: Identifier
    """The manipulation check, as in the plan."""
    counted: bool
    """Whether these are the items whose outcome counted for the mediator at baseline."""
    items: Count
    """Answers in the stratum."""
    before: Count
    """Of them, those that count for the claim's rate at baseline."""
    after: Count
    """Of them, those that count under the target."""
    difference: float | None = None
    """Change of the share; none in an empty stratum."""
    low: float | None = None
    """Lower bound of the change at the plan's level."""
    high: float | None = None
    """Upper bound of the change at the plan's level."""
