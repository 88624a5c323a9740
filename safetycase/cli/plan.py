"""`safetycase plan lint`: whether a plan can show what it wants to, before measuring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import PlanPath, require_file
from safetycase.errors import MethodRefused

if TYPE_CHECKING:
    from safetycase.record.plan import Plan
    from safetycase.tables.evidence import Items

DISCORDANCES = (0.02, 0.1, 0.3)
"""Shares of items that might answer differently with the edit: few, some, many."""


def lint(plan: PlanPath) -> int:
    """Refuse a plan that cannot reach its own alpha; print what its sample can detect.

    Reads the plan and the files it names; nothing is measured and no weight is loaded.
    """
    from safetycase.run.freeze import freeze
    from safetycase.run.items import read_items

    frozen = freeze(require_file(plan))
    items = read_items(frozen.plan, frozen.digest, frozen.datasets)
    console.say(f"plan    {frozen.plan.id}: {frozen.plan.title}")
    console.say(f"digest  {frozen.digest}")
    console.say("\nItems: discovery, tuning, held out")
    for line in _sizes(frozen.plan, items):
        console.say(line)
    for axis_lines in (_effects(frozen.plan, items), _margins(frozen.plan, items)):
        for line in axis_lines:
            console.say(line)
    return ExitCode.VERIFIED


def _sizes(plan: Plan, items: Items) -> Iterator[str]:
    for dataset in plan.datasets:
        splits = ("discovery", "tuning", "held_out")
        sizes = [len(items.of(dataset.id, split)) for split in splits]
        yield f"  {dataset.id:<28}" + "".join(f"{size:>8}" for size in sizes)


def _dataset_of(plan: Plan, evaluation: str) -> str:
    return next(each.dataset for each in plan.evaluations if each.id == evaluation)


def _held_out(plan: Plan, items: Items, evaluation: str) -> int:
    return len(items.of(_dataset_of(plan, evaluation), "held_out"))


def _assumed() -> str:
    return "".join(f"{f'{share:.0%} differ':>16}" for share in DISCORDANCES)


def _effects(plan: Plan, items: Items) -> Iterator[str]:
    """The least true change that the held-out sample finds, for every effect claim."""
    from safetycase.methods.paired import minimum_detectable_difference

    claims = [axis for axis in plan.axes if axis.claim.kind == "effect"]
    power = plan.statistics.power
    if claims:
        yield f"\nLeast change found with power {power:.0%}, if so many items"
        yield f"  {'claim':<28}{'items':>8}{_assumed()}"
    for axis in claims:
        count = _held_out(plan, items, axis.claim.measure.evaluation)
        alpha = plan.statistics.alpha / len(claims)
        figures = []
        for share in DISCORDANCES:
            try:
                least = minimum_detectable_difference(count, share, alpha, power)
                figures.append(f"{100 * least:.1f} points")
            except MethodRefused:
                figures.append("none")
        yield f"  {axis.id:<28}{count:>8}" + "".join(f"{figure:>16}" for figure in figures)


def _margins(plan: Plan, items: Items) -> Iterator[str]:
    """The items that each side effect's margin needs if nothing changes."""
    from safetycase.methods.paired import sample_for_margin

    alpha = (1.0 - plan.statistics.level) / 2.0
    yield f"\nItems that a margin needs with power {plan.statistics.power:.0%}, if so many items"
    yield f"  {'side effect':<28}{'items':>8}{_assumed()}"
    for axis in plan.axes:
        for effect in axis.side_effects:
            count = _held_out(plan, items, effect.measure.evaluation)
            needed = [
                sample_for_margin(effect.margin, share, alpha, plan.statistics.power)
                for share in DISCORDANCES
            ]
            name = f"{axis.id} {effect.id}"
            short = "" if count >= needed[0] else "  too few"
            yield f"  {name:<28}{count:>8}" + "".join(f"{n:>16}" for n in needed) + short
