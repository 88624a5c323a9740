"""Operations on activations, against sums done by hand and plain linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.errors import MethodRefused
from safetycase.methods.operations import (
    coordinates,
    delta,
    orthonormal,
    rounding_of_coordinates,
    state_edit,
)
from safetycase.record.planned_axis import Operation

ROWS = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]], dtype=np.float32)
FIRES = np.array([[2.0, 0.0], [1.0, 5.0], [0.0, 0.0]])


def test_minus_one_takes_out_what_features_add_and_one_doubles_it() -> None:
    taken = delta(state_edit("scale", (4, 7), ROWS, coefficient=-1.0), FIRES)
    assert taken.tolist() == [[-2.0, 0.0, -4.0], [-1.0, -15.0, -2.0], [0.0, 0.0, 0.0]]
    doubled = delta(state_edit("scale", (4, 7), ROWS, coefficient=1.0), FIRES)
    assert (doubled == -taken).all()


def test_ablate_is_scale_by_another_name() -> None:
    one, two = (state_edit(word, (4, 7), ROWS, coefficient=-0.5) for word in OPERATIONS[:2])
    assert (delta(one, FIRES) == delta(two, FIRES)).all()
    assert one.digest == two.digest


def test_a_clamp_moves_an_activation_to_its_level_everywhere() -> None:
    edit = state_edit("clamp", (4, 7), ROWS, coefficient=0.5, units=[4.0, 2.0])
    # levels 2 and 1
    assert delta(edit, FIRES).tolist() == [
        [0.0, 3.0, 0.0],
        [1.0, -12.0, 2.0],
        [2.0, 3.0, 4.0],
    ]


def test_a_clamp_where_features_fire_leaves_the_others() -> None:
    edit = state_edit(
        "clamp", (4, 7), ROWS, coefficient=-1.0, units=[1.0, 1.0], only_active=True
    )
    assert delta(edit, FIRES).tolist() == [
        [-3.0, 0.0, -6.0],
        [-2.0, -18.0, -4.0],
        [0.0, 0.0, 0.0],
    ]


def test_a_projection_taken_out_is_gone_and_the_rest_stays() -> None:
    rows = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    h = np.random.default_rng(2).normal(size=(5, 8))
    edit = state_edit("project_out", (1, 2, 3), rows, coefficient=-1.0)
    assert edit.features == ()
    left = h + delta(edit, coordinates(edit, h))
    assert np.abs(left @ rows.T).max() < 1e-5
    projector = np.linalg.pinv(rows.astype(np.float64)) @ rows
    assert left == pytest.approx(h - h @ projector, abs=1e-6)


OPERATIONS: tuple[Operation, ...] = ("scale", "ablate", "clamp", "project_out")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_dose_is_no_edit(operation: Operation) -> None:
    edit = state_edit(operation, (4, 7), ROWS, coefficient=0.0, gain=3.0, units=[4.0, 2.0])
    assert not delta(edit, FIRES).any()


@pytest.mark.parametrize("operation", OPERATIONS)
@given(gain=st.floats(-4, 4), coefficient=st.floats(-2, 2))
def test_a_gain_multiplies_the_whole_edit(
    operation: Operation, gain: float, coefficient: float
) -> None:
    whole = state_edit(operation, (4, 7), ROWS, coefficient=coefficient, units=[1.0, 2.0])
    scaled = state_edit(
        operation, (4, 7), ROWS, coefficient=coefficient, gain=gain, units=[1.0, 2.0]
    )
    assert delta(scaled, FIRES) == pytest.approx(gain * delta(whole, FIRES), rel=1e-5, abs=1e-5)


def test_adding_depends_on_no_activation() -> None:
    with pytest.raises(MethodRefused, match="an operation on activations"):
        state_edit("add", (4,), ROWS[:1], coefficient=1.0)


def test_a_basis_is_orthonormal_and_spans_the_rows() -> None:
    rows = np.random.default_rng(3).normal(size=(4, 16)).astype(np.float32)
    basis = orthonormal(rows).astype(np.float64)
    assert basis @ basis.T == pytest.approx(np.eye(4), abs=1e-6)
    q, _ = np.linalg.qr(rows.astype(np.float64).T)
    assert basis.T @ basis == pytest.approx(q @ q.T, abs=1e-6)


def test_a_row_inside_the_span_adds_nothing() -> None:
    rows = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)
    assert orthonormal(rows).shape == (2, 3)


def test_no_direction_is_refused() -> None:
    with pytest.raises(MethodRefused, match="a row with a direction"):
        orthonormal(np.zeros((2, 4), dtype=np.float32))


@given(st.integers(0, 2**32 - 1))
def test_float32_stays_within_the_stated_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3, 24)).astype(np.float32)
    h = (rng.normal(size=(4, 24)) * rng.uniform(0.1, 100.0)).astype(np.float32)
    edit = state_edit("project_out", (), rows, coefficient=float(rng.uniform(-3, 3)))
    exact = delta(edit, coordinates(edit, h))
    rough = ((h @ edit.rows.T) * edit.slope) @ edit.rows
    assert (np.abs(rough - exact) <= rounding_of_coordinates(edit, h)).all()


def test_another_edit_has_another_digest() -> None:
    made = [
        state_edit("scale", (4, 7), ROWS, coefficient=1.0),
        state_edit("scale", (4, 8), ROWS, coefficient=1.0),
        state_edit("scale", (4, 7), ROWS[::-1], coefficient=1.0),
        state_edit("scale", (4, 7), ROWS, coefficient=1.0, gain=2.0),
        state_edit("clamp", (4, 7), ROWS, coefficient=1.0),
        state_edit("clamp", (4, 7), ROWS, coefficient=1.0, only_active=True),
        state_edit("project_out", (4, 7), ROWS, coefficient=1.0),
    ]
    assert len({edit.digest for edit in made}) == len(made)
