"""Cells of the plan become units of work, and results of units become rows.

A unit is fixed items by fixed arms with the baseline among them, so that arm and baseline met
the same batch. Rows are graded when they are read, never when they are measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from itertools import groupby

import msgspec

from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.errors import PromptTooLong
from safetycase.methods import grid
from safetycase.methods.probe import LinearProbe
from safetycase.methods.stacks import every_dictionary
from safetycase.methods.turns import turns_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Choice, Evaluation
from safetycase.run.answers import (
    Bench,
    answers,
    pieces_for,
    prompt_of,
    put_behind,
    where_of,
)
from safetycase.run.choose import question_of
from safetycase.run.edit import NOTHING_SAID, ArmEdit, Preface
from safetycase.run.reshape import RAN_OUT, arm_parts, in_batches_that_fit
from safetycase.run.task import Task, write_task
from safetycase.run.units import Unit
from safetycase.tables.rows import ItemRow


def units_of(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
) -> list[Unit]:
    """The units that answer these items, every sample of them; the baseline is the first arm.

    Arms that do not fit one batch are divided evenly, and the baseline joins every part.
    Items of like length stand together, the samples of an item side by side. An arm that says
    something before its prompts stands alone: it shares no block with the others. Parts with as
    many items take turns: what the blocks below the edit made of them is there for the next.
    """
    per_item = 2 if isinstance(evaluation.measure, Choice) else 1
    most = max(2, bench.environment.batch_rows // per_item)
    prompts = {item.item: tokens_of(bench, evaluation, item) for item in items}
    ordered = [
        (item, sample)
        for item in sorted(items, key=lambda item: prompts[item.item])
        for sample in range(grid.samples_of(evaluation))
    ]
    units = []
    for size, alike in groupby(arm_parts(arms, most), lambda part: max(1, most // len(part))):
        parts = list(alike)
        for start in range(0, len(ordered), size):
            chosen = ordered[start : start + size]
            asked, samples = [item for item, _ in chosen], [sample for _, sample in chosen]
            units += [unit_of(bench, evaluation, asked, p, probe, samples) for p in parts]
    return units


def require_answerable(bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow]) -> None:
    """Return only if the model can be given every one of these items."""
    prefaces = prefaces_of(bench.plan, evaluation, items)
    for item in items:
        for preface in prefaces:
            tokens_of(bench, evaluation, item, preface)


def prefaces_of(plan: Plan, evaluation: Evaluation, items: Sequence[ItemRow]) -> list[Preface]:
    """What arms say before these items of one split: nothing, and the plan's prompts."""
    arms = set(arms_of(plan, evaluation, items[0].split)) if items else set()
    said = [NOTHING_SAID]
    for axis in plan.axes:
        if axis.baselines is not None:
            prompt = Preface(prefix=axis.baselines.prefix or "")
            system = Preface(system=axis.baselines.system or "")
            said += [prompt] if f"{axis.id}/prompt" in arms else []
            said += [system] if f"{axis.id}/system_prompt" in arms else []
    return list(dict.fromkeys(said))


def tokens_of(
    bench: Bench, evaluation: Evaluation, item: ItemRow, preface: Preface = NOTHING_SAID
) -> int:
    """Tokens of an item's prompt behind a preface, BOS included; refused if it is too long."""
    where = where_of(evaluation, item)
    turns = turns_of(evaluation)
    if turns is not None:
        return len(pieces_for(bench, evaluation, item, turns, preface))
    put = msgspec.structs.replace(item, prompt=preface.prefix + item.prompt)
    behind = put_behind(bench, evaluation, preface)
    if isinstance(evaluation.measure, Choice):
        return len(question_of(behind.model, put, where=where).forward)
    return len(prompt_of(behind, evaluation, put))


def answerable(
    bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow]
) -> Sequence[ItemRow]:
    """The items to be asked: where the plan permits it, without prompts that are too long.

    The same under all arms, and before anything is measured: no answer has a part in it.
    """
    permitted = bench.plan.exclusions
    if permitted is None or "prompt_longer_than_context" not in permitted.causes:
        return items
    prefaces = prefaces_of(bench.plan, evaluation, items)
    return [
        item for item in items if all(_fits(bench, evaluation, item, one) for one in prefaces)
    ]


def _fits(bench: Bench, evaluation: Evaluation, item: ItemRow, preface: Preface) -> bool:
    try:
        tokens_of(bench, evaluation, item, preface)
    except PromptTooLong:
        return False
    return True


def unit_of(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
    samples: Sequence[int] = (),
) -> Unit:
    """The unit of exactly these items and arms, to be done here or elsewhere.

    `samples` has the number of the sample asked of each item; none: 0.
    """
    permitted = bench.plan.exclusions
    several: dict[str, JsonValue] = {"samples": list(samples)} if any(samples) else {}
    return Unit(
        specification=_specification(bench, evaluation, items, arms, probe) | several,
        rows=len(items) * len(arms),
        work=lambda: in_batches_that_fit(
            list(zip(items, samples or [0] * len(items), strict=True)),
            arms,
            lambda part, under: answers(
                bench, evaluation, [i for i, _ in part], under, probe, [n for _, n in part]
            ),
            where=f"evaluation {evaluation.id}",
            may_miss=permitted is not None and RAN_OUT in permitted.causes,
        ),
        portable=lambda: write_task(Task(evaluation.id, items, arms, probe, samples)),
    )


def _specification(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
) -> dict[str, JsonValue]:
    """Everything that the numbers of a unit depend on."""
    plan = bench.plan
    specification: dict[str, JsonValue] = {
        "model": plan.model.manifest_digest,
        "dtype": plan.model.dtype,
        "dictionaries": {
            name: known.manifest_digest for name, known in every_dictionary(plan).items()
        },
        "evaluation": evaluation.spelled(),
        "sampling": plan.sampling.spelled(),
        "seed": bench.sampling_seed,
        "items": [sha256_hex(msgspec.json.encode(item)) for item in items],
        "arms": [_arm_specification(arm) for arm in arms],
        "probe": None if probe is None else sha256_hex(probe.direction.tobytes()),
        "environment": bench.environment.spelled(),
    }
    if plan.chat_template is not None:
        specification["chat_template"] = plan.chat_template.spelled()
    return specification


def _arm_specification(arm: ArmEdit) -> JsonValue:
    specification: dict[str, JsonValue] = {
        "arm": arm.arm,
        "place": None if arm.place is None else str(arm.place),
        "vector": None if arm.vector is None else sha256_hex(arm.vector.tobytes()),
        "dictionary": arm.dictionary,
    }
    said = dataclasses.asdict(arm.preface)
    specification |= {name: text for name, text in said.items() if text}
    if arm.state is not None:
        specification["state"] = arm.state.digest
    if arm.positions != "all_but_bos":
        specification["positions"] = arm.positions
    if arm.error_policy is not None:
        specification["error_policy"] = arm.error_policy
    if arm.everywhere:
        specification["layers"] = "all"
    return specification


def arms_of(
    plan: Plan, evaluation: Evaluation, split: str, without: Collection[str] = ()
) -> list[str]:
    """The arms under which the plan wants a split of an evaluation, the baseline first.

    `without` names the axes that have no feature, hence no arms.
    """
    return [
        cell.arm
        for cell in grid.cells(plan, without)
        if cell.evaluation == evaluation.id and cell.split == split
    ]
