"""What a figure counts as one: clusters, samples of an item, items moved one way or another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import ArmId, Count, Record, Share


class Clustered(Record):
    """How answers that belong together were counted; absent where every answer stands alone."""

    method: Literal["korn_graubard", "tango_design_effect"]
    """Rates: Clopper-Pearson at the effective number; changes: Tango's score test at it."""
    clusters: Annotated[int, Field(ge=1)]
    """Clusters among the answers: the unit of interval and test."""
    design_effect: Annotated[float, Field(ge=1.0)]
    """Variance with clusters as the unit, over that of as many independent answers."""
    effective: Annotated[float, Field(ge=0.0)]
    """Independent answers that would say as much."""
    if_alike: Annotated[float, Field(ge=1.0)]
    """The same if all answers of a cluster were alike: the worst there is."""
    samples: Annotated[int, Field(ge=2)] | None = None
    """Answers to each item that are counted, if more than one; they are of one cluster."""


class ExcludedPairs(Record):
    """Pairs that hang on an answer that could not be had, counted as the worst both ways."""

    pairs: Annotated[int, Field(ge=1)]
    """How many."""
    least: float
    """The difference if every missing answer were against a rise; `low` is its bound."""
    most: float
    """The difference if every missing answer were for a rise; `high` is its bound."""


class Spread(Record):
    """How much of a rate is the luck of sampling, under one arm."""

    arm: ArmId
    """The arm."""
    rates: Annotated[tuple[Share, ...], Field(min_length=2)]
    """The rate over all items in each sample, sample 0 first."""
    deviation: Annotated[float, Field(ge=0.0)]
    """Standard deviation of these rates: from seed to seed."""
    within: Annotated[float, Field(ge=0.0)]
    """Mean over items of the variance between samples of one item."""
    between: Annotated[float, Field(ge=0.0)]
    """Variance between items of their share of samples that count."""


class Steering(Record):
    """The target against the baseline, item by item, on the claim's rate."""

    toward: Count
    """Items moved as the claim wants: an effect's direction, or away from a harm."""
    against: Count
    """Items moved the other way: the anti-steerable ones."""
    unmoved: Count
    """Items not moved, over all their samples."""
    unanswered: Annotated[int, Field(ge=1)] | None = None
    """Items with a missing answer, in none of these counts; none: all are there."""
    spread: tuple[Spread, ...] | None = None
    """Between samples, under baseline and target; none with one answer to each item."""
