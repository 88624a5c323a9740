"""What rounding to the model's number format can explain of an edit's size, and what not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from safetycase.methods.account import unequally_likely, upstream_gaps
from safetycase.methods.arm_edits import adding, lost_in_rounding, size_gaps
from safetycase.methods.arms import ArmSpec
from safetycase.methods.dropped_error import in_format
from safetycase.methods.gap import Gap
from safetycase.methods.rounding import UNIT, moved_by
from safetycase.tables.columns import Answers
from safetycase.tables.rows import ChoiceRow, GenerationRow

ARM = "axis/target"
SPEC = ArmSpec(ARM, "target", (1,), None, 0.5, -4.0)
RESIDUAL = 100.0


def answers(delta: float, *, edits: int = 7, residual: float = RESIDUAL) -> Answers:
    return Answers.of(
        [ChoiceRow("quiz", ARM, "q1", -1.0, -1.0, -1.0, -1.0, edits, delta, residual, "")]
    )


def gaps(rows: Answers, dtype: str, spec: ArmSpec = SPEC) -> list[Gap]:
    return list(size_gaps(adding([spec]), {("quiz", ARM): rows}, dtype))


@pytest.mark.parametrize("size", [0.3, 3.0, 30.0, 300.0])
@pytest.mark.parametrize("made", [False, True])
def test_no_honest_row_lies_outside_the_bound(size: float, made: bool) -> None:
    rng = np.random.default_rng([int(size), made])
    h = in_format(rng.standard_cauchy((200, 16)).astype(np.float32), "bfloat16")
    start = (h + rng.normal(size=h.shape)).astype(np.float32) if made else h
    edit = rng.normal(size=16)
    edit = (size * edit / np.linalg.norm(edit)).astype(np.float32)
    moved = in_format(start + edit, "bfloat16") - in_format(start, "bfloat16")
    found = np.linalg.norm(moved.astype(np.float64), axis=1)
    slack = moved_by(np.linalg.norm(h, axis=1), size, "bfloat16", made=made)
    assert (np.abs(found - size) <= slack).all()
    assert np.abs(found - size).max() > 1e-3 * size


@pytest.mark.parametrize("delta", [4.0, 4.003, 3.997])
def test_float32_leaves_a_thousandth(delta: float) -> None:
    assert not gaps(answers(delta), "float32")


@pytest.mark.parametrize("delta", [4.005, 3.995, 2.0, 0.0])
def test_float32_explains_no_more(delta: float) -> None:
    [gap] = gaps(answers(delta), "float32")
    assert not gap.silent
    assert gap.expected == "an edit of size 4"


@pytest.mark.parametrize("delta", [4.4, 3.6])
def test_bfloat16_explains_what_rounding_does(delta: float) -> None:
    assert not gaps(answers(delta), "bfloat16")


@pytest.mark.parametrize("delta", [4.5, 3.5, 2.0, 0.0])
def test_bfloat16_does_not_explain_a_dose_given_in_part(delta: float) -> None:
    [gap] = gaps(answers(delta), "bfloat16")
    assert not gap.silent


@pytest.mark.parametrize("delta", [2.0, 0.0, 5.1])
def test_what_rounding_may_have_taken_is_left_open(delta: float) -> None:
    [gap] = gaps(answers(delta, residual=11.0 * RESIDUAL), "bfloat16")
    assert gap.silent
    assert gap.sentence.endswith(f"{delta} is left of an edit of size 4.")
    assert lost_in_rounding(SPEC, answers(delta, residual=11.0 * RESIDUAL), "bfloat16").all()


@pytest.mark.parametrize("delta", [3.1, 4.9])
def test_three_quarters_of_a_small_edit_are_enough(delta: float) -> None:
    assert not gaps(answers(delta, residual=11.0 * RESIDUAL), "bfloat16")


def test_a_dose_of_zero_leaves_nothing_to_rounding() -> None:
    nothing = replace(SPEC, dose=0.0, coefficient=0.0)
    assert not gaps(answers(0.0), "bfloat16", nothing)
    [gap] = gaps(answers(0.01), "bfloat16", nothing)
    assert not gap.silent


def test_a_row_without_an_edited_position_is_not_asked() -> None:
    assert not gaps(answers(0.0, edits=0, residual=0.0), "float32")


def test_a_reconstruction_is_rounded_as_well() -> None:
    dropping = replace(SPEC, error_policy="none")
    assert not gaps(answers(4.9), "bfloat16", dropping)
    [gap] = gaps(answers(2.6), "bfloat16", dropping)
    assert gap.silent
    [gap] = gaps(answers(6.0), "bfloat16", dropping)
    assert not gap.silent


def test_the_unit_is_that_of_the_format() -> None:
    one = np.float32(1.0)
    below = in_format(np.array([one + np.float32(UNIT["bfloat16"])]), "bfloat16")
    above = in_format(np.array([one + np.float32(1.01 * UNIT["bfloat16"])]), "bfloat16")
    assert below[0] == 1.0
    assert above[0] > 1.0


def text(arm: str, nll: float, residual: float) -> Answers:
    return Answers.of(
        [GenerationRow("ask", arm, "r1", 0, "no", 2, "eos", nll, 5, 1.0, residual, "safe")]
    )


def test_equal_texts_are_as_likely_as_the_format_says_twice() -> None:
    rows = [*text("axis/sham", 0.34, 9.0), *text(ARM, 0.36, 9.0)]
    assert not list(unequally_likely(Answers.of(rows), "bfloat16"))
    assert list(unequally_likely(Answers.of(rows), "float32"))
    rows[1] = next(iter(text(ARM, 0.45, 9.0)))
    assert list(unequally_likely(Answers.of(rows), "bfloat16"))


def test_norms_before_the_edit_are_as_near_as_the_format_gives_them_twice() -> None:
    first, near, far = (text(ARM, 0.3, residual) for residual in (9.0, 9.1, 9.3))
    assert not list(upstream_gaps([first, near], "bfloat16", of_norms=True))
    assert list(upstream_gaps([first, near], "float32", of_norms=True))
    assert list(upstream_gaps([first, far], "bfloat16", of_norms=True))
    assert not list(upstream_gaps([first, far], "bfloat16", of_norms=False))
