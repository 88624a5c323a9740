"""What the toy's arms do to it: a vector everywhere, or what its features' activations give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetycase.methods import arms as planned
from safetycase.methods import operations
from safetycase.methods.arm_edits import state_edits
from safetycase.methods.encode import recomputed
from safetycase.methods.operations import StateEdit
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import ItemRow
from tests.kit.toy_traces import made_of, slices, vector
from tests.kit.toy_world import D_MODEL, UNEXPLAINED, ToyWorld

EQUATION = "jumprelu.gs2"


@dataclass(frozen=True)
class ToyEdit:
    """One arm's edit: `push` everywhere, or what a `state` gives at each token."""

    toy: ToyWorld
    push: np.ndarray
    size: float
    bare: bool = False
    """Whether there is no hook."""
    state: StateEdit | None = None
    dropped: bool = False
    """Whether what the dictionary leaves unexplained is dropped before the edit."""
    upstream: bool = False
    """Whether what stands before the edit has been edited too, and is a tenth shorter."""

    def on(self, item: ItemRow) -> np.ndarray:
        """What moves the toy on an item: the largest of the edits at its tokens."""
        if self.state is None:
            moved = self.push
        else:
            added = self._added(item.prompt)
            moved = added[np.linalg.norm(added, axis=1).argmax()]
        return moved - self.toy.unexplained if self.dropped else moved

    def mean_size(self, text: str) -> float:
        """Mean ‖Δh‖ over the tokens of a text, as the toy's number format leaves it."""
        if self.state is None:
            return self.size + self._rounded(text, self.push)
        added = self._added(text)
        sizes = float(np.linalg.norm(added, axis=1).mean())
        return sizes + self._rounded(text, added)

    def _rounded(self, text: str, added: np.ndarray) -> float:
        """How much rounding adds to mean ‖Δh‖ or takes: nothing where nothing is added."""
        x = np.array([vector(self.toy, token) for token in text.split()], dtype=np.float32)
        start = made_of(self.toy, x) if self.dropped else x
        after = (start + added).astype(np.float32)
        if not added.any() or self.toy.held(after) is after:
            return 0.0
        moved = self.toy.held(after).astype(np.float64) - self.toy.held(start)
        sizes = np.linalg.norm(moved, axis=1) - np.linalg.norm(added, axis=-1)
        return float(sizes.mean())

    def _added(self, text: str) -> np.ndarray:
        residuals = [vector(self.toy, token) for token in text.split()]
        return added_at(self.toy, self.state, residuals, dropped=self.dropped)


def added_at(
    toy: ToyWorld,
    state: StateEdit | None,
    residuals: Sequence[np.ndarray],
    *,
    dropped: bool = False,
) -> np.ndarray:
    """What an edit adds to some residuals or reconstructions, float64 [n, d_model]."""
    x = np.array(residuals, dtype=np.float32).reshape(len(residuals), D_MODEL)
    if state is None:
        return np.zeros(x.shape)
    if not state.features:
        start = made_of(toy, x) if dropped else x
        return operations.delta(state, operations.coordinates(state, start))
    parts = slices(toy, state.features)
    return operations.delta(state, recomputed(EQUATION, parts.__getitem__, x).exact)


def baseline(toy: ToyWorld) -> ToyEdit:
    """Nothing at all."""
    return ToyEdit(toy, np.zeros(D_MODEL), 0.0, bare=True)


def edits_of(
    toy: ToyWorld,
    axis: Axis,
    specs: Sequence[planned.ArmSpec],
    directions: np.ndarray,
    evidence: Evidence,
) -> Mapping[str, ToyEdit]:
    """The edits of planned arms, by arm."""
    edits = {}
    states = state_edits(axis, specs, directions, evidence)
    for spec, row, state in zip(specs, directions, states, strict=True):
        is_made = spec.role == "reconstruction"
        policy = axis.candidate.error_policy if is_made else spec.error_policy
        dropped = policy == "none"
        size = UNEXPLAINED if is_made else abs(spec.coefficient)
        said = spec.prefix or spec.system
        if said is None:
            push = spec.coefficient * row.astype(np.float64)
            upstream = spec.layers == "all"
            edits[spec.id] = ToyEdit(
                toy, push, size, state=state, dropped=dropped, upstream=upstream
            )
        else:
            edits[spec.id] = ToyEdit(toy, toy.pushed_by(said), 0.0, bare=True)
    return edits
