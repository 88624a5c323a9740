"""The account of what edits did to the rows of a batch: how often, and how much.

The norms of an edit of several blocks are those of all of them together, position by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Realised:
    """What the hook did to one row: edited positions, mean ‖Δh‖₂ and mean ‖h‖₂ over them."""

    edits: int
    delta: float
    residual: float


@dataclass(frozen=True)
class _Moved:
    """What an edit at one place did: where [rows, positions], and ‖Δh‖₂ and ‖h‖₂ there."""

    where: torch.Tensor
    delta: torch.Tensor
    residual: torch.Tensor


class Account:
    """Sums over the passes of a batch; a pass is closed when all its places are done."""

    def __init__(self, rows: int) -> None:
        """Nothing has been done to any row."""
        self._open: list[_Moved] = []
        self._edits = torch.zeros(rows, dtype=torch.int64)
        self._delta = torch.zeros(rows, dtype=torch.float64)
        self._residual = torch.zeros(rows, dtype=torch.float64)

    def note(
        self,
        before: torch.Tensor,
        after: torch.Tensor,
        where: torch.Tensor,
        *,
        start: torch.Tensor | None = None,
    ) -> None:
        """What was done at a place in this pass [rows, positions, width].

        `start`: what stood there when something was added, if that is not what stood before.
        """
        # summed on the processor: places may be on several devices, and not all have float64
        added = after.float() - (before if start is None else start).float()
        delta = added.norm(dim=-1).cpu().double()
        residual = before.float().norm(dim=-1).cpu().double()
        there = where.cpu()
        self._open.append(_Moved(there, delta * there, residual * there))

    def close(self, kept: torch.Tensor) -> None:
        """Add up the pass, whose rows are these of the full batch."""
        if not self._open:
            return
        rows = kept.cpu()
        where = torch.stack([moved.where for moved in self._open]).any(0)
        for sums, parts in (
            (self._delta, [moved.delta for moved in self._open]),
            (self._residual, [moved.residual for moved in self._open]),
        ):
            sums[rows] += torch.stack(parts).square().sum(0).sqrt().sum(1)
        self._edits[rows] += where.sum(1)
        self._open.clear()

    def realised(self) -> list[Realised]:
        """What was done to every row, in the order of the full batch."""
        counts = self._edits.tolist()
        return [
            Realised(n, d / n if n else 0.0, r / n if n else 0.0)
            for n, d, r in zip(
                counts, self._delta.tolist(), self._residual.tolist(), strict=True
            )
        ]
