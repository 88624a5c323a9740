"""The steps of a run between loading and assembling, in the order in which they happen.

Every figure on which a step depends is computed by `methods`; here things are measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import NoReturn

import msgspec
import numpy as np

from safetycase.errors import RunFailed
from safetycase.methods import arms as planned
from safetycase.methods import grid
from safetycase.methods.arm_edits import adding, size_gaps
from safetycase.methods.contrasts import refusal_of
from safetycase.methods.derive import arm_specs
from safetycase.methods.dose import choose, dose_responses
from safetycase.methods.fit import tested_items, tested_with
from safetycase.methods.grade import grader_of
from safetycase.methods.grid import samples_of
from safetycase.methods.judge import Asked, asked_of, judgement
from safetycase.methods.matching import length_of
from safetycase.methods.probe import LinearProbe, probe_of, tensor_name
from safetycase.methods.turns import turns_of
from safetycase.record.case import SelfTest
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Evaluation, Generate, Probe
from safetycase.run.answers import TOO_LONG, rows_of
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, edits_of
from safetycase.run.judge import said_by
from safetycase.run.lab import BASELINE_STEP, DOSE_STEP, GAUGE_STEP, HELD_OUT_STEP, Lab
from safetycase.run.measure import answerable, arms_of, require_answerable, units_of
from safetycase.run.probe import last_residuals
from safetycase.run.reshape import RAN_OUT, Key, head_of
from safetycase.run.search import require_both_classes
from safetycase.run.selftest import Fit, Subject, self_tests, text_rows
from safetycase.run.shrink import too_large
from safetycase.run.state_edits import require_operable
from safetycase.run.units import Unit
from safetycase.tables.columns import Answers
from safetycase.tables.rows import AnswerRow, ItemRow, sample_of


def require_prompts(lab: Lab) -> None:
    """Return only if every prompt of the plan can be put to the model, in every split.

    Before anything is measured: what is found on the last held-out item is found too late.
    """
    plan, bench = lab.bench.plan, lab.bench
    lab.progress.begin("reading all prompts", 0)
    require_operable(plan, bench.dictionaries)
    for axis in plan.axes:
        for split in ("discovery", "held_out"):
            lab.prompts(lab.contrast(axis, split))
        refusal = refusal_of(axis)
        if refusal is not None:
            lab.prompts(lab.notes.items.of(refusal.contrast.dataset, "discovery"))
            if refusal.contrast.label != "outcome":
                require_both_classes(lab, axis, refusal)
    for evaluation in plan.evaluations:
        for split in grid.SPLITS:
            items = lab.notes.items.of(evaluation.dataset, split)
            require_answerable(bench, evaluation, answerable(bench, evaluation, items))


def test_instruments(lab: Lab) -> tuple[SelfTest, ...]:
    """The instruments pass their tests on discovery prompts of the axes that use them."""
    plan, bench = lab.bench.plan, lab.bench
    lab.progress.begin("testing the instruments", 0)
    subjects: dict[str, Subject] = {}
    for planned_dictionary in plan.dictionaries:
        name = planned_dictionary.id
        prompts = lab.prompts(lab.contrast(tested_with(plan, name), "discovery"))
        subjects[name] = Subject(bench.model, bench.dictionaries[name], prompts)
    fits: dict[str, Fit] = {}
    batches = lab.reading("the fit of the dictionaries")
    tests = self_tests(subjects, dtype=plan.model.dtype, batches=batches, fits=fits)
    if plan.geometry is not None:
        for name, fit in fits.items():
            tested = tested_items(plan, name, lab.notes.items)
            lab.notes.dictionary_texts += text_rows(name, tested, fit)
    return tests


def train_probes(lab: Lab) -> None:
    """The residuals that linear probes are made of stand in the notes."""
    for evaluation in lab.bench.plan.evaluations:
        measure = evaluation.measure
        if isinstance(measure, Probe):
            items = lab.notes.items.of(measure.contrast, "discovery")
            batches = lab.reading(f"the residuals of probe {evaluation.id}")
            lab.notes.tensors[tensor_name(evaluation.id)] = last_residuals(
                lab.bench.model,
                lab.prompts(items),
                measure.layer,
                batches=replace(batches, size=lab.bench.environment.batch_rows),
            )


def measure_baseline(lab: Lab) -> None:
    """Every answer of the unedited model is there that no arm will be compared with.

    Where arms are measured later, the baseline is measured in the same batches as they are.
    """
    _measure_all(lab, BASELINE_STEP, {}, only_baseline=True)


def design(lab: Lab) -> None:
    """The dose series of targets and best-of sets are measured on the tuning split.

    Where no feature was found there is nothing to try: the baseline is measured alone on what
    its arms would have been compared with.
    """
    if lab.notes.featureless:
        _measure_all(lab, "measuring the baseline alone", {}, only_baseline=True)
    edits: dict[str, ArmEdit] = {}
    every: list[planned.ArmSpec] = []
    for axis in lab.edited:
        evidence = lab.notes.evidence()
        specs = planned.tuning_arms(lab.bench.plan, axis, lab.case_seed, evidence)
        edits |= _edits(lab, axis, specs)
        every += specs
    _measure_all(lab, DOSE_STEP, edits)
    _require_given(lab, every)


def gauge(lab: Lab) -> None:
    """Controls whose edit depends on activations are measured at the chosen dose, unscaled.

    How large the target's and theirs come to be on tuning items gives their gain. Refused where
    the target's features never fire there.
    """
    plan = lab.bench.plan
    edits: dict[str, ArmEdit] = {}
    for axis in lab.edited:
        evidence = lab.notes.evidence()
        chosen = choose(axis, dose_responses(plan, axis, evidence))
        specs = planned.gauge_arms(plan, axis, lab.case_seed, evidence, chosen)
        if specs:
            length_of(plan, axis, evidence, chosen.dose, chosen.candidate)
            tuned = planned.tuning_arms(plan, axis, lab.case_seed, evidence)
            edits |= _edits(lab, axis, specs, [*tuned, *specs])
    if edits:
        _measure_all(lab, GAUGE_STEP, edits)


def remeasure(lab: Lab) -> None:
    """Targets and controls are measured on held-out items, beside the baseline."""
    plan = lab.bench.plan
    edits: dict[str, ArmEdit] = {}
    given: list[planned.ArmSpec] = []
    for axis in plan.axes:
        if axis.id in lab.notes.featureless:
            _note_no_edit(lab, axis)
    for axis in lab.edited:
        evidence = lab.notes.evidence()
        chosen = choose(axis, dose_responses(plan, axis, evidence))
        taken = grid.candidates(axis)[chosen.candidate]
        what = f"{taken.operation}, dose" if axis.alternatives else "dose"
        lab.progress.note(f"{axis.id}: {what} {chosen.dose:g}")
        every = arm_specs(plan, axis, lab.case_seed, evidence)
        _note_decoder_rows(lab, axis, every)
        directions = planned.directions(plan, axis, every, lab.notes.evidence())
        lab.notes.tensors[f"{axis.id}.directions"] = directions
        held_out = [s for s in every if s.role not in planned.TUNING_ROLES]
        edits |= _edits(lab, axis, held_out, every)
        given += held_out
    _measure_all(lab, HELD_OUT_STEP, edits)
    _require_given(lab, given)


def _require_given(lab: Lab, specs: Sequence[planned.ArmSpec]) -> None:
    """Refuse edits of which nobody could say that their dose was given."""
    dtype = lab.bench.plan.model.dtype
    for gap in size_gaps(adding(specs), lab.notes.evidence().answers, dtype):
        where, remedy = gap.where.partition(": ")[2] or gap.where, "Larger doses, or float32."
        expected = f"{gap.expected}, of which rounding to {dtype} leaves most"
        raise RunFailed(where, expected, found=gap.found, remedy=remedy)


def _note_no_edit(lab: Lab, axis: Axis) -> None:
    """Where no feature was found, no feature's rows and no direction stand in the notes."""
    _note_decoder_rows(lab, axis, [])
    directions = planned.directions(lab.bench.plan, axis, [], lab.notes.evidence())
    lab.notes.tensors[f"{axis.id}.directions"] = directions


