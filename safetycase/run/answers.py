"""Answers of a batch of items under arms, as rows that nobody has graded yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import msgspec

from safetycase.methods.probe import LinearProbe
from safetycase.methods.stream import derive_seed
from safetycase.methods.turns import Stop, spelled_answers, spelled_stops, turns_of
from safetycase.record.case import Environment
from safetycase.record.plan import Cause, Plan
from safetycase.record.planned_evaluation import (
    Choice,
    Evaluation,
    Generate,
    Perplexity,
    Probe,
    Turns,
)
from safetycase.run.below import BlocksBelow
from safetycase.run.chat import with_system
from safetycase.run.choose import Question, choose, question_of
from safetycase.run.converse import Asked, Conversation, converse
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import NOTHING_SAID, ArmEdit, Preface
from safetycase.run.generate import Answer, GenerationSettings, generate, text_of
from safetycase.run.judge import JudgeOnHand
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel
from safetycase.run.perplexity import ScoredText, likelihoods
from safetycase.run.probe import read_probe
from safetycase.run.prompts import Prompt, encode
from safetycase.run.realised import Realised
from safetycase.run.reshape import rows_alone
from safetycase.run.sampling import noise_key
from safetycase.run.script import Pieces, Room, pieces_of
from safetycase.tables.rows import (
    AnswerRow,
    ChoiceRow,
    GenerationRow,
    ItemRow,
    LikelihoodRow,
    ProbeRow,
    sample_of,
)

TOO_LONG: Cause = "transcript_longer_than_context"
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
    value: str | None = None
    """What the plan waited for, if for anything."""
    below: BlocksBelow = field(default_factory=BlocksBelow, compare=False)
    """What parts of the arms share, one after the other."""

    @property
    def sampling_seed(self) -> str:
        """What sampled tokens derive from: the author's choice, unless the plan awaits one."""
        seed = self.plan.seed
        return seed if self.value is None else derive_seed(seed, "sampling", self.value)


def six_digits(value: float) -> float:
    """A measured figure as it is published: six significant digits, zero without a sign."""
    return float(f"{value:.6g}") + 0.0


def where_of(evaluation: Evaluation, item: ItemRow) -> str:
    """The place of an item, for an error."""
    return f"evaluation {evaluation.id}, item {item.item}"


def pieces_for(
    bench: Bench,
    evaluation: Evaluation,
    item: ItemRow,
    turns: Turns,
    preface: Preface = NOTHING_SAID,
) -> Pieces:
    """An item's script as tokens; with room for all answers, unless one may be missing."""
    permitted = bench.plan.exclusions
    may_miss = permitted is not None and TOO_LONG in permitted.causes
    room = Room(cast("Generate", evaluation.measure).max_new_tokens, every_turn=not may_miss)
    where = where_of(evaluation, item)
    model = put_behind(bench, evaluation, preface).model
    return pieces_of(model, item.prompt, turns, room, where=where, prefix=preface.prefix)


def put_behind(bench: Bench, evaluation: Evaluation, preface: Preface) -> Bench:
    """The bench whose model puts prompts behind an arm's system message, if it has one."""
    if not preface.system:
        return bench
    where = f"evaluation {evaluation.id}, the system message of a baseline"
    return replace(bench, model=with_system(bench.model, preface.system, where=where))


def prompt_of(bench: Bench, evaluation: Evaluation, item: ItemRow) -> Prompt:
    """An item's prompt as tokens, with room for what may be generated."""
    measure = evaluation.measure
    room = measure.max_new_tokens if isinstance(measure, Generate) else 0
    where, plain = where_of(evaluation, item), isinstance(measure, Perplexity)
    return encode(bench.model, item.prompt, where=where, room=room, plain=plain)


def answers(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
    samples: Sequence[int] = (),
) -> list[AnswerRow]:
    """Ungraded answers to these items under these arms, item by item.

    Arms that say the same before their prompts, as a rule nothing, are one batch. `samples`
    has the number of the sample asked of each item; none: 0. Of scripts, those are left out
    whose answers grew too long for the model's context.
    """
    asked = list(zip(items, samples or [0] * len(items), strict=True))
    keys = [(item.item, sample, arm.arm) for item, sample in asked for arm in arms]
    parts: dict[Preface, list[ArmEdit]] = {}
    for arm in arms:
        parts.setdefault(arm.preface, []).append(arm)
    rows = {
        (row.item, sample_of(row), row.arm): row
        for preface, alike in parts.items()
        for row in _batch_answers(bench, evaluation, asked, alike, probe, preface)
    }
    if turns_of(evaluation) is not None:
        return [rows[key] for key in keys if key in rows]
    return [rows[key] for key in keys]


