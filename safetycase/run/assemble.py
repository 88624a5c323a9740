"""Plan, rows and results become the members of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from safetycase import canonical
from safetycase.bundle.tensors import write_tensors
from safetycase.methods.argument import argument, limitations
from safetycase.methods.derive import derive_results, target_digest
from safetycase.methods.governance import measured_configuration
from safetycase.methods.judge import in_order, judged
from safetycase.methods.tensors import planned_tensors
from safetycase.record.case import (
    Case,
    Deviation,
    JudgeRecord,
    Safeguard,
    SelfTest,
    Subject,
    TableReference,
    Times,
)
from safetycase.record.plan import Plan
from safetycase.run.bind import Bound, dictionary_records
from safetycase.run.freeze import FrozenPlan
from safetycase.run.notebook import Notebook
from safetycase.tables.codec import write_table
from safetycase.tables.rows import path_of


def members_of(
    frozen: FrozenPlan,
    bound: Bound,
    notes: Notebook,
    tests: tuple[SelfTest, ...],
    times: Times,
) -> dict[str, bytes]:
    """Every member of the case but reports and what is signed later, by name."""
    tables, references = _tables(frozen.plan, notes)
    plan, evidence = frozen.plan, notes.evidence()
    safeguards = {
        axis.id: digest
        for axis in plan.axes
        if axis.purpose == "deployed"
        and (digest := target_digest(plan, axis, evidence)) is not None
    }
    results = derive_results(plan, frozen.seed, evidence, safeguards)
    case = Case(
        schema_="https://safetycase.dev/case/v1alpha",
        id=plan.id,
        title=plan.title,
        plan_digest=frozen.digest,
        deviations=_deviations(notes),
        subject=_subject(frozen, bound, safeguards),
        dictionaries=dictionary_records(frozen, bound.bench.dictionaries),
        self_tests=tests,
        environment=bound.bench.environment,
        randomness=frozen.randomness,
        times=times,
        tables=references,
        results=results,
        argument=argument(plan, results),
        limitations=limitations(plan),
        judges=_judges(frozen, bound) or None,
        extensions={},
    )
    return {
        "case.json": canonical.write(case.spelled()),
        "plan.json": frozen.data,
        **tables,
        **_tensor_files(frozen.plan, notes.tensors),
        **frozen.statements,
    }


def _subject(frozen: FrozenPlan, bound: Bound, safeguards: Mapping[str, str]) -> Subject:
    release = frozen.plan.release
    return Subject(
        name=frozen.plan.model.name,
        files=frozen.model.files,
        manifest_digest=frozen.plan.model.manifest_digest,
        tensor_root=bound.tensor_root,
        safeguards=tuple(
            Safeguard(axis=axis, intervention=digest) for axis, digest in safeguards.items()
        ),
        tested=measured_configuration(frozen.plan, frozen.model.files),
        released=None if release is None else release.configuration,
    )


def _judges(frozen: FrozenPlan, bound: Bound) -> tuple[JudgeRecord, ...]:
    return tuple(
        JudgeRecord(
            evaluation=evaluation.id,
            files=frozen.judges[evaluation.id].files,
            manifest_digest=judge.manifest_digest,
            tensor_root=bound.bench.judges[evaluation.id].tensor_root,
        )
        for evaluation, _, judge in judged(frozen.plan)
    )


_RAN_OUT = "Memory ran out in the batch shape that was chosen before measuring."


def _deviations(notes: Notebook) -> tuple[Deviation, ...]:
    told = []
    if notes.unequal_baselines:
        told.append(
            Deviation(
                what=f"{notes.unequal_baselines} of {notes.repeated_baselines} repeated "
                "baseline answers got another grade than the first time; the first stands.",
                why="Arms that did not fit one batch brought the baseline along in each; "
                "numbers differ in the last bits between batches of different shape.",
            )
        )
    if notes.reshaped_units:
        cut = notes.cut_by_arms
        arms = f", {cut} of them with fewer arms together as well" if cut else ""
        told.append(
            Deviation(
                what=f"{notes.reshaped_units} of {notes.units} units were measured in smaller "
                f"batches than planned{arms}; another run may give other last bits.",
                why=_RAN_OUT,
            )
        )
    for axis, size in notes.reshaped_attributions.items():
        told.append(
            Deviation(
                what=f"The attribution of {axis} was measured in smaller batches than planned, "
                f"at last of {size} questions; another run may give other last bits.",
                why=_RAN_OUT,
            )
        )
    if notes.reshaped_readings:
        parts = [
            f"{what} (at last {size} prompts together)"
            for what, size in notes.reshaped_readings.items()
        ]
        told.append(
            Deviation(
                what=f"Activations were read in smaller batches than planned: "
                f"{', '.join(parts)}; another run may give other last bits, in float32 about "
                "2 parts in 10,000,000.",
                why=_RAN_OUT,
            )
        )
    return tuple(told)


def _tables(plan: Plan, notes: Notebook) -> tuple[dict[str, bytes], tuple[TableReference, ...]]:
    """The evidence tables by member name, those without rows left out, and their references."""
    answers = {
        kind: list(notes.rows_in_grid_order(plan, measure))
        for kind, measure in (
            ("generations", "generate"),
            ("choices", "choice"),
            ("probes", "probe"),
            ("likelihoods", "perplexity"),
        )
    }
    rows: dict[str, Sequence[msgspec.Struct]] = {
        "items": list(notes.items.rows),
        **answers,
        "label_words": notes.label_words,
        "label_checks": notes.label_checks,
        "traces": notes.traces,
        "human_labels": notes.human_labels,
        "exclusions": notes.exclusions,
        "dictionary_texts": notes.dictionary_texts,
        "judgements": in_order(notes.judgements, plan, answers["generations"]),
    }
    filled = {kind: given for kind, given in rows.items() if given}
    tables = {path_of(kind): write_table(kind, given) for kind, given in filled.items()}
    references = tuple(
        TableReference(path=path_of(kind), kind=kind, rows=len(given))
        for kind, given in filled.items()
    )
    return tables, references


def _tensor_files(plan: Plan, tensors: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    paths = {tensor.name: tensor.path for tensor in planned_tensors(plan, {})}
    files: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        files.setdefault(paths[name], {})[name] = tensor
    return {path: write_tensors(held) for path, held in files.items()}