def _note_decoder_rows(lab: Lab, axis: Axis, specs: Sequence[planned.ArmSpec]) -> None:
    features = planned.needed_features(specs)
    rows = lab.bench.dictionaries[axis.dictionary].decoder_rows(features)
    lab.notes.tensors[f"{axis.id}.features"] = np.array(features, dtype=np.int64)
    lab.notes.tensors[f"{axis.id}.w_dec"] = rows


def _edits(
    lab: Lab,
    axis: Axis,
    specs: Sequence[planned.ArmSpec],
    every: Sequence[planned.ArmSpec] | None = None,
) -> dict[str, ArmEdit]:
    """What arms do where the dictionary writes; `every` arm has its decoder rows noted."""
    _note_decoder_rows(lab, axis, every or specs)
    place = lab.bench.dictionaries[axis.dictionary].writes
    evidence = lab.notes.evidence()
    directions = planned.directions(lab.bench.plan, axis, specs, evidence)
    return edits_of(axis, specs, directions, evidence, place=place)


def _measure_all(
    lab: Lab, step: str, edits: Mapping[str, ArmEdit], *, only_baseline: bool = False
) -> None:
    """Measure every cell whose arms are at hand and which is not in the notes yet."""
    plan, notes = lab.bench.plan, lab.notes
    jobs: list[tuple[Evaluation, Sequence[ItemRow], list[str], list[Unit]]] = []
    for evaluation in plan.evaluations:
        for split, arms in _stretches(lab, evaluation):
            items = notes.items.of(evaluation.dataset, split)
            wanted = len(arms) == 1 if only_baseline else len(arms) > 1
            is_done = (evaluation.id, split) in notes.alone
            is_ready = all(arm in edits for arm in arms[1:])
            if is_done or not wanted or not items or not is_ready:
                continue
            asked = answerable(lab.bench, evaluation, items)
            notes.exclude(evaluation, _noted(arms), items, asked, "prompt_longer_than_context")
            items = asked
            chosen = [BASELINE_EDIT, *(edits[arm] for arm in arms[1:])]
            units = units_of(lab.bench, evaluation, items, chosen, _probe(lab, evaluation))
            jobs.append((evaluation, items, arms, units))
            if only_baseline:
                notes.alone.add((evaluation.id, split))
    every = [unit for *_, units in jobs for unit in units]
    lab.progress.begin(step, sum(unit.rows for unit in every))
    lab.journal.step(step, [(unit.key, unit.rows) for unit in every])
    results = iter(lab.engine.run_units(every, lab.store, lab.progress))
    for evaluation, items, arms, units in jobs:
        given = [next(results) for _ in units]
        notes.note_units(given)
        rows = [row for result in given for row in rows_of(evaluation, result)]
        ran_out = {key for result in given for key in head_of(result).missing}
        _note_answers(lab, evaluation, items, arms, rows, ran_out)


