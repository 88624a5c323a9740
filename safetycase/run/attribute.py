"""What features add to the log-odds of questions, to first order: activation times gradient.

One pass forward and one back for each question and letter order. The weights have no gradients:
the graph begins at the activation that the dictionary reads and writes; of several blocks at
the first, and what is added there counts with all that later ones make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from safetycase.errors import RunFailed
from safetycase.methods.grid import evaluation_named
from safetycase.methods.sites import places_of
from safetycase.record.planned_axis import Attribution
from safetycase.run.answers import Bench, where_of
from safetycase.run.choose import Question, question_of
from safetycase.run.device import wide
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.measure import answerable
from safetycase.run.model import LoadedModel
from safetycase.run.observe import ENCODED_AT_ONCE, Pooled
from safetycase.run.prompts import PaddedBatch, pad_left
from safetycase.run.shrink import Batches, parts_that_fit
from safetycase.run.sites import on_write
from safetycase.tables.rows import ItemRow

_ROWS = 16
"""Rows of a batch, at most: a backward pass keeps what every later block has computed."""


def attributions(
    bench: Bench,
    dictionary: Dictionary,
    asked: Attribution,
    items: Sequence[ItemRow],
    pooled: Pooled,
    *,
    batches: Batches,
) -> np.ndarray:
    """Attribution of every feature that fires on an item, in the order of `pooled.values`.

    float32, in nats: Σ z · (d · ∂M/∂h) over the tokens of the question, the first left out; M
    is the mean over both letter orders of log p(matching) - log p(other). Zeros for items that
    are not asked. A feature that does not fire on the prompt by itself has no place there: what
    fires on the choices alone is not what the prompt is about. Where memory runs out, fewer
    questions share a batch from there on; told is how many.
    """
    model, evaluation = bench.model, evaluation_named(bench.plan, asked.evaluation)
    here = {item.item for item in answerable(bench, evaluation, items)}
    questions = {
        number: question_of(model, item, where=where_of(evaluation, item))
        for number, item in enumerate(items)
        if item.item in here
    }
    values = np.zeros(len(pooled.values), dtype=np.float32)
    order = sorted(questions, key=lambda n: (len(questions[n].forward), n))
    questions_at_once = replace(batches, size=max(1, min(_ROWS, batches.size) // 2))

    def measured(part: Sequence[int]) -> list[np.ndarray]:
        return batch_attributions(model, dictionary, [questions[number] for number in part])

    def named(number: int) -> str:
        return f"item {items[number].item} in both letter orders"

    for part, found in parts_that_fit(order, questions_at_once, measured, named):
        for number, row in zip(part, found, strict=True):
            own = slice(pooled.bounds[number], pooled.bounds[number + 1])
            values[own] = row[pooled.columns[own]]
    return values


def batch_attributions(
    model: LoadedModel, dictionary: Dictionary, asked: Sequence[Question]
) -> list[np.ndarray]:
    """Attribution of every feature to each question, float32 [width]."""
    batch = pad_left([prompt for one in asked for prompt in (one.forward, one.swapped)], model)
    h, gradient = _gradient(model, dictionary, batch, asked)
    rows = []
    for row, own in enumerate(batch.editable):
        rows.append(_summed(dictionary, h[row, own].float(), gradient[row, own].float()))
    return [
        (forward + swapped).float().cpu().numpy()
        for forward, swapped in zip(rows[::2], rows[1::2], strict=True)
    ]


def _gradient(
    model: LoadedModel, dictionary: Dictionary, batch: PaddedBatch, asked: Sequence[Question]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The activations [rows, positions, width] that are attributed to, and ∂M/∂h there.

    Of several blocks both are those of all, side by side.
    """
    read: list[torch.Tensor] = []
    added: list[torch.Tensor] = []

    def leave(h: torch.Tensor) -> torch.Tensor:
        read.append(h.detach())
        added.append(torch.zeros_like(h, requires_grad=True))
        return h + added[-1]

    places = places_of(dictionary.writes)
    if dictionary.reads != dictionary.writes:
        expected = "a dictionary that writes what it reads"
        raise RunFailed(f"attribution, dictionary {dictionary.id}", expected)
    with ExitStack() as stack:
        for place in places:
            for handle in on_write(model, place, leave):
                stack.callback(handle.remove)
        stack.enter_context(torch.enable_grad())
        # the fused kernels have backward passes whose sums have no fixed order
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        output = model.network(
            input_ids=batch.ids,
            attention_mask=batch.real,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=batch.last,
        )
        if len(read) != len(places):
            expected = f"{len(places)} activations in a pass"
            raise RunFailed(str(dictionary.writes), expected, found=str(len(read)))
        measured = log_odds(torch.log_softmax(output.logits[:, -1].float(), -1), asked)
        gradients = torch.autograd.grad(measured.sum(), added)
    h, gradient = (
        torch.cat([part.to(model.device) for part in parts], -1) for parts in (read, gradients)
    )
    return h, gradient


def log_odds(log_p: torch.Tensor, asked: Sequence[Question]) -> torch.Tensor:
    """The measured quantity of each question, from the log p of both orders' next tokens."""
    letters = torch.tensor([one.letters for one in asked], device=log_p.device)
    forward = log_p[0::2].gather(1, letters)
    swapped = log_p[1::2].gather(1, letters)
    return ((forward[:, 0] - forward[:, 1]) + (swapped[:, 1] - swapped[:, 0])) / 2.0


def _summed(dictionary: Dictionary, h: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Σ z · (d · ∂M/∂h) over tokens [tokens, width of the activation]: float64 [width].

    What a feature adds is asked of the dictionary, which may scale it token by token.
    """
    size = max(1, ENCODED_AT_ONCE // dictionary.width)
    total = wide(torch.zeros(dictionary.width, device=h.device))
    for x, g in zip(torch.split(h, size), torch.split(gradient, size), strict=True):
        z = dictionary.encode(x).detach().requires_grad_()
        with torch.enable_grad():
            made = dictionary.decode(z, x)
        (adds,) = torch.autograd.grad(made, z, grad_outputs=g)
        total += wide(z.detach() * adds).sum(0)
    return total