def _batch_answers(
    bench: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    arms: Sequence[ArmEdit],
    probe: LinearProbe | None,
    preface: Preface,
) -> list[AnswerRow]:
    """The answers of one batch, all behind one preface."""
    prefix = preface.prefix
    put = [msgspec.structs.replace(item, prompt=prefix + item.prompt) for item, _ in asked]
    behind = put_behind(bench, evaluation, preface)
    match evaluation.measure:
        case Generate(turns=Turns() as turns):
            return _conversed(bench, evaluation, asked, arms, turns, preface)
        case Generate():
            return _generated(bench, behind, evaluation, asked, put, arms)
        case Choice():
            return _chosen(behind, evaluation, put, arms)
        case Probe():
            return _probed(behind, evaluation, put, arms, probe)
        case Perplexity():
            return _scored(bench, evaluation, put, arms, len(prefix))


def _account(realised: Realised) -> tuple[int, float, float]:
    return realised.edits, six_digits(realised.delta), six_digits(realised.residual)


def _generated(
    bench: Bench,
    behind: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    put: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
) -> list[AnswerRow]:
    """Texts after the prompts as put; how likely they are is asked after the items' own."""
    measure = cast("Generate", evaluation.measure)
    plan, model = bench.plan, bench.model
    prompts = [prompt_of(behind, evaluation, item) for item in put]
    keys = [
        noise_key(bench.sampling_seed, evaluation.id, item.item, sample)
        for item, sample in asked
    ]
    settings = GenerationSettings(plan.sampling, measure.max_new_tokens)
    answers = generate(model, prompts, keys, arms, bench.dictionaries, settings)
    outputs = [[answer.tokens for answer in given] for given in answers]
    items = [item for item, _ in asked]
    plain = prompts
    if behind is not bench or put != items:
        plain = [prompt_of(bench, evaluation, item) for item in items]
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


def conversations(
    bench: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    arms: Sequence[ArmEdit],
    turns: Turns,
    preface: Preface = NOTHING_SAID,
) -> list[list[Conversation]]:
    """The conversations of scripts, by item and sample and by arm."""
    measure, plan = cast("Generate", evaluation.measure), bench.plan
    scripts = [
        Asked(
            pieces_for(bench, evaluation, item, turns, preface),
            pieces_for(bench, evaluation, item, turns),
            partial(noise_key, bench.sampling_seed, evaluation.id, item.item, sample),
        )
        for item, sample in asked
    ]
    settings = GenerationSettings(plan.sampling, measure.max_new_tokens)
    return converse(bench.model, scripts, arms, bench.dictionaries, settings)


def stop_of(answer: Answer) -> Stop:
    """How an answer of a script ended."""
    return Stop("eos" if answer.stopped else "length", len(answer.tokens))


def _conversed(
    bench: Bench,
    evaluation: Evaluation,
    asked: Sequence[tuple[ItemRow, int]],
    arms: Sequence[ArmEdit],
    turns: Turns,
    preface: Preface,
) -> list[AnswerRow]:
    """Answers to all turns as one row each, without the conversations that were cut off."""
    found = conversations(bench, evaluation, asked, arms, turns, preface)
    return [
        GenerationRow(
            evaluation.id,
            arm.arm,
            item.item,
            sample,
            spelled_answers([text_of(bench.model, answer) for answer in one.answers]),
            sum(len(answer.tokens) for answer in one.answers),
            spelled_stops([stop_of(answer) for answer in one.answers]),
            six_digits(one.nll),
            *_account(one.realised),
            UNGRADED,
        )
        for (item, sample), given in zip(asked, found, strict=True)
        for arm, one in zip(arms, given, strict=True)
        if not one.cut_off
    ]


def _chosen(
    bench: Bench, evaluation: Evaluation, items: Sequence[ItemRow], arms: Sequence[ArmEdit]
) -> list[AnswerRow]:
    questions: list[Question] = [
        question_of(bench.model, item, where=where_of(evaluation, item)) for item in items
    ]
    verdicts = choose(bench.model, questions, arms, bench.dictionaries, bench.below)
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
        [prompt_of(bench, evaluation, item) for item in items],
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


def _scored(
    bench: Bench,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[ArmEdit],
    skip: int,
) -> list[AnswerRow]:
    texts = [ScoredText(prompt_of(bench, evaluation, item), skip) for item in items]
    found = likelihoods(bench.model, texts, arms, bench.dictionaries, bench.below)
    return [
        LikelihoodRow(
            evaluation.id,
            arm.arm,
            item.item,
            one.tokens,
            six_digits(one.nll),
            *_account(one.realised),
            UNGRADED,
        )
        for item, given in zip(items, found, strict=True)
        for arm, one in zip(arms, given, strict=True)
    ]


_ROW_OF_KIND = {
    "generate": GenerationRow,
    "choice": ChoiceRow,
    "probe": ProbeRow,
    "perplexity": LikelihoodRow,
}


def rows_of(evaluation: Evaluation, result: bytes) -> list[AnswerRow]:
    """The rows of a unit's result."""
    kind = _ROW_OF_KIND[evaluation.measure.kind]
    return cast("list[AnswerRow]", msgspec.json.Decoder(kind).decode_lines(rows_alone(result)))
