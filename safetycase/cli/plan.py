"""`safetycase plan`: what a plan can show, its fixed form, and a witness's receipt of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import clock, console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import PlanPath, require_file, require_new

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
    items = read_items(frozen.plan, frozen.seed, frozen.datasets)
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


def freeze(
    plan: PlanPath,
    out: Annotated[Path, typer.Option(help="Where the fixed plan is written: plan.json.")],
) -> int:
    """Write a plan as it will be measured, with every digest filled in.

    What is written is, byte for byte, the plan.json of the case. Have it time-stamped, or seen
    by a witness, before the run.
    """
    from safetycase.run.freeze import freeze as frozen_plan

    frozen = frozen_plan(require_file(plan))
    require_new(out)
    out.write_bytes(frozen.data)
    console.say(f"plan    {out}")
    console.say(f"digest  {frozen.digest}")
    return ExitCode.VERIFIED


def receipt(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.JSON", help="As `freeze` wrote it.")],
    key: Annotated[Path, typer.Option(help="Folder that `keygen --role witness` filled.")],
    out: Annotated[Path, typer.Option(help="Where the signed receipt is written.")],
    name: Annotated[
        str | None, typer.Option(help="Witness's name, if the folder holds several.")
    ] = None,
) -> int:
    """Confirm, as its witness, that you have a plan now, and give a nonce for its seeds.

    The nonce follows from your key and the plan, so that whoever asks twice for one plan gets
    one nonce; before you sign, nobody else can know it. You do not confirm that the plan is any
    good. Keep the plan: you may be asked how many others you have seen.
    """
    from safetycase.envelope.dsse import write_envelope
    from safetycase.sign.keys import load
    from safetycase.sign.witness import sign_receipt

    data = require_file(plan).read_bytes()
    require_new(out)
    envelope, digest = sign_receipt(
        data, load(key, name), received=clock.spell(clock.now()), where=plan.name
    )
    out.write_bytes(write_envelope(envelope))
    console.say(f"plan     {digest}")
    console.say(f"receipt  {out}")
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
