"""Edits of the residual stream, another one in every row of a batch, each counted.

Row i·A + a of a batch is item i under arm a. Blocks below the first edit see every item once;
its output is then spread over the arms. A hook that does not fire is an error, never a null
result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from safetycase.errors import RunFailed
from safetycase.run.dictionaries.gemma_scope import Dictionary
from safetycase.run.model import LoadedModel, residual_of, with_residual

_PER_ROW = ("attention_mask", "position_embeddings", "position_ids")


@dataclass(frozen=True)
class ArmEdit:
    """What an arm does to the residual stream after a block.

    No layer: nothing at all (the baseline). A vector [d_model]: it is added. No vector: the
    activation is replaced by the dictionary's reconstruction of it.
    """

    arm: str
    layer: int | None
    vector: np.ndarray | None
    dictionary: str | None


BASELINE_EDIT = ArmEdit("baseline", None, None, None)


@dataclass(frozen=True)
class Realised:
    """What the hook did to one row: edited positions, mean ‖Δh‖₂ and mean ‖h‖₂ over them."""

    edits: int
    delta: float
    residual: float


@dataclass
class _Site:
    """The edits after one block: vectors [rows, d], which rows they concern, replacements."""

    vectors: torch.Tensor
    edited: torch.Tensor
    replaced: list[tuple[Dictionary, torch.Tensor]]
    fired: int = 0


class RowEdits:
    """The hooks of a batch of items by arms, and the account of what they did."""

    def __init__(
        self,
        model: LoadedModel,
        arms: Sequence[ArmEdit],
        items: int,
        dictionaries: Mapping[str, Dictionary],
    ) -> None:
        """Lay out the edits; nothing is hooked before `installed`."""
        self.arms = len(arms)
        self.items = items
        self.rows = items * len(arms)
        self._model = model
        layers = sorted({arm.layer for arm in arms if arm.layer is not None})
        self.first = layers[0] if layers else None
        self.last = layers[-1] if layers else None
        self._sites = {
            layer: _site(model, layer, arms, items, dictionaries) for layer in layers
        }
        self._forwards = 0
        self._spreading = False
        self._kept = torch.arange(self.rows, device=model.device)
        self._editable = torch.zeros((0, 0), dtype=torch.bool)
        self._edits = torch.zeros(self.rows, dtype=torch.int64)
        self._delta = torch.zeros(self.rows, dtype=torch.float64)
        self._residual = torch.zeros(self.rows, dtype=torch.float64)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, every forward pass is edited; afterwards the model is as it was."""
        with ExitStack() as stack:
            for layer in self._sites:
                hook = self._model.block(layer).register_forward_hook(
                    partial(self._edit, layer)
                )
                stack.callback(hook.remove)
            for block in self._model.blocks[self._above :]:
                before = block.register_forward_pre_hook(self._spread_inputs, with_kwargs=True)
                stack.callback(before.remove)
            yield

    @property
    def _above(self) -> int:
        return len(self._model.blocks) if self.first is None else self.first + 1

    @contextmanager
    def forward(self, editable: torch.Tensor, *, spread: bool) -> Iterator[None]:
        """One forward pass goes in here; `editable` [rows, positions] says where edits apply.

        With `spread`, the batch enters with one row an item and leaves with one a pair of item
        and arm. Refused on leaving unless every hook fired exactly once.
        """
        self._editable = editable
        self._spreading = spread and self.first is not None
        self._forwards += 1
        yield
        self._spreading = False
        for layer, site in self._sites.items():
            if site.fired != self._forwards:
                raise RunFailed(
                    f"hook after block {layer}",
                    f"{self._forwards} calls",
                    found=str(site.fired),
                    remedy="The model does not run this block as a module; no edit was made.",
                )

    def spread_cache(self, cache: DynamicCache) -> None:
        """Keys and values of the blocks that saw items only are repeated for every arm."""
        if self.first is not None:
            for layer in cache.layers[: self._above]:
                cast("DynamicLayer", layer).batch_repeat_interleave(self.arms)

    def keep(self, rows: torch.Tensor) -> None:
        """From here on the batch holds only these of its present rows."""
        self._kept = self._kept[rows]

    def realised(self) -> list[Realised]:
        """What was done to every row, in the order of the full batch."""
        counts = self._edits.tolist()
        return [
            Realised(n, d / n if n else 0.0, r / n if n else 0.0)
            for n, d, r in zip(
                counts, self._delta.tolist(), self._residual.tolist(), strict=True
            )
        ]

    def _edit(self, layer: int, _module: nn.Module, _inputs: object, output: object) -> object:
        site = self._sites[layer]
        site.fired += 1
        h = residual_of(output, f"block {layer}")
        if self._spreading and layer == self.first:
            h = h.repeat_interleave(self.arms, 0)
        where = self._editable & site.edited[self._kept][:, None]
        edited = h.float() + site.vectors[self._kept][:, None, :] * where[..., None]
        for dictionary, rows in site.replaced:
            chosen = torch.isin(self._kept, rows).nonzero().squeeze(1)
            original = h[chosen].float()
            edited[chosen] = torch.where(
                where[chosen][..., None], dictionary.reconstruct(original), original
            )
        result = edited.to(h.dtype)
        self._account(h, result, where)
        return with_residual(output, result)

    def _account(self, before: torch.Tensor, after: torch.Tensor, where: torch.Tensor) -> None:
        kept = self._kept.cpu()
        delta = (after.float() - before.float()).norm(dim=-1).double() * where
        residual = before.float().norm(dim=-1).double() * where
        self._edits[kept] += where.sum(1).cpu()
        self._delta[kept] += delta.sum(1).cpu()
        self._residual[kept] += residual.sum(1).cpu()

    def _spread_inputs(
        self, _module: nn.Module, args: tuple[object, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[object, ...], dict[str, Any]] | None:
        if not self._spreading:
            return None
        spread = {name: self._spread(kwargs[name]) for name in _PER_ROW if name in kwargs}
        return args, {**kwargs, **spread}

    def _spread(self, value: object) -> object:
        if isinstance(value, tuple):
            return tuple(self._spread(part) for part in value)
        if isinstance(value, torch.Tensor) and value.shape[0] == self.items > 1:
            return value.repeat_interleave(self.arms, 0)
        return value


def _site(
    model: LoadedModel,
    layer: int,
    arms: Sequence[ArmEdit],
    items: int,
    dictionaries: Mapping[str, Dictionary],
) -> _Site:
    vectors = torch.zeros((len(arms), model.width), device=model.device)
    edited = torch.zeros(len(arms), dtype=torch.bool, device=model.device)
    replaced: dict[str, list[int]] = {}
    for number, arm in enumerate(arms):
        if arm.layer != layer:
            continue
        edited[number] = True
        if arm.vector is not None:
            vectors[number] = torch.from_numpy(arm.vector)
        else:
            replaced.setdefault(cast("str", arm.dictionary), []).append(number)
    return _Site(
        vectors=vectors.repeat(items, 1),
        edited=edited.repeat(items),
        replaced=[
            (dictionaries[name], _rows_of(numbers, len(arms), items, model.device))
            for name, numbers in replaced.items()
        ],
    )


def _rows_of(numbers: list[int], arms: int, items: int, device: torch.device) -> torch.Tensor:
    first = torch.arange(items, device=device)[:, None] * arms
    return (first + torch.tensor(numbers, device=device)[None, :]).flatten()
