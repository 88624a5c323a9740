"""Cells of the plan become units of work, and results of units become rows.

A unit is fixed items by fixed arms with the baseline among them, so that arm and baseline met
the same batch. Rows are graded when they are read, never when they are measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import msgspec

from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.errors import PromptTooLong
from safetycase.methods import grid
from safetycase.methods.probe import LinearProbe
from safetycase.record.case import Environment
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Choice, Evaluation, Generate, Probe
from safetycase.run.choose import Question, choose, question_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit, Realised
from safetycase.run.generate import GenerationSettings, generate, text_of
from safetycase.run.judge import JudgeOnHand
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel
from safetycase.run.probe import read_probe
from safetycase.run.prompts import Prompt, encode
from safetycase.run.sampling import noise_key
from safetycase.run.shrink import in_batches_that_fit, rows_alone
from safetycase.run.task import Task, write_task
from safetycase.run.units import Unit
from safetycase.tables.rows import (
    AnswerRow,
    ChoiceRow,
    GenerationRow,
    ItemRow,
    ProbeRow,
    sample_of,
)

UNGRADED = "ungraded"
"""Outcome of a row in a unit's file; no row of a case has it."""


@dataclass(frozen=True)
class Bench:
    """What every unit needs: the model, its dictionaries and the plan, with their digests."""

    plan: Plan
    model: LoadedModel
    dictionaries: dict[str, Dictionary]
    environment: Environment
    judges: Mapping[str, JudgeOnHand] = field(default_factory=dict)
    """Models that read answers, by the evaluation whose answers they read."""


def six_digits(value: float) -> float:
    """A measured figure as it is published: six significant digits, zero without a sign."""
    return float(f"{value:.6g}") + 0.0