def _stretches(lab: Lab, evaluation: Evaluation) -> Iterator[tuple[str, list[str]]]:
    """Splits of an evaluation with the arms that are measured together, the baseline first."""
    for split in grid.SPLITS:
        arms = arms_of(lab.bench.plan, evaluation, split, lab.notes.featureless)
        gauges = [arm for arm in arms if grid.is_gauge(arm)]
        yield split, [arm for arm in arms if arm not in gauges]
        if gauges:
            yield split, [grid.BASELINE, *gauges]


def _noted(arms: Sequence[str]) -> Sequence[str]:
    """The arms whose answers are kept: the baseline beside gauges has answered before."""
    return arms[1:] if grid.is_gauge(arms[-1]) else arms


def _probe(lab: Lab, evaluation: Evaluation) -> LinearProbe | None:
    if not isinstance(evaluation.measure, Probe):
        return None
    return probe_of(evaluation.id, evaluation.measure, lab.notes.evidence())


def ask_judge(lab: Lab, evaluation: Evaluation, asked: Sequence[Asked]) -> None:
    """What a judge says of answers stands in the notes; of an answer given twice, the first."""
    bench = lab.bench
    judge = evaluation.measure.judge if isinstance(evaluation.measure, Generate) else None
    if judge is None or not asked:
        return
    said = said_by(
        judge,
        bench.judges[evaluation.id].model,
        evaluation,
        [one.prompt for one in asked],
        environment=bench.environment.spelled(),
        batch_rows=lab.batch_rows,
        store=lab.store,
        progress=lab.progress,
        noted=lab.notes.note_units,
    )
    for one in asked:
        row = judgement(bench.plan, one, said[one.prompt])
        lab.notes.judgements.setdefault(one.key, row)


