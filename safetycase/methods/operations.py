"""What an operation does to an activation, in one formula for all that depend on it.

    Δh = Σ_f (slope_f · a_f + offset_f) · row_f

`a_f` is the activation of a feature or, where no feature is named, the coordinate of h along
the row. Scaling has slope c and offset 0, clamping slope -1 and the level as its offset,
projecting out an orthonormal basis for rows. What the dictionary does not explain of h stays.
`run.state_edits` does the same on the device, and is held to this by tests.

Sources: clamping and ablation with the error kept, Templeton et al. 2024 (Scaling
Monosemanticity) and Marks et al. 2024, arXiv 2403.19647; projecting out, Arditi et al. 2024,
arXiv 2406.11717.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.digest import sha256_hex
from safetycase.errors import MethodRefused
from safetycase.methods.encode import ROUNDING, Recomputed
from safetycase.record.planned_axis import Candidate, DoseUnit, Operation

Floats = NDArray[np.float64]

UNITS: Mapping[Operation, tuple[DoseUnit, ...]] = {
    "add": ("residual_norm_fraction", "l2"),
    "scale": ("activation_multiple",),
    "ablate": ("activation_multiple",),
    "clamp": ("max_activation_multiple", "activation_value"),
    "project_out": ("projection_multiple",),
}
"""The units in which doses of each operation can be given."""

_LEAST_REST = 1e-4
"""Share of a row that must lie outside the span of those before it to add to the basis."""


def adds(candidate: Candidate) -> bool:
    """Whether the edit is the same vector everywhere, whatever the activation."""
    return candidate.operation == "add"


@dataclass(frozen=True)
class StateEdit:
    """An edit that depends on the activation; see the formula above.

    `features` are those whose activations are read, one a row; none: coordinates are. `rows`
    [k, width], `slope` and `offset` [k], float32. `only_active`: nothing is done with a feature
    where it does not fire.
    """

    features: tuple[int, ...]
    rows: NDArray[np.float32]
    slope: NDArray[np.float32]
    offset: NDArray[np.float32]
    only_active: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of all its parts: another edit has another."""
        head = repr((self.features, self.rows.shape, self.only_active)).encode()
        parts = (part.astype("<f4").tobytes() for part in (self.rows, self.slope, self.offset))
        return sha256_hex(b"\0".join((head, *parts)))


def state_edit(
    operation: Operation,
    features: Sequence[int],
    rows: NDArray[np.float32],
    *,
    coefficient: float,
    gain: float = 1.0,
    units: Sequence[float] | None = None,
    only_active: bool = False,
) -> StateEdit:
    """The edit of an operation on some features, or on directions where there are none.

    `rows` [k, width] are decoder rows or directions; `units` [k] what a level of 1 is of each
    feature, for `clamp`. At coefficient 0 it does nothing. Refused: `add`, which depends on no
    activation.
    """
    if operation == "add":
        raise MethodRefused("state_edit", "an operation on activations", found=operation)
    nothing = np.zeros(len(rows))
    if operation == "project_out":
        basis = orthonormal(rows)
        slope = np.full(len(basis), gain * coefficient)
        return StateEdit((), basis, _float32(slope), _float32(np.zeros(len(basis))))
    slope, offset = nothing + gain * coefficient, nothing
    if operation == "clamp":
        moves = gain if coefficient else 0.0
        levels = np.ones(len(rows)) if units is None else np.array(units, dtype=np.float64)
        offset = moves * coefficient * levels
        slope = nothing - moves
    return StateEdit(
        tuple(features), _float32(rows), _float32(slope), _float32(offset), only_active
    )


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def orthonormal(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Give an orthonormal basis of the rows' span: [k, d] -> float32 [r, d], r <= k.

    Gram-Schmidt in float64, each row twice, in the order given: the same on every machine, as
    LAPACK's QR is not. A row inside the span of those before it adds nothing. Refused: no row
    with a direction.

    Source: Björck 1967, BIT 7:1; "twice is enough", Giraud et al. 2005, Numer. Math. 101:87.
    """
    basis: list[Floats] = []
    for row in np.asarray(rows, dtype=np.float64):
        size = _length(row)
        rest = row.copy()
        for _ in range(2):
            for known in basis:
                rest = rest - np.add.accumulate(known * rest)[-1] * known
        if size > 0.0 and _length(rest) > _LEAST_REST * size:
            basis.append(rest / _length(rest))
    if not basis:
        raise MethodRefused("orthonormal", "a row with a direction", found=f"{len(rows)} rows")
    return _float32(np.array(basis))


def _length(vector: Floats) -> float:
    return float(np.sqrt(np.add.accumulate(np.square(vector))[-1]))


def delta(edit: StateEdit, read: NDArray[Any]) -> Floats:
    """What is added: [n, k] activations or coordinates -> float64 [n, width]."""
    a = np.asarray(read, dtype=np.float64)
    amounts = a * edit.slope.astype(np.float64) + edit.offset.astype(np.float64)
    if edit.only_active:
        amounts = amounts * (a != 0.0)
    added: Floats = amounts @ edit.rows.astype(np.float64)
    return added


def coordinates(edit: StateEdit, h: NDArray[Any]) -> Floats:
    """Coordinates of activations along the rows: [n, width] -> float64 [n, k]."""
    along: Floats = h.astype(np.float64) @ edit.rows.astype(np.float64).T
    return along


def rounding_of_coordinates(edit: StateEdit, h: NDArray[Any]) -> Floats:
    """How far float32's rounding may move what is added, element by element [n, width]."""
    rows = np.abs(edit.rows.astype(np.float64))
    sizes = np.abs(h.astype(np.float64)) @ rows.T
    return _spread(edit, ROUNDING * sizes)


def rounding_of_activations(edit: StateEdit, again: Recomputed, places: list[int]) -> Floats:
    """The same where features are read: their own errors, and a threshold's other side.

    `places` are the columns of the edit's features.
    """
    errors = again.error[:, places].copy()
    unsure = ~again.sure[:, places]
    larger = np.maximum(np.abs(again.exact), np.abs(again.other))[:, places]
    moved = _spread(edit, errors + unsure * larger)
    if edit.only_active:
        sizes = np.abs(edit.offset.astype(np.float64)) * unsure
        moved = moved + sizes @ np.abs(edit.rows.astype(np.float64))
    return moved


def _spread(edit: StateEdit, errors: Floats) -> Floats:
    """What errors [n, k] of the values read, and of the products with them, come to."""
    slope = np.abs(edit.slope.astype(np.float64))
    amounts = errors * slope + ROUNDING * np.abs(edit.offset.astype(np.float64))
    spread: Floats = amounts @ np.abs(edit.rows.astype(np.float64))
    return spread
