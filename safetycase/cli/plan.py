"""`safetycase plan lint`: whether a plan can show what it wants to, before measuring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import PlanPath, require_file

if TYPE_CHECKING:
    from safetycase.methods.design import Sample
    from safetycase.record.plan import Plan

SPLITS = ("discovery", "tuning", "held_out")


def lint(plan: PlanPath) -> int:
    """Refuse a plan that cannot reach its own alpha.

    Prints the digest of the plan, the sizes of its splits, the least change that its sample
    finds and the sample that its margins need. Reads the plan and the files it names; nothing
    is measured.
    """
    from safetycase.methods.design import Sample
    from safetycase.run.freeze import freeze, require_as_released
    from safetycase.run.items import read_items

    frozen = freeze(require_file(plan))
    items = read_items(frozen.plan, frozen.digest, frozen.datasets)
    require_as_released(frozen, items)
    sizes = {
        dataset.id: {split: len(items.of(dataset.id, split)) for split in SPLITS}
        for dataset in frozen.plan.datasets
    }
    console.say(f"plan    {frozen.plan.id}: {frozen.plan.title}")
    console.say(f"digest  {frozen.digest}")
    held_out = {name: Sample.of(items.of(name, "held_out")) for name in sizes}
    console.say("\n".join(_lines(frozen.plan, sizes, held_out)))
    return ExitCode.VERIFIED


def _lines(
    plan: Plan, sizes: Mapping[str, Mapping[str, int]], held_out: Mapping[str, Sample]
) -> Iterator[str]:
    from safetycase.methods.design import design_figures

    yield ""
    yield f"{'items':<28}" + "".join(f"{split:>12}" for split in SPLITS)
    for name, counts in sizes.items():
        yield f"  {name:<26}" + "".join(f"{counts[split]:>12}" for split in SPLITS)
    for figure in design_figures(plan, held_out):
        mark = "" if figure.attainable else "  NOT ATTAINABLE"
        yield f"\n{figure.axis}: {figure.what}{mark}\n  {figure.says}"
