"""Measures the toy model as a plan asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from safetycase.methods import arms as planned
from safetycase.methods import derive, dose
from safetycase.methods.attribution import attribution_name
from safetycase.methods.contrasts import needed_means, refusal_name, refusal_of
from safetycase.methods.grade import regrade
from safetycase.methods.grid import cells, samples_of
from safetycase.methods.groups import companions, cosines_name, ids_name, spelled_cosines
from safetycase.methods.identify import featureless, held_out_name, select_features
from safetycase.methods.label import label_check_rows, label_of, label_word_rows
from safetycase.methods.probe import LinearProbe, probe_of
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Evaluation
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import (
    ChoiceRow,
    GenerationRow,
    ItemRow,
    LabelCheckRow,
    LabelWordRow,
    LikelihoodRow,
    ProbeRow,
)
from tests.kit.toy_edits import ToyEdit, baseline, edits_of
from tests.kit.toy_judge import with_judgements
from tests.kit.toy_missing import without_missing
from tests.kit.toy_traces import with_neighbours, with_traces
from tests.kit.toy_turns import scripts, spoken
from tests.kit.toy_world import (
    WIDTH,
    ToyWorld,
    paired,
    quiz_item,
    requests,
    six,
)

Json = Any


@dataclass(frozen=True)
class Lab:
    plan: Plan
    seed: str
    toy: ToyWorld

    def items(self, requests_count: int, quiz_count: int) -> Items:
        rng = np.random.default_rng([self.toy.seed, 0])
        rows = [
            ItemRow(
                "requests",
                r.item,
                self.toy.cluster(r.item),
                r.kind,
                r.context,
                "",
                r.thing,
                None,
                r.prompt,
            )
            for r in requests(requests_count, rng)
        ]
        rows += [quiz_item(n, self.toy) for n in range(quiz_count)]
        if "scripts" in {dataset.id for dataset in self.plan.datasets}:
            rows += scripts(self.toy, requests_count)
        splits = derive.splits_of(self.plan, self.seed, [row.cluster for row in rows])
        return Items([msgspec.structs.replace(r, split=splits[r.cluster]) for r in rows])

    def measure(self, items: Items) -> Evidence:
        tensors = self._instruments(items)
        evidence = self._unedited(Evidence(items, {}, (), (), tensors))
        tensors |= self._held_out(evidence) | self._groups(evidence)
        words, checks = self._labels(evidence)
        evidence = replace(evidence, label_words=words, label_checks=checks)
        specs = {axis.id: self._tuning(axis, evidence) for axis in self.plan.axes}
        evidence = self.answered(evidence, specs)
        for axis in self.edited(evidence):
            chosen = dose.choose(axis, dose.dose_responses(self.plan, axis, evidence))
            specs[axis.id] += planned.gauge_arms(self.plan, axis, self.seed, evidence, chosen)
        evidence = self.answered(evidence, specs)
        for axis in self.edited(evidence):
            chosen = dose.choose(axis, dose.dose_responses(self.plan, axis, evidence))
            specs[axis.id] += planned.held_out_arms(
                self.plan, axis, self.seed, evidence, chosen
            )
        evidence = self.answered(evidence, specs)
        sliced = self._sliced(evidence, specs)
        traced = with_traces(self.plan, self.seed, self.toy, sliced, specs)
        return with_neighbours(self.plan, self.toy, traced)

    def _instruments(self, items: Items) -> dict[str, np.ndarray]:
        tensors: dict[str, np.ndarray] = {}
        for axis in self.plan.axes:
            contrast = list(items.of(axis.selection.contrast.dataset, "discovery"))
            pooled = self.toy.pooled(contrast, axis.selection.pooling)
            rows, columns = np.nonzero(pooled)
            bounds = np.searchsorted(rows, np.arange(len(contrast) + 1))
            tensors |= {
                f"{axis.id}.values": pooled[rows, columns],
                f"{axis.id}.columns": columns.astype(np.int32),
                f"{axis.id}.indptr": bounds.astype(np.int64),
                f"{axis.id}.width": np.array(self.toy.widths, dtype=np.int64),
                f"{axis.id}.pool": self.toy.pool(self.plan.controls.activation_pool),
                f"{axis.id}.features": np.arange(WIDTH, dtype=np.int64),
                f"{axis.id}.w_dec": self.toy.w_dec,
            }
            if axis.selection.attribution is not None:
                attributed = self.toy.attributions(contrast)
                tensors[attribution_name(axis)] = attributed[rows, columns]
            for name, dataset in needed_means(self.plan, axis).items():
                tensors[name] = self.toy.residuals(list(items.of(dataset, "discovery")))
            refusal = refusal_of(axis)
            if refusal is not None:
                prompts = list(items.of(refusal.contrast.dataset, "discovery"))
                tensors[refusal_name(axis)] = self.toy.residuals(prompts)
        for evaluation in self.plan.evaluations:
            measure = evaluation.measure
            if measure.kind == "probe":
                contrast = list(items.of(measure.contrast, "discovery"))
                tensors[f"{evaluation.id}.residuals"] = self.toy.residuals(contrast)
        return tensors

    def _unedited(self, evidence: Evidence) -> Evidence:
        """The evidence with what the toy does unedited, where that makes classes."""
        axes = self.plan.axes
        if all(axis.selection.contrast.measure is None for axis in axes):
            return evidence
        return self.answered(evidence, {axis.id: [] for axis in axes})

    def _held_out(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """What kept features say of held-out prompts, where the plan names a pooling."""
        found = {}
        for axis in self.plan.axes:
            pooling = axis.selection.pooling
            if pooling is not None:
                kept = [one.feature for one in select_features(axis, evidence).features]
                items = evidence.items.of(axis.selection.contrast.dataset, "held_out")
                found[held_out_name(axis)] = self.toy.pooled(list(items), pooling)[:, kept]
        return found

    def _groups(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """What fires with kept features, and its cosine, where the plan asks for groups."""
        found: dict[str, np.ndarray] = {}
        for axis in self.plan.axes:
            if axis.selection.groups is not None:
                pairs = companions(axis, evidence)
                rows = self.toy.rows_compared
                near = [spelled_cosines(rows[[p.feature]], rows[[p.other]]) for p in pairs]
                found[ids_name(axis)] = np.array([one.other for one in pairs], dtype=np.int64)
                found[cosines_name(axis)] = np.concatenate([np.empty(0), *near])
        return found

    def _labels(self, evidence: Evidence) -> tuple[list[LabelWordRow], list[LabelCheckRow]]:
        all_words: list[LabelWordRow] = []
        all_checks: list[LabelCheckRow] = []
        for axis in self.plan.axes:
            dataset = axis.selection.contrast.dataset
            prompts = [item.prompt for item in evidence.items.of(dataset, "discovery")]
            held_out = evidence.items.of(dataset, "held_out")
            for kept in select_features(axis, evidence).features:
                feature = kept.feature
                seen = [self.toy.on_words(feature, prompt) for prompt in prompts]
                rows = label_word_rows(axis.id, feature, prompts, seen)
                values = [self.toy.on_words(feature, item.prompt) for item in held_out]
                all_words += rows
                all_checks += label_check_rows(
                    axis.id,
                    feature,
                    label_of(rows, axis.labels.words),
                    held_out,
                    [[max(v), *v] for v in values],
                    axis.labels.examples,
                )
        return all_words, all_checks

    def edited(self, evidence: Evidence) -> list[Axis]:
        """The axes on which a feature is found."""
        without = featureless(self.plan, evidence)
        return [axis for axis in self.plan.axes if axis.id not in without]

    def _tuning(self, axis: Axis, evidence: Evidence) -> list[planned.ArmSpec]:
        if axis not in self.edited(evidence):
            return []
        return planned.tuning_arms(self.plan, axis, self.seed, evidence)

    def answered(
        self, evidence: Evidence, specs: Mapping[str, list[planned.ArmSpec]]
    ) -> Evidence:
        """The evidence with the answers of all cells whose arms are known."""
        edits = {"baseline": baseline(self.toy)}
        for axis in self.plan.axes:
            arms = specs[axis.id]
            directions = planned.directions(self.plan, axis, arms, evidence)
            edits |= edits_of(self.toy, axis, arms, directions, evidence)
        evaluations = {evaluation.id: evaluation for evaluation in self.plan.evaluations}
        probes = {
            e.id: probe_of(e.id, e.measure, evidence)
            for e in self.plan.evaluations
            if e.measure.kind == "probe"
        }
        residuals = {
            item.item: vector
            for dataset in {
                e.dataset for e in self.plan.evaluations if e.measure.kind != "choice"
            }
            for split in ("discovery", "tuning", "held_out")
            for item, vector in paired(self.toy, list(evidence.items.of(dataset, split)))
        }
        answers: list[Any] = []
        asked = cells(self.plan, featureless(self.plan, evidence))
        for cell in (cell for cell in asked if cell.arm in edits):
            edit = edits[cell.arm]
            evaluation = evaluations[cell.evaluation]
            for item in evidence.items.of(cell.dataset, cell.split):
                answers += self._answers(cell, evaluation, item, edit, residuals, probes)
        answers, gone = without_missing(self.toy, answers)
        graded = replace(evidence, answers=group_answers(answers), exclusions=gone)
        return regrade(self.plan, with_judgements(self.plan, graded))

    def _answers(
        self,
        cell: Any,
        evaluation: Evaluation,
        item: ItemRow,
        edit: ToyEdit,
        residuals: Mapping[str, np.ndarray],
        probes: Mapping[str, LinearProbe],
    ) -> list[Any]:
        """What the toy answers to one item under one arm, sample by sample."""
        length = len(item.prompt.split())
        match evaluation.measure.kind:
            case "generate" if evaluation.measure.turns is not None:
                return [spoken(self, cell, item, residuals[item.item], edit)]
            case "generate":
                return [
                    self._sampled(cell, item, n, residuals[item.item], edit)
                    for n in range(samples_of(evaluation))
                ]
            case "choice":
                account = self.account(item, 2 * length, edit, "")
                letters = self.toy.letters(item, edit.on(item))
                return [ChoiceRow(cell.evaluation, cell.arm, item.item, *letters, *account, "")]
            case "perplexity":
                return [self._likelihood(cell, item, length, edit)]
            case "probe":
                account = self.account(item, length, edit, "")
                direction = probes[cell.evaluation].direction.astype(np.float64)
                score = six(float((residuals[item.item] + edit.on(item)) @ direction))
                return [ProbeRow(cell.evaluation, cell.arm, item.item, score, *account, "")]

    def _likelihood(
        self, cell: Any, item: ItemRow, length: int, edit: ToyEdit
    ) -> LikelihoodRow:
        nll = self.toy.surprise(item, edit.on(item))
        account = self.account(item, length, edit, "")
        return LikelihoodRow(cell.evaluation, cell.arm, item.item, length, nll, *account, "")

    def account(
        self, item: ItemRow, positions: int, edit: ToyEdit, text: str
    ) -> tuple[int, float, float]:
        if edit.bare:
            return 0, 0.0, 0.0
        size = edit.mean_size(f"{item.prompt} {text}")
        before = six(self.toy.residual_norm(item, text) * self.toy.again(edit.on(item)))
        return positions, six(size), six(0.9 * before) if edit.upstream else before

    def _sampled(
        self,
        cell: Any,
        item: ItemRow,
        sample: int,
        residual: np.ndarray,
        edit: ToyEdit,
    ) -> GenerationRow:
        at = residual + self.toy.luck(item, sample)
        row = self._generated(cell, item, at, edit)
        return msgspec.structs.replace(row, sample=sample)

    def _generated(
        self,
        cell: Any,
        item: ItemRow,
        residual: np.ndarray,
        edit: ToyEdit,
    ) -> GenerationRow:
        push = edit.on(item)
        outcome = self.toy.outcome(item, residual, push)
        text = self.toy.text(item, outcome, push)
        tokens = len(text.split()) + 1
        positions = len(item.prompt.split()) + tokens - 1
        account = self.account(item, positions, edit, text)
        nll = six(self.toy.nll(item, outcome) * self.toy.again(push))
        return GenerationRow(
            cell.evaluation, cell.arm, item.item, 0, text, tokens, "eos", nll, *account, ""
        )

    def _sliced(
        self, evidence: Evidence, specs: Mapping[str, list[planned.ArmSpec]]
    ) -> Evidence:
        """The evidence with only the decoder rows that arms use, and with all directions."""
        tensors = dict(evidence.tensors)
        for axis in self.plan.axes:
            arms = specs[axis.id]
            features = planned.needed_features(arms)
            tensors[f"{axis.id}.directions"] = planned.directions(
                self.plan, axis, arms, evidence
            )
            tensors[f"{axis.id}.features"] = np.array(features, dtype=np.int64)
            tensors[f"{axis.id}.w_dec"] = self.toy.w_dec[features]
        return replace(evidence, tensors=tensors)
