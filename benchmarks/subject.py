"""What the runner's benchmarks run on: a model with its dictionary, real items, and arms.

Beside it stands what they are compared with: the model as transformers has it, one arm at a
time, by one forward hook.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from safetycase.record.plan import Plan
from safetycase.run.bind import RunOptions, bind
from safetycase.run.device import device_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.freeze import freeze
from safetycase.run.items import read_items
from safetycase.run.measure import Bench
from safetycase.run.model import LoadedModel
from safetycase.run.observe import activations
from safetycase.run.prompts import PaddedBatch, Prompt, encode
from safetycase.run.shrink import Batches
from safetycase.tables.rows import ItemRow

ROOT = Path(__file__).resolve().parents[1]
PLANS = {
    "gemma": ROOT / "examples/gemma-3-270m/plan.yaml",
    "organism": ROOT / "fixtures/organism/plan.yaml",
}
DOSE = 0.05
"""Length of every edit, as a share of the mean residual norm."""


@dataclass(frozen=True)
class Subject:
    """A model ready to be measured, and the items of its plan."""

    bench: Bench
    items: tuple[ItemRow, ...]

    @property
    def model(self) -> LoadedModel:
        """The model."""
        return self.bench.model

    @property
    def dictionary(self) -> Dictionary:
        """The first dictionary of the plan."""
        return next(iter(self.bench.dictionaries.values()))

    @property
    def shared_blocks(self) -> int:
        """Blocks below the edit."""
        return self.dictionary.writes.layer + 1

    def described(self) -> str:
        """Model, number format, threads, place of the edit."""
        plan: Plan = self.bench.plan
        return (
            f"{plan.model.name}, {plan.model.dtype}, {self.bench.environment.device}, "
            f"{torch.get_num_threads()} threads, "
            f"edit at {self.dictionary.writes} of {len(self.model.blocks)} blocks, "
            f"batches of at most {self.bench.environment.batch_rows} rows"
        )


def options(purpose: str | None) -> argparse.ArgumentParser:
    """Arguments that all of them take."""
    parser = argparse.ArgumentParser(description=(purpose or "").partition("\n")[0])
    parser.add_argument("--model", choices=sorted(PLANS), default="gemma")
    parser.add_argument("--cache", type=Path, default=Path("out/cache"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--batch-rows", type=int)
    parser.add_argument("--device", default="cpu", help="auto, cpu, mps, cuda or cuda:N")
    return parser


def load(given: argparse.Namespace) -> Subject:
    """The model bound as a run binds it."""
    frozen = freeze(PLANS[given.model])
    options = RunOptions(given.threads, given.batch_rows, device=device_of(given.device))
    bound = bind(frozen, given.cache, options)
    items = read_items(frozen.plan, frozen.digest, frozen.datasets)
    return Subject(bound.bench, tuple(items.rows))


def make_arms(subject: Subject, count: int) -> list[ArmEdit]:
    """The baseline and `count - 1` edits, each along the decoder row of another feature."""
    model, dictionary = subject.model, subject.dictionary
    place = dictionary.writes
    texts = [encode(model, row.prompt, where=row.item) for row in subject.items[:16]]

    def keep(_: int, x: torch.Tensor) -> float:
        return float(x.norm(dim=-1).mean())

    seen = activations(model, texts, place, keep=keep, batches=Batches(16, print))
    norm = float(np.mean([length for _, length in seen]))
    features = [n * dictionary.width // count for n in range(1, count)]
    rows = dictionary.decoder_rows(features)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    edits = [
        ArmEdit(f"feature {feature}", place, (np.float32(DOSE * norm) * row), dictionary.id)
        for feature, row in zip(features, rows, strict=True)
    ]
    return [BASELINE_EDIT, *edits]


def long_prompts(subject: Subject, count: int, tokens: int) -> list[Prompt]:
    """Prompts of exactly so many tokens, BOS included: items one after the other, cut."""
    model, rows = subject.model, subject.items
    prompts = []
    for number in range(count):
        ids: list[int] = [model.bos]
        at = number * len(rows) // count
        while len(ids) < tokens:
            row = rows[at % len(rows)]
            ids += encode(model, f"{row.prompt}\n", where=row.item).ids[1:]
            at += 1
        prompts.append(Prompt(tuple(ids[:tokens]), ((0, 0),) * tokens))
    return prompts


@contextmanager
def hooked(model: LoadedModel, arm: ArmEdit, batch: PaddedBatch) -> Iterator[None]:
    """Inside, one forward hook adds the arm's vector everywhere but to BOS and padding."""
    if arm.place is None or arm.vector is None:
        yield
        return
    vector = torch.from_numpy(arm.vector).to(model.device)
    prompt_edit = batch.editable[..., None] * vector

    def add(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output + (vector if output.shape[1] == 1 else prompt_edit)

    handle = model.block(arm.place.layer).register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
