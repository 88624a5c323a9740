"""What a plan's sample can show, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from safetycase.errors import MethodRefused
from safetycase.methods import format as spell
from safetycase.methods.controls import least_attainable
from safetycase.methods.grid import evaluation_named
from safetycase.methods.paired import Pairs, minimum_detectable_difference, tango_interval
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis

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


def design_figures(plan: Plan, held_out: Mapping[str, int]) -> list[DesignFigure]:
    """What each axis can show; `held_out` gives the held-out items of every dataset.

    Not attainable: a family of controls too small for alpha, and a margin that would not be
    kept even if no item changed at all.
    """
    family = max(1, sum(axis.claim.kind == "effect" for axis in plan.axes))
    return [
        figure for axis in plan.axes for figure in _axis_figures(plan, axis, held_out, family)
    ]


def _axis_figures(
    plan: Plan, axis: Axis, held_out: Mapping[str, int], family: int
) -> Iterator[DesignFigure]:
    items = _items(plan, held_out, axis.claim.measure.evaluation)
    if axis.claim.kind == "effect":
        yield _rank_figure(plan, axis, family)
        yield _detectable(plan, axis, items, family)
    else:
        yield _bound_figure(plan, axis.id, "claim", items, axis.claim.margin)
    for effect in axis.side_effects:
        count = _items(plan, held_out, effect.measure.evaluation)
        yield _bound_figure(plan, axis.id, effect.id, count, effect.margin)


def _items(plan: Plan, held_out: Mapping[str, int], evaluation: str) -> int:
    count = held_out.get(evaluation_named(plan, evaluation).dataset, 0)
    if count < 1:
        raise MethodRefused(
            f"evaluation {evaluation}",
            "at least one held-out item",
            found="none",
            remedy="Add items to its dataset or give held_out a larger share.",
        )
    return count


def _rank_figure(plan: Plan, axis: Axis, family: int) -> DesignFigure:
    controls = min(plan.controls.random_live_features, plan.controls.random_directions)
    least, needed = least_attainable(controls), plan.statistics.alpha / family
    says = (
        f"{controls} controls a family: no rank p below {spell.number(least)}; "
        f"{spell.number(needed)} needed"
    )
    return DesignFigure(axis.id, "controls", says, least <= needed)


def _detectable(plan: Plan, axis: Axis, items: int, family: int) -> DesignFigure:
    power = plan.statistics.power
    try:
        least = _STEP / items + minimum_detectable_difference(
            items, DISCORDANCE, alpha=plan.statistics.alpha / family, power=power
        )
    except MethodRefused as refusal:
        return DesignFigure(axis.id, "claim", f"{items} items: {refusal}", attainable=False)
    says = (
        f"{items} held-out items: a change of {spell.points(least).lstrip('+')} is found with "
        f"power {spell.percent(power)} if {spell.percent(DISCORDANCE)} of the items change"
    )
    return DesignFigure(axis.id, "claim", says, attainable=True)


def _bound_figure(plan: Plan, axis: str, what: str, items: int, margin: float) -> DesignFigure:
    level = plan.statistics.level
    bound = tango_interval(Pairs(0, 0, 0, items), level).high
    says = (
        f"{items} held-out items: with no item changed the bound is {spell.points(bound)}; "
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
