"""Audit traces: drawn rows run once more, one by one, and what the edit did is kept whole.

A prompt runs as it ran when it was answered. A generated text runs behind its prompt in one
pass, its tokens being those that the tokenizer makes of the published text; where their number
is not the row's, the text is generated again alone. Nothing is compared with the first pass
but through the verifier's own checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import torch

from safetycase.errors import RunFailed
from safetycase.methods import arms as planned
from safetycase.methods.derive import arm_specs, traces_of
from safetycase.methods.encode import slice_names
from safetycase.methods.grid import evaluation_named
from safetycase.methods.sites import places_of
from safetycase.methods.trace_draws import trace_rows
from safetycase.methods.traces import Traces
from safetycase.methods.turns import Stop, answers_in, spelled_stops, stops_in, turns_of
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Choice, Evaluation, Generate, Turns
from safetycase.run.answers import Bench, conversations, pieces_for, stop_of
from safetycase.run.arm_run import ArmRun, reading, side_by_side
from safetycase.run.choose import question_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, edits_of
from safetycase.run.generate import GenerationSettings, generate
from safetycase.run.lab import Lab
from safetycase.run.prompts import Prompt, encode
from safetycase.run.sampling import noise_key
from safetycase.run.shrink import refused_if_too_large
from safetycase.tables.evidence import Items
from safetycase.tables.rows import AnswerRow, GenerationRow, ItemRow, TraceRow

Tensors = dict[str, np.ndarray]


def trace(lab: Lab) -> None:
    """Single edits of the rows that the case's seed draws stand in the notes, and agree."""
    plan, notes = lab.bench.plan, lab.notes
    if plan.audit is None:
        return
    lab.progress.begin("tracing edits", len(plan.axes))
    for axis in plan.axes:
        evidence = notes.evidence()
        specs = arm_specs(plan, axis, lab.case_seed, evidence)
        rows = trace_rows(plan, axis, lab.case_seed, evidence, specs)
        place = lab.bench.dictionaries[axis.dictionary].writes
        directions = planned.directions(plan, axis, specs, evidence)
        notes.tensors |= _traced(
            lab.bench,
            evaluation_named(plan, axis.claim.measure.evaluation),
            axis,
            rows,
            edits_of(axis, specs, directions, evidence, place=place),
            items=notes.items,
            answers=notes.answers,
            features=planned.needed_features(specs),
        )
        notes.traces += rows
        published = notes.evidence()
        require_sound(traces_of(plan, axis, lab.case_seed, published, specs, directions))
        lab.progress.advance(1)


def _traced(
    bench: Bench,
    evaluation: Evaluation,
    axis: Axis,
    rows: Sequence[TraceRow],
    edits: Mapping[str, ArmEdit],
    *,
    items: Items,
    answers: Mapping[tuple[str, str], Sequence[AnswerRow]],
    features: Sequence[int],
) -> Tensors:
    """The tensors of an axis's traces and of its features' slices, by their names."""
    dictionary = bench.dictionaries[axis.dictionary]
    parts: dict[str, list[np.ndarray]] = {}
    for (arm, name, sample), group in groupby(rows, lambda r: (r.arm, r.item, r.sample)):
        positions = [row.position for row in group]
        item = items.named(evaluation.dataset, name)
        answer = _answer(answers[evaluation.id, arm], name, sample)
        where = f"trace of evaluation {evaluation.id}, item {name}"
        with refused_if_too_large(where, f"memory for one row under {arm}"):
            seen = _edited(bench, evaluation, item, answer, edits[arm], dictionary)
        for part, values in seen.items():
            parts.setdefault(part, []).append(values[positions])
    nothing = [np.zeros((0, dictionary.model_width), dtype=np.float32)]
    tensors = {
        f"trace_{part}": np.concatenate(parts.get(part, nothing))
        for part in ("before", "delta", "after", "read", "reconstruction")
    }
    read = tensors["trace_read"]
    if dictionary.reads == dictionary.writes:
        del tensors["trace_read"]
    if axis.candidate.error_policy is None:
        del tensors["trace_reconstruction"]
    x = torch.from_numpy(read).to(bench.model.device)
    tensors["trace_activations"] = dictionary.encode_chosen(x, features).float().cpu().numpy()
    slices = dictionary.slices(features)
    wanted = {part for part, *_ in slice_names(dictionary.equation)}
    tensors |= {part: values for part, values in slices.items() if part in wanted}
    return {f"{axis.id}.{part}": values for part, values in tensors.items()}


def require_sound(traces: Traces) -> None:
    """Refuse traces that the verifier would refuse: the instruments do not agree."""
    for kind in (
        Traces.edit_faults,
        Traces.activation_faults,
        Traces.account_faults,
        Traces.prompt_faults,
    ):
        for fault in kind(traces):
            row = traces.rows[fault.trace]
            where = f"trace of {row.arm} / {row.item}, position {row.position}"
            remedy = "The edit, the dictionary or the model's numbers are not as specified."
            raise RunFailed(where, fault.expected, found=fault.found, remedy=remedy)


def _answer(rows: Sequence[AnswerRow], item: str, sample: int) -> AnswerRow:
    return next(r for r in rows if r.item == item and getattr(r, "sample", 0) == sample)


