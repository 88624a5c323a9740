"""Residuals at the last prompt token, under every arm: what a linear probe reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetycase.methods.probe import LinearProbe
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, in_tokens
from safetycase.run.realised import Realised
from safetycase.run.shrink import Batches, parts_that_fit


@dataclass(frozen=True)
class Reading:
    """The projection on the probe's direction, and what the hook did."""

    score: float
    realised: Realised


def last_residuals(
    model: LoadedModel, prompts: Sequence[Prompt], layer: int, *, batches: Batches
) -> np.ndarray:
    """Residuals float32 [prompts, d_model] at the last prompt token, nothing edited."""

    def read(part: Sequence[Prompt]) -> np.ndarray:
        run = ArmRun(model, part, [BASELINE_EDIT], {})
        residuals: np.ndarray = run.last_residuals(layer).cpu().numpy()
        return residuals

    parts = parts_that_fit(prompts, batches, read, in_tokens)
    return np.concatenate([found for _, found in parts])


def read_probe(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    *,
    layer: int,
    probe: LinearProbe,
) -> list[list[Reading]]:
    """Readings by item and arm; projections are computed in float64."""
    run = ArmRun(model, prompts, arms, dictionaries)
    with run.editing():
        residuals = run.last_residuals(layer).cpu().numpy().astype(np.float64)
    scores = residuals @ probe.direction.astype(np.float64)
    readings = [
        Reading(float(score), realised)
        for score, realised in zip(scores, run.realised(), strict=True)
    ]
    return [readings[i : i + len(arms)] for i in range(0, run.rows, len(arms))]
