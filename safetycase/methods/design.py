"""What a plan's sample can show, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from safetycase.errors import MethodRefused
from safetycase.methods import format as spell
from safetycase.methods.clusters import Grouping, bound_without_change
from safetycase.methods.controls import least_attainable
from safetycase.methods.gap import Gap
from safetycase.methods.grid import evaluation_named, relied_on, to_keep
from safetycase.methods.paired import Pairs, minimum_detectable_difference, tango_interval
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.rows import ItemRow

DISCORDANCE = 0.2
"""Share of items assumed to change their outcome when a detectable difference is stated."""
_STEP = 1
"""Items by which a difference must be larger for the exact test than for the large-sample
formula: the continuity correction of McNemar's test (Edwards 1948, Psychometrika 13:185)."""


@dataclass(frozen=True)
class DesignFigure:
    """A figure about the design of one axis, and whether the design can do what it says."""

    axis: str
    what: str
    says: str
    attainable: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """The held-out items of a dataset, and what they are worth."""

    items: int
    clusters: int
    """As many as items where every item stands alone."""
    if_alike: float
    """Independent items that say as much, if all items of a cluster are alike."""

    @classmethod
    def of(cls, items: Sequence[ItemRow]) -> Self:
        """Count items and their clusters."""
        if not items:
            return cls(0, 0, 0.0)
        groups = Grouping.of([item.cluster for item in items])
        return cls(groups.answers, groups.clusters, groups.if_alike)

    @classmethod
    def independent(cls, items: int) -> Self:
        """So many items, each of which stands alone."""
        return cls(items, items, float(items))

    def bound(self, level: float) -> float:
        """Upper bound of a change if no item changes."""
        if self.clusters == self.items:
            return tango_interval(Pairs(0, 0, 0, self.items), level).high
        return bound_without_change(self.if_alike, self.clusters, level)

    @override
    def __str__(self) -> str:
        """The size in words."""
        inside = "" if self.clusters == self.items else f" in {self.clusters} clusters"
        return f"{self.items} held-out items{inside}"


def design_figures(plan: Plan, held_out: Mapping[str, Sample]) -> list[DesignFigure]:
    """What each axis can show; `held_out` gives the held-out sample of every dataset.

    Not attainable: a family of controls too small for alpha, and a margin that would not be
    kept even if no item changed at all. Items of one cluster are taken to be alike.
    """
    family = max(1, sum(axis.claim.kind == "effect" for axis in plan.axes))
    return [
        figure for axis in plan.axes for figure in _axis_figures(plan, axis, held_out, family)
    ]


def unattainable(figures: Iterable[DesignFigure]) -> Iterator[Gap]:
    """What a sample decides nothing about: no fault, and the question stays open."""
    for figure in figures:
        if not figure.attainable:
            text = f"This sample decides nothing about {figure.what}: {figure.says}"
            where = f"plan.json#/axes {figure.axis}"
            expected = f"a sample that can show {figure.what}"
            yield Gap(where, expected, figure.says, text, silent=True, axis=figure.axis)


def _axis_figures(
    plan: Plan, axis: Axis, held_out: Mapping[str, Sample], family: int
) -> Iterator[DesignFigure]:
    items = _items(plan, held_out, axis.claim.measure.evaluation)
    if axis.claim.kind == "effect":
        yield _rank_figure(plan, axis, family)
        yield _detectable(plan, axis, items)
    else:
        yield _bound_figure(plan, axis.id, "claim", items, axis.claim.margin)
    for effect in to_keep(plan, axis):
        count = _items(plan, held_out, effect.measure.evaluation)
        yield _bound_figure(plan, axis.id, effect.id, count, effect.margin)


def _items(plan: Plan, held_out: Mapping[str, Sample], evaluation: str) -> Sample:
    sample = held_out.get(evaluation_named(plan, evaluation).dataset)
    if sample is None or not sample.items:
        raise MethodRefused(
            f"evaluation {evaluation}",
            "at least one held-out item",
            found="none",
            remedy="Add items to its dataset or give held_out a larger share.",
        )
    return sample


def _rank_figure(plan: Plan, axis: Axis, family: int) -> DesignFigure:
    controls = min(relied_on(plan).values())
    least, needed = least_attainable(controls), plan.statistics.alpha / family
    says = (
        f"{controls} controls a family: no rank p below {spell.number(least)}; "
        f"{spell.number(needed)} needed"
    )
    return DesignFigure(axis.id, "controls", says, least <= needed)


def least_detectable(plan: Plan, worth: float) -> float:
    """Least change of a claim's rate that is found with the plan's power.

    `worth` independent items, of which `DISCORDANCE` change;
    alpha is that of the first of the plan's effect claims (Holm). Refused where no change is.
    """
    family = max(1, sum(axis.claim.kind == "effect" for axis in plan.axes))
    return _STEP / worth + minimum_detectable_difference(
        int(worth),
        DISCORDANCE,
        alpha=plan.statistics.alpha / family,
        power=plan.statistics.power,
    )


def _detectable(plan: Plan, axis: Axis, items: Sample) -> DesignFigure:
    power = plan.statistics.power
    try:
        least = least_detectable(plan, items.if_alike)
    except MethodRefused as refusal:
        return DesignFigure(axis.id, "claim", f"{items}: {refusal}", attainable=False)
    says = (
        f"{items}: a change of {spell.points(least).lstrip('+')} is found with "
        f"power {spell.percent(power)} if {spell.percent(DISCORDANCE)} of the items change"
    )
    return DesignFigure(axis.id, "claim", says, attainable=True)


def _bound_figure(
    plan: Plan, axis: str, what: str, items: Sample, margin: float
) -> DesignFigure:
    level = plan.statistics.level
    bound = items.bound(level)
    says = (
        f"{items}: with no item changed the bound is {spell.points(bound)}; "
        f"margin {spell.points(margin)}, kept from {items_for_margin(margin, level)} items on"
    )
    return DesignFigure(axis, what, says, bound < margin)


def items_for_margin(margin: float, level: float) -> int:
    """Fewest items with which a margin is kept if no item changes (Tango, 1998, eq. 6)."""
    few, many = 0, 1
    while tango_interval(Pairs(0, 0, 0, many), level).high >= margin:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if tango_interval(Pairs(0, 0, 0, middle), level).high >= margin:
            few = middle
        else:
            many = middle
    return many
