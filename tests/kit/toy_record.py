"""The members of the toy's case, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from safetycase import canonical
from safetycase.bundle.tensors import write_tensors
from safetycase.digest import sha256_hex
from safetycase.methods import derive
from safetycase.methods.argument import argument, limitations
from safetycase.methods.equations import read_place
from safetycase.methods.governance import measured_configuration
from safetycase.methods.grid import cells
from safetycase.methods.identify import featureless
from safetycase.methods.instruments import required_tests
from safetycase.methods.judge import in_order
from safetycase.methods.sites import hook_path
from safetycase.record.case import ModelFile
from safetycase.tables.codec import write_table
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import (
    ChoiceRow,
    GenerationRow,
    LikelihoodRow,
    ProbeRow,
    path_of,
)
from tests.kit.toy_judge import records
from tests.kit.toy_lab import Lab
from tests.kit.toy_plan import MODEL_FILES, dictionary_files
from tests.kit.toy_world import (
    D_MODEL,
    STEMS,
)

Json = Any

_KINDS = {
    GenerationRow: "generations",
    ChoiceRow: "choices",
    ProbeRow: "probes",
    LikelihoodRow: "likelihoods",
}


def assemble(
    lab: Lab, evidence: Evidence, head: Mapping[str, Json], *, ship: bool
) -> dict[str, bytes]:
    """All members but the plan; `head`: the plan's digest, and what else begins the record."""
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
        "case.json": canonical.write(_record(lab, evidence, tables, ship=ship) | dict(head)),
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
    results = derive.derive_results(plan, lab.seed, evidence, safeguards)
    declared = {dictionary.id: 4.0 for dictionary in plan.dictionaries}
    return {
        "schema": "https://safetycase.dev/case/v1alpha",
        "id": plan.id,
        "title": plan.title,
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
                "files": dictionary_files(dictionary.id),
                "manifest_digest": dictionary.manifest_digest,
                "equation": dictionary.equation,
                "hook": hook_path(plan.model.architecture, read_place(dictionary)),
                "width": width,
                "model_width": D_MODEL // len(lab.toy.widths),
                "declared_l0": declared[dictionary.id],
            }
            for dictionary, width in zip(plan.dictionaries, lab.toy.widths, strict=True)
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
