"""Measures the toy model as a plan asks, and puts the members of its case together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from safetycase import canonical
from safetycase.bundle.tensors import write_tensors
from safetycase.digest import sha256_hex
from safetycase.methods import arms as planned
from safetycase.methods import derive, dose
from safetycase.methods.argument import argument, limitations
from safetycase.methods.contrasts import needed_means
from safetycase.methods.governance import measured_configuration
from safetycase.methods.grade import regrade
from safetycase.methods.grid import cells, samples_of
from safetycase.methods.identify import featureless, held_out_name, select_features
from safetycase.methods.instruments import required_tests
from safetycase.methods.judge import in_order
from safetycase.methods.label import label_check_rows, label_of, label_word_rows
from safetycase.methods.probe import probe_of
from safetycase.record.case import ModelFile
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.codec import write_table
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import (
    ChoiceRow,
    GenerationRow,
    ItemRow,
    LabelCheckRow,
    LabelWordRow,
    ProbeRow,
    path_of,
)
from tests.kit.toy_edits import ToyEdit, baseline, edits_of
from tests.kit.toy_judge import records, with_judgements
from tests.kit.toy_missing import without_missing
from tests.kit.toy_plan import DICTIONARY_FILES, MODEL_FILES
from tests.kit.toy_traces import with_neighbours, with_traces
from tests.kit.toy_world import (
    D_MODEL,
    STEMS,
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
    digest: str
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
        splits = derive.splits_of(self.plan, self.digest, [row.cluster for row in rows])
        return Items([msgspec.structs.replace(r, split=splits[r.cluster]) for r in rows])

    def measure(self, items: Items) -> Evidence:
        tensors = self._instruments(items)
        evidence = Evidence(items, {}, (), (), tensors)
        tensors |= self._held_out(evidence)
        words, checks = self._labels(evidence)
        evidence = Evidence(items, {}, words, checks, tensors)
        specs = {axis.id: self._tuning(axis, evidence) for axis in self.plan.axes}
        evidence = self.answered(evidence, specs)
        for axis in self.edited(evidence):
            chosen = dose.choose(axis, dose.dose_responses(self.plan, axis, evidence))
            specs[axis.id] += planned.gauge_arms(self.plan, axis, self.digest, evidence, chosen)
        evidence = self.answered(evidence, specs)
        for axis in self.edited(evidence):
            chosen = dose.choose(axis, dose.dose_responses(self.plan, axis, evidence))
            specs[axis.id] += planned.held_out_arms(
                self.plan, axis, self.digest, evidence, chosen
            )
        evidence = self.answered(evidence, specs)
        sliced = self._sliced(evidence, specs)
        traced = with_traces(self.plan, self.digest, self.toy, sliced, specs)
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
                f"{axis.id}.width": np.array([WIDTH], dtype=np.int64),
                f"{axis.id}.pool": self.toy.pool(self.plan.controls.activation_pool),
                f"{axis.id}.features": np.arange(WIDTH, dtype=np.int64),
                f"{axis.id}.w_dec": self.toy.w_dec,
            }
            for name, dataset in needed_means(self.plan, axis).items():
                tensors[name] = self.toy.residuals(list(items.of(dataset, "discovery")))
        for evaluation in self.plan.evaluations:
            measure = evaluation.measure
            if measure.kind == "probe":
                contrast = list(items.of(measure.contrast, "discovery"))
                tensors[f"{evaluation.id}.residuals"] = self.toy.residuals(contrast)
        return tensors

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
        return planned.tuning_arms(self.plan, axis, self.digest, evidence)

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
        for cell in cells(self.plan, featureless(self.plan, evidence)):
            if cell.arm not in edits:
                continue
            edit = edits[cell.arm]
            evaluation = evaluations[cell.evaluation]
            for item in evidence.items.of(cell.dataset, cell.split):
                length = len(item.prompt.split())
                if evaluation.measure.kind == "generate":
                    before = residuals[item.item]
                    for n in range(samples_of(evaluation)):
                        row = self._sampled(cell, item, n, before, edit)
                        answers.append(row)
                elif evaluation.measure.kind == "choice":
                    account = self._account(item, 2 * length, edit, "")
                    letters = self.toy.letters(item, edit.on(item))
                    answers.append(
                        ChoiceRow(cell.evaluation, cell.arm, item.item, *letters, *account, "")
                    )
                else:
                    account = self._account(item, length, edit, "")
                    direction = probes[cell.evaluation].direction.astype(np.float64)
                    score = six(float((residuals[item.item] + edit.on(item)) @ direction))
                    answers.append(
                        ProbeRow(cell.evaluation, cell.arm, item.item, score, *account, "")
                    )
        answers, gone = without_missing(self.toy, answers)
        graded = replace(evidence, answers=group_answers(answers), exclusions=gone)
        return regrade(self.plan, with_judgements(self.plan, graded))

    def _account(
        self, item: ItemRow, positions: int, edit: ToyEdit, text: str
    ) -> tuple[int, float, float]:
        if edit.bare:
            return 0, 0.0, 0.0
        size = edit.mean_size(f"{item.prompt} {text}")
        return positions, six(size), self.toy.residual_norm(item, text)

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
        account = self._account(item, positions, edit, text)
        nll = self.toy.nll(item, outcome)
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


_KINDS = {GenerationRow: "generations", ChoiceRow: "choices", ProbeRow: "probes"}


def assemble(lab: Lab, evidence: Evidence, *, ship: bool) -> dict[str, bytes]:
    plan = lab.plan
    tables: dict[str, list[Any]] = {"items": list(evidence.items.rows)}
    for cell in cells(plan, featureless(plan, evidence)):
        names = {item.item for item in evidence.items.of(cell.dataset, cell.split)}
        rows = evidence.answers[cell.evaluation, cell.arm]
        for row in rows:
            if row.item in names:
                tables.setdefault(_KINDS[type(row)], []).append(row)
    tables["label_words"] = list(evidence.label_words)
    tables["label_checks"] = list(evidence.label_checks)
    tables["traces"] = list(evidence.traces)
    tables["human_labels"] = list(evidence.human_labels)
    tables["exclusions"] = list(evidence.exclusions)
    tables["dictionary_texts"] = list(evidence.dictionary_texts)
    said = {(r.evaluation, r.arm, r.item, r.sample): r for r in evidence.judgements}
    tables["judgements"] = in_order(said, plan, tables.get("generations", []))
    tables = {kind: rows for kind, rows in tables.items() if rows}
    files: dict[str, dict[str, np.ndarray]] = {}
    for name, array in evidence.tensors.items():
        files.setdefault(STEMS[name.rpartition(".")[2]], {})[name] = array
    return {
        "case.json": canonical.write(_record(lab, evidence, tables, ship=ship)),
        **{path_of(kind): write_table(kind, rows) for kind, rows in tables.items()},
        **{f"evidence/{stem}.safetensors": write_tensors(held) for stem, held in files.items()},
    }


def _files() -> list[ModelFile]:
    return [ModelFile.model_validate(file) for file in MODEL_FILES]


def _record(
    lab: Lab, evidence: Evidence, tables: Mapping[str, list[Any]], *, ship: bool
) -> Json:
    plan = lab.plan
    safeguards = {
        axis.id: digest
        for axis in plan.axes
        if ship
        and axis.purpose == "deployed"
        and (digest := derive.target_digest(plan, axis, evidence)) is not None
    }
    results = derive.derive_results(plan, lab.digest, evidence, safeguards)
    declared = {dictionary.id: 4.0 for dictionary in plan.dictionaries}
    return {
        "schema": "https://safetycase.dev/case/v1alpha",
        "id": plan.id,
        "title": plan.title,
        "plan_digest": lab.digest,
        "deviations": [],
        "subject": {
            "name": plan.model.name,
            "files": MODEL_FILES,
            "manifest_digest": plan.model.manifest_digest,
            "tensor_root": sha256_hex(b"tensors"),
            "safeguards": [{"axis": a, "intervention": d} for a, d in safeguards.items()],
            "tested": measured_configuration(plan, _files()).spelled(),
        }
        | ({"released": plan.release.configuration.spelled()} if plan.release else {}),
        "dictionaries": [
            {
                "id": dictionary.id,
                "files": DICTIONARY_FILES,
                "manifest_digest": dictionary.manifest_digest,
                "equation": dictionary.equation,
                "hook": f"model.layers.{dictionary.layer}.output",
                "width": WIDTH,
                "model_width": D_MODEL,
                "declared_l0": declared[dictionary.id],
            }
            for dictionary in plan.dictionaries
        ],
        "self_tests": [
            {
                "id": test.id,
                "subject": test.subject,
                "question": test.question,
                "value": 4.0 if test.at_least else 0.0,
            }
            | {
                name: bound
                for name, bound in (("at_least", test.at_least), ("at_most", test.at_most))
                if bound is not None
            }
            for test in required_tests(plan.model.dtype, declared)
        ],
        "environment": {
            "python": "3.11.0",
            "platform": "Linux x86_64",
            "packages": {"numpy": "2.0.0", "torch": "2.13.0", "transformers": "5.0.0"},
            "device": "cpu",
            "threads": 1,
            "attention": "sdpa",
            "deterministic": True,
            "batch_rows": 64,
        },
        "times": {"started": "2026-11-22T10:00:00Z", "finished": "2026-11-22T11:00:00Z"},
        "tables": [
            {"path": path_of(kind), "kind": kind, "rows": len(rows)}
            for kind, rows in tables.items()
        ],
        "results": results.spelled(),
        "argument": [node.spelled() for node in argument(plan, results)],
        "limitations": list(limitations(plan)),
        **({"judges": records(plan)} if records(plan) else {}),
        "extensions": {},
    }