def _edited(
    bench: Bench,
    evaluation: Evaluation,
    item: ItemRow,
    answer: AnswerRow,
    edit: ArmEdit,
    dictionary: Dictionary,
) -> Tensors:
    """Every part of what is done at each edited position of a row, float32 [edits, width]."""
    where = f"evaluation {evaluation.id}, item {item.item}"
    turns = turns_of(evaluation)
    if isinstance(evaluation.measure, Choice):
        question = question_of(bench.model, item, where=where)
        prompts = [question.forward, question.swapped]
    elif turns is not None and isinstance(answer, GenerationRow):
        prompts = [_conversation(bench, evaluation, item, answer, edit, turns)]
    else:
        prompts = [encode(bench.model, item.prompt, where=where)]
        if isinstance(answer, GenerationRow):
            prompts = [_answered(bench, evaluation, prompts[0], answer, edit)]
    seen = [_one_pass(bench, prompt, edit, dictionary) for prompt in prompts]
    whole = {part: np.concatenate([one[part] for one in seen]) for part in seen[0]}
    if len(whole["before"]) != answer.edits:
        found = f"{len(whole['before'])}"
        raise RunFailed(f"trace of {where}", f"{answer.edits} edited positions", found=found)
    return whole


def _one_pass(bench: Bench, prompt: Prompt, edit: ArmEdit, dictionary: Dictionary) -> Tensors:
    """What is done at every edited position of a text: prompt tokens, then generated ones."""
    beside = [BASELINE_EDIT] if edit.error_policy == "clean" else []
    run = ArmRun(bench.model, [prompt], [*beside, edit], bench.dictionaries)
    places = places_of(dictionary.reads)
    with reading(bench.model, places, stop=False) as caught, run.editing():
        before, start, total, after = (seen[-1:] for seen in run.watched_prefill())
        read = side_by_side({place: x[-1:] for place, x in caught.items()}, dictionary.reads)
    if dictionary.reads == dictionary.writes:
        read = before
    if edit.error_policy is None:
        start = torch.zeros_like(before)
    values = {"before": before, "delta": total - before, "after": after, "read": read}
    values["reconstruction"] = start
    said = np.array(prompt.generated or [False] * len(prompt))
    parts = {"prompt": np.flatnonzero(~said)[1:], "generated": np.flatnonzero(said)}
    wanted = [part for name, part in parts.items() if edit.positions in {name, "all_but_bos"}]
    edited = np.concatenate(wanted)
    return {part: value[0].cpu().numpy()[edited] for part, value in values.items()}


def _answered(
    bench: Bench, evaluation: Evaluation, prompt: Prompt, answer: GenerationRow, edit: ArmEdit
) -> Prompt:
    """A prompt with the generated tokens that were fed back: all but the last."""
    fed = answer.tokens - 1
    said = tuple(_coded(bench, answer.output))
    if len(said) != answer.tokens - (answer.stop == "eos"):
        measure = evaluation.measure
        if not isinstance(measure, Generate):
            raise TypeError(measure.kind)
        settings = GenerationSettings(bench.plan.sampling, measure.max_new_tokens)
        key = noise_key(bench.sampling_seed, evaluation.id, answer.item, answer.sample)
        [[again]] = generate(bench.model, [prompt], [key], [edit], bench.dictionaries, settings)
        said = again.tokens
    if len(said) < fed:
        raise _unlike(evaluation, answer, len(said))
    ids = (*prompt.ids, *said[:fed])
    return Prompt(ids, prompt.offsets, tuple(n >= len(prompt) for n in range(len(ids))))


def _conversation(
    bench: Bench,
    evaluation: Evaluation,
    item: ItemRow,
    answer: GenerationRow,
    edit: ArmEdit,
    turns: Turns,
) -> Prompt:
    """A script with its answers, but for the tokens that were not fed back."""
    pieces = pieces_for(bench, evaluation, item, turns)
    stops = stops_in(answer.stop)
    said = [tuple(_coded(bench, text)) for text in answers_in(answer.output)]
    if [_tokens(*pair) for pair in zip(said, stops, strict=False)] != [s.tokens for s in stops]:
        asked = [(item, answer.sample)]
        [[again]] = conversations(bench, evaluation, asked, [edit], turns)
        if spelled_stops([stop_of(one) for one in again.answers]) != answer.stop:
            raise _unlike(evaluation, answer, sum(len(one.tokens) for one in again.answers))
        said = [one.said for one in again.answers]
    if stops[-1].how == "length":
        said[-1] = said[-1][:-1]
    ids: list[int] = []
    generated: list[bool] = []
    for piece, part in zip(pieces.ids, said, strict=True):
        ids += [*piece, *part]
        generated += [False] * len(piece) + [True] * len(part)
    return Prompt(tuple(ids), ((0, 0),) * len(ids), tuple(generated))


def _tokens(said: tuple[int, ...], stop: Stop) -> int:
    """Tokens of an answer that came to these, with the one that ended it."""
    return len(said) + (stop.how == "eos")


def _coded(bench: Bench, text: str) -> list[int]:
    return list(bench.model.tokenizer(text, add_special_tokens=False)["input_ids"])


def _unlike(evaluation: Evaluation, answer: GenerationRow, found: int) -> RunFailed:
    return RunFailed(
        f"trace of evaluation {evaluation.id}, item {answer.item}",
        f"an answer of {answer.tokens} tokens, as it was measured",
        found=str(found),
        remedy="Neither its text nor a second run alone gives its tokens again.",
    )