def _note_answers(
    lab: Lab,
    evaluation: Evaluation,
    items: Sequence[ItemRow],
    arms: Sequence[str],
    rows: Sequence[AnswerRow],
    ran_out: Collection[Key],
) -> None:
    """Grade rows and note them in item order; a baseline that was repeated is compared.

    Answers that are not there did not fit the memory in any batch, or were cut off: scripts'.
    """
    notes, samples = lab.notes, range(samples_of(evaluation))
    if not rows:
        _refuse_silence(evaluation, "any arm", ran_out)
    ask_judge(lab, evaluation, [*asked_of(lab.bench.plan, notes.items, Answers.of(rows))])
    known, missing = _graded(lab, evaluation, rows), 0
    is_scripted = turns_of(evaluation) is not None
    for arm in _noted(arms):
        given = []
        for item, sample in product(items, samples):
            key = (arm, item.item, sample)
            if key in known or not (is_scripted or key in ran_out):
                given.append(known[key])
            else:
                cause = RAN_OUT if key in ran_out else TOO_LONG
                notes.miss(evaluation.id, arm, item.item, sample, cause)
                missing += key in ran_out
        if not given:
            _refuse_silence(evaluation, arm, ran_out)
        notes.note(evaluation.id, arm, given)
    if missing:
        lab.progress.note(f"{evaluation.id}: {missing} answers do not fit the memory: excluded")


def _graded(
    lab: Lab, evaluation: Evaluation, rows: Sequence[AnswerRow]
) -> dict[Key, AnswerRow]:
    """Graded rows by arm, item and sample; of a baseline that was repeated the first stands."""
    notes = lab.notes
    outcomes = grader_of(lab.bench.plan, evaluation, notes.evidence())(Answers.of(rows))
    known: dict[Key, AnswerRow] = {}
    for row, outcome in zip(rows, outcomes, strict=True):
        graded = msgspec.structs.replace(row, outcome=outcome)
        first = known.setdefault((row.arm, row.item, sample_of(row)), graded)
        if first is not graded:
            notes.repeated_baselines += 1
            notes.unequal_baselines += first.outcome != outcome
    return known


def _refuse_silence(evaluation: Evaluation, arm: str, ran_out: Collection[Key]) -> NoReturn:
    where, expected = f"evaluation {evaluation.id}", f"an answer under {arm}"
    if ran_out:
        raise too_large(where, f"{expected} that fits the memory")
    raise RunFailed(
        where,
        expected,
        found="none: every transcript grew longer than the model's context",
        remedy="Shorten the scripts' turns or the answers' max_new_tokens.",
    )
