"""Audit traces of the toy: each token as a vector that its dictionary reads word for word.

The vector of a token is what all residuals share plus its features' decoder rows, each as much
as the feature fires on it; the encoder undoes that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby

import numpy as np

from safetycase.methods import arms as planned
from safetycase.methods.arm_edits import state_edits
from safetycase.methods.encode import recomputed
from safetycase.methods.equations import dictionary_of
from safetycase.methods.fit import tested_items
from safetycase.methods.identify import select_features
from safetycase.methods.label import words
from safetycase.methods.neighbours import cosines, nearest
from safetycase.methods.trace_draws import trace_rows
from safetycase.methods.traces import Traces
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import DictionaryTextRow, GenerationRow, TraceRow
from tests.kit.toy_world import D_MODEL, WIDTH, ToyWorld

THRESHOLD = 0.1


@cache
def _encoder(toy: ToyWorld) -> np.ndarray:
    """Encoder rows [width, d_model]: the inverse of what features add to their own block."""
    rows = np.zeros((WIDTH, D_MODEL))
    for block in range(toy.blocks):
        own = slice(block * WIDTH // toy.blocks, (block + 1) * WIDTH // toy.blocks)
        rows[own, own] = np.linalg.inv(toy.w_dec[own, own].astype(np.float64)).T
    return rows


def slices(toy: ToyWorld, features: Sequence[int]) -> dict[str, np.ndarray]:
    """What the toy's dictionary needs to encode some features."""
    rows = _encoder(toy)[list(features)]
    count = len(features)
    return {
        "w_enc": rows.astype(np.float32),
        "bias": (-rows @ toy.base).astype(np.float32),
        "scale": np.ones(count, dtype=np.float32),
        "shift": np.zeros(rows.shape[1], dtype=np.float32),
        "threshold": np.full(count, THRESHOLD, dtype=np.float32),
        "normalisation": np.zeros(1, dtype=np.int64),
    }


@cache
def vector(toy: ToyWorld, token: str) -> np.ndarray:
    """A token's residual, float32 [d_model], read-only."""
    found = [word.text for word in words(token)]
    fires = np.array(
        [max((toy.readings[f].get(w, 0.0) for w in found), default=0.0) for f in range(WIDTH)]
    )
    residual = toy.held((toy.base + fires @ toy.w_dec).astype(np.float32))
    residual.flags.writeable = False
    return residual


def made_of(toy: ToyWorld, residuals: np.ndarray) -> np.ndarray:
    """What the toy's dictionary makes of residuals, float32 [n, d_model]."""
    return (residuals - toy.unexplained).astype(np.float32)


def with_traces(
    plan: Plan,
    digest: str,
    toy: ToyWorld,
    evidence: Evidence,
    specs: Mapping[str, list[planned.ArmSpec]],
) -> Evidence:
    """The evidence with the traces that the plan asks for."""
    if plan.audit is None:
        return evidence
    rows: list[TraceRow] = []
    tensors = dict(evidence.tensors)
    for axis in plan.axes:
        drawn = trace_rows(plan, axis, digest, evidence, specs[axis.id])
        rows += drawn
        tensors |= _tensors(plan, axis, toy, evidence, specs[axis.id], drawn)
    return replace(evidence, tensors=tensors, traces=rows)


def _tensors(
    plan: Plan,
    axis: Axis,
    toy: ToyWorld,
    evidence: Evidence,
    specs: list[planned.ArmSpec],
    rows: list[TraceRow],
) -> dict[str, np.ndarray]:
    directions = planned.directions(plan, axis, specs, evidence)
    before = []
    for _, group in groupby(rows, lambda r: (r.arm, r.item)):
        traced = list(group)
        tokens = _tokens(plan, evidence, traced[0])
        before += [vector(toy, tokens[row.position]) for row in traced]
    residuals = np.array(before, dtype=np.float32).reshape(len(rows), D_MODEL)
    parts = slices(toy, planned.needed_features(specs))
    equation = dictionary_of(plan, axis).equation
    activations = recomputed(equation, parts.__getitem__, residuals).exact
    parts |= {
        "trace_before": residuals,
        "trace_activations": activations.astype(np.float32),
    }
    start = residuals
    if axis.candidate.error_policy is not None:
        dropping = {spec.id for spec in specs if spec.error_policy is not None}
        dropped = np.array([row.arm in dropping for row in rows], dtype=np.bool_)[:, None]
        is_clean = axis.candidate.error_policy == "clean"
        made = residuals if is_clean else made_of(toy, residuals)
        start = np.where(dropped, made, residuals)
        parts["trace_reconstruction"] = np.where(dropped, made, np.float32(0.0))
    known = {f"{axis.id}.{name}": values for name, values in parts.items()}
    held = replace(evidence, tensors={**evidence.tensors, **known})
    states = state_edits(axis, specs, directions, evidence)
    edits = Traces(plan, axis, held, rows, specs, directions, states).specified
    edited = start + edits
    parts |= {"trace_delta": edited - residuals, "trace_after": toy.held(edited)}
    return {f"{axis.id}.{name}": values for name, values in parts.items()}


def _tokens(plan: Plan, evidence: Evidence, row: TraceRow) -> list[str]:
    """The toy's tokens at which a row was edited: the words of prompt and answer."""
    evaluation = next(e for e in plan.evaluations if e.id == row.evaluation)
    prompt = evidence.items.named(evaluation.dataset, row.item).prompt.split()
    answers = evidence.answers[row.evaluation, row.arm]
    answer = next(answer for answer in answers if answer.item == row.item)
    said = answer.output.split() if isinstance(answer, GenerationRow) else prompt
    return prompt + said


def with_neighbours(plan: Plan, toy: ToyWorld, evidence: Evidence) -> Evidence:
    """The evidence with the decoder rows nearest to kept features, if the plan asks."""
    if plan.geometry is None:
        return evidence
    tensors = dict(evidence.tensors)
    for axis in plan.axes:
        kept = [each.feature for each in select_features(axis, evidence).features]
        similar = cosines(toy.w_dec[kept], toy.w_dec)
        named = nearest(kept, similar, plan.geometry.neighbours)
        tensors[f"{axis.id}.neighbours"] = np.array(named, dtype=np.int64)
        tensors[f"{axis.id}.neighbour_rows"] = toy.w_dec[named]
    texts = [
        DictionaryTextRow(dictionary.id, item.item, n, 4 * n, 0.0, 9.5 * n)
        for dictionary in plan.dictionaries
        for item in tested_items(plan, dictionary.id, evidence.items)
        for n in [len(item.prompt.split())]
    ]
    return replace(evidence, tensors=tensors, dictionary_texts=texts)