def units_of(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
) -> list[Unit]:
    """The units that answer these items, every sample of them; the baseline is the first arm.

    Arms that do not fit one batch are divided evenly, and the baseline joins every part.
    Items of like length stand together, the samples of an item side by side. An arm with a
    text in front of its prompts stands alone: it shares no block with the others.
    """
    per_item = 2 if isinstance(evaluation.measure, Choice) else 1
    most = max(2, bench.environment.batch_rows // per_item)
    prompts = {item.item: _length(bench, evaluation, item) for item in items}
    ordered = [
        (item, sample)
        for item in sorted(items, key=lambda item: prompts[item.item])
        for sample in range(grid.samples_of(evaluation))
    ]
    units = []
    for part in arm_parts(arms, most):
        size = max(1, most // len(part))
        for start in range(0, len(ordered), size):
            chosen = ordered[start : start + size]
            asked, samples = [item for item, _ in chosen], [sample for _, sample in chosen]
            units.append(unit_of(bench, evaluation, asked, part, probe, samples))
    return units


def arm_parts(arms: Sequence[ArmEdit], most: int) -> list[list[ArmEdit]]:
    """The arms in parts of at most `most`, as even as can be; the baseline is in every part."""
    baseline, others = arms[0], [arm for arm in arms[1:] if not arm.prefix]
    alone = [[arm] for arm in arms if arm.prefix]
    if not others:
        return [[baseline], *alone]
    count = -(-len(others) // (most - 1))
    size = -(-len(others) // count)
    parts = [[baseline, *others[i : i + size]] for i in range(0, len(others), size)]
    return [*parts, *alone]


def require_answerable(bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow]) -> None:
    """Return only if the model can be given every one of these items."""
    for item in items:
        _length(bench, evaluation, item)


def _where(evaluation: Evaluation, item: ItemRow) -> str:
    return f"evaluation {evaluation.id}, item {item.item}"


def _length(bench: Bench, evaluation: Evaluation, item: ItemRow) -> int:
    where = _where(evaluation, item)
    if isinstance(evaluation.measure, Choice):
        return len(question_of(bench.model, item, where=where).forward)
    return len(_prompt(bench, evaluation, item))


def answerable(
    bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow]
) -> Sequence[ItemRow]:
    """The items to be asked: where the plan permits it, without prompts that are too long.

    The same under all arms, and before anything is measured: no answer has a part in it.
    """
    permitted = bench.plan.exclusions
    if permitted is None or "prompt_longer_than_context" not in permitted.causes:
        return items
    return [item for item in items if _fits(bench, evaluation, item)]


def _fits(bench: Bench, evaluation: Evaluation, item: ItemRow) -> bool:
    try:
        _length(bench, evaluation, item)
    except PromptTooLong:
        return False
    return True


def _prompt(bench: Bench, evaluation: Evaluation, item: ItemRow) -> Prompt:
    measure = evaluation.measure
    room = measure.max_new_tokens if isinstance(measure, Generate) else 0
    return encode(bench.model, item.prompt, where=_where(evaluation, item), room=room)


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
    several: dict[str, JsonValue] = {"samples": list(samples)} if any(samples) else {}
    return Unit(
        specification=_specification(bench, evaluation, items, arms, probe) | several,
        rows=len(items) * len(arms),
        work=lambda: in_batches_that_fit(
            list(zip(items, samples or [0] * len(items), strict=True)),
            lambda part: answers(
                bench, evaluation, [i for i, _ in part], arms, probe, [n for _, n in part]
            ),
        ),
        portable=lambda: write_task(Task(evaluation.id, items, arms, probe, samples)),
    )


def answers(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
    samples: Sequence[int] = (),
) -> list[AnswerRow]:
    """Ungraded answers to these items under these arms, item by item.

    Arms with the same text in front of their prompts, as a rule none, are one batch. `samples`
    has the number of the sample asked of each item; none: 0.
    """
    asked = list(zip(items, samples or [0] * len(items), strict=True))
    parts: dict[str, list[ArmEdit]] = {}
    for arm in arms:
        parts.setdefault(arm.prefix, []).append(arm)
    rows = {
        (row.item, sample_of(row), row.arm): row
        for prefix, alike in parts.items()
        for row in _batch_answers(bench, evaluation, asked, alike, probe, prefix)
    }
    return [rows[item.item, sample, arm.arm] for item, sample in asked for arm in arms]


def _batch_answers(
    bench: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
    prefix: str,
) -> list[AnswerRow]:
    """The answers of one batch, with a text in front of every prompt."""
    put = [msgspec.structs.replace(item, prompt=prefix + item.prompt) for item, _ in asked]
    match evaluation.measure:
        case Generate():
            return _generated(bench, evaluation, asked, put, arms)
        case Choice():
            return _chosen(bench, evaluation, put, arms)
        case Probe():
            return _probed(bench, evaluation, put, arms, probe)


def _specification(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
) -> dict[str, JsonValue]:
    """Everything that the numbers of a unit depend on."""
    plan = bench.plan
    return {
        "model": plan.model.manifest_digest,
        "dtype": plan.model.dtype,
        "dictionaries": {d.id: d.manifest_digest for d in plan.dictionaries},
        "evaluation": evaluation.spelled(),
        "sampling": plan.sampling.spelled(),
        "seed": plan.seed,
        "items": [sha256_hex(msgspec.json.encode(item)) for item in items],
        "arms": [_arm_specification(arm) for arm in arms],
        "probe": None if probe is None else sha256_hex(probe.direction.tobytes()),
        "environment": bench.environment.spelled(),
    }


def _arm_specification(arm: ArmEdit) -> JsonValue:
    specification: dict[str, JsonValue] = {
        "arm": arm.arm,
        "place": None if arm.place is None else str(arm.place),
        "vector": None if arm.vector is None else sha256_hex(arm.vector.tobytes()),
        "dictionary": arm.dictionary,
    }
    if arm.prefix:
        specification["prefix"] = arm.prefix
    if arm.state is not None:
        specification["state"] = arm.state.digest
    return specification


def _account(realised: Realised) -> tuple[int, float, float]:
    return realised.edits, six_digits(realised.delta), six_digits(realised.residual)


def _generated(
    bench: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    put: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
) -> list[AnswerRow]:
    """Texts after the prompts as put; how likely they are is asked after the items' own."""
    measure = cast("Generate", evaluation.measure)
    plan, model = bench.plan, bench.model
    prompts = [_prompt(bench, evaluation, item) for item in put]
    keys = [noise_key(plan.seed, evaluation.id, item.item, sample) for item, sample in asked]
    settings = GenerationSettings(plan.sampling, measure.max_new_tokens)
    answers = generate(model, prompts, keys, arms, bench.dictionaries, settings)
    outputs = [[answer.tokens for answer in given] for given in answers]
    items = [item for item, _ in asked]
    plain = prompts if put == items else [_prompt(bench, evaluation, item) for item in items]
    nlls = median_nlls(model, plain, outputs)
    return [
        GenerationRow(
            evaluation.id,
            arm.arm,
            item.item,
            sample,
            text_of(model, answer),
            len(answer.tokens),
            "eos" if answer.stopped else "length",
            six_digits(nll[answer.tokens]),
            *_account(answer.realised),
            UNGRADED,
        )
        for (item, sample), given, nll in zip(asked, answers, nlls, strict=True)
        for arm, answer in zip(arms, given, strict=True)
    ]


def _chosen(
    bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow], arms: Sequence[ArmEdit]
) -> list[AnswerRow]:
    questions: list[Question] = [
        question_of(bench.model, item, where=_where(evaluation, item)) for item in items
    ]
    verdicts = choose(bench.model, questions, arms, bench.dictionaries)
    return [
        ChoiceRow(
            evaluation.id,
            arm.arm,
            item.item,
            six_digits(v.forward_matching),
            six_digits(v.forward_other),
            six_digits(v.swapped_matching),
            six_digits(v.swapped_other),
            *_account(v.realised),
            UNGRADED,
        )
        for item, given in zip(items, verdicts, strict=True)
        for arm, v in zip(arms, given, strict=True)
    ]


def _probed(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
) -> list[AnswerRow]:
    measure = cast("Probe", evaluation.measure)
    readings = read_probe(
        bench.model,
        [_prompt(bench, evaluation, item) for item in items],
        arms,
        bench.dictionaries,
        layer=measure.layer,
        probe=cast("LinearProbe", probe),
    )
    return [
        ProbeRow(
            evaluation.id,
            arm.arm,
            item.item,
            six_digits(r.score),
            *_account(r.realised),
            UNGRADED,
        )
        for item, given in zip(items, readings, strict=True)
        for arm, r in zip(arms, given, strict=True)
    ]


_ROW_OF_KIND = {"generate": GenerationRow, "choice": ChoiceRow, "probe": ProbeRow}


def rows_of(evaluation: Evaluation, result: bytes) -> list[AnswerRow]:
    """The rows of a unit's result."""
    kind = _ROW_OF_KIND[evaluation.measure.kind]
    return cast("list[AnswerRow]", msgspec.json.Decoder(kind).decode_lines(rows_alone(result)))


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
