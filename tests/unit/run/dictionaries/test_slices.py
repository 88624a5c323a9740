"""Of every family, slices alone give the activations that an independent code gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from safetycase.errors import MalformedInput
from safetycase.methods.encode import (
    activation_of,
    recomputed,
    require_one_block,
    slice_names,
)
from tests.unit.run.dictionaries.made import MAKERS, WIDTH
from tests.unit.run.dictionaries.reference import reference_of
from tests.unit.run.dictionaries.test_golden import NAMES, inputs
from tests.unit.run.tiny_world import load_dictionary

FEATURES = [3, 0, WIDTH - 1, 20, 7]
COMPARING = {"top_k", "top_k_signed", "group_max"}


@pytest.mark.parametrize("name", NAMES)
def test_slices_give_the_activations(name: str, tmp_path: Path) -> None:
    equation, maker = MAKERS[name]
    written = maker(tmp_path)
    dictionary = load_dictionary(tmp_path, **written.stated)
    assert activation_of(dictionary.equation) == dictionary.specification.form.activation
    x = inputs()
    expected = reference_of(equation).encode(written.arrays, written.config, x)[:, FEATURES]
    parts = dictionary.slices(FEATURES)
    wanted = {part: dtype for part, dtype, _ in slice_names(dictionary.equation)}
    assert {part: parts[part].dtype.str for part in wanted} == wanted
    again = recomputed(dictionary.equation, parts.__getitem__, x)
    assert (again.gaps(expected) <= 1e-5 * np.abs(expected).max()).all()
    assert (again.error < 0.01).all()
    if activation_of(dictionary.equation) in COMPARING:
        assert not again.sure.any()  # which of the features were the largest, no slice tells
    else:
        assert again.sure.mean() > 0.99
        np.testing.assert_array_equal(again.exact != 0, expected != 0)
    wrong = np.where(expected != 0, 1.1 * expected, 0.0)
    assert (again.gaps(wrong) > again.error)[expected != 0].all()


def test_an_activation_at_its_threshold_may_be_on_either_side() -> None:
    parts = {
        "w_enc": np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32),
        "bias": np.zeros(2, dtype=np.float32),
        "scale": np.ones(2, dtype=np.float32),
        "shift": np.zeros(2, dtype=np.float32),
        "threshold": np.array([1.0, 1.0], dtype=np.float32),
        "normalisation": np.zeros(1, dtype=np.int64),
    }
    x = np.array([[1.0 + 2.0**-23, 1.1]], dtype=np.float32)
    again = recomputed("jumprelu.gs2", parts.__getitem__, x)
    assert again.at_threshold.tolist() == [[True, False]]
    for stated, agrees in (
        ((1.0, 1.1), True),
        ((0.0, 1.1), True),
        ((0.5, 1.1), False),
        ((1.0, 0.0), False),
    ):
        gaps = again.gaps(np.array([stated], dtype=np.float32))
        assert bool((gaps <= again.error).all()) is agrees


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("shift", np.ones(2, dtype=np.float32)),
        ("scale", np.full(1, 2.0, dtype=np.float32)),
        ("normalisation", np.ones(1, dtype=np.int64)),
        ("normalisation", np.full(1, 7, dtype=np.int64)),
    ],
)
def test_slices_have_no_part_that_their_family_lacks(part: str, value: np.ndarray) -> None:
    parts = {
        "w_enc": np.ones((1, 2), dtype=np.float32),
        "bias": np.zeros(1, dtype=np.float32),
        "scale": np.ones(1, dtype=np.float32),
        "shift": np.zeros(2, dtype=np.float32),
        "threshold": np.zeros(1, dtype=np.float32),
        "normalisation": np.zeros(1, dtype=np.int64),
    }
    x = np.ones((1, 2), dtype=np.float32)
    assert recomputed("jumprelu.gs1", parts.__getitem__, x).exact == 2.0
    with pytest.raises(MalformedInput):
        recomputed("jumprelu.gs1", (parts | {part: value}).__getitem__, x)


def _rows(*blocks: list[float]) -> np.ndarray:
    return np.array([[value for block in blocks for value in block]], dtype=np.float32)


NOTHING, SOMETHING = [0.0, 0.0], [1.0, 0.0]


@pytest.mark.parametrize(
    ("w_enc", "w_dec", "is_right"),
    [
        (_rows(NOTHING, SOMETHING, NOTHING), _rows(NOTHING, SOMETHING, SOMETHING), True),
        (_rows(NOTHING, SOMETHING, NOTHING), _rows(NOTHING, NOTHING, SOMETHING), True),
        (_rows(NOTHING, NOTHING, SOMETHING), _rows(NOTHING, NOTHING, SOMETHING), True),
        (_rows(NOTHING, SOMETHING, NOTHING), _rows(SOMETHING, SOMETHING, NOTHING), False),
        (_rows(SOMETHING, SOMETHING, NOTHING), _rows(NOTHING, SOMETHING, NOTHING), False),
        (_rows(NOTHING, NOTHING, NOTHING), _rows(NOTHING, SOMETHING, NOTHING), False),
    ],
)
def test_slices_of_several_blocks_are_of_features_that_read_one(
    w_enc: np.ndarray, w_dec: np.ndarray, is_right: bool
) -> None:
    none = np.zeros((0, 6), dtype=np.float32)
    require_one_block(none, none, 3, where="here")
    if is_right:
        require_one_block(w_enc, w_dec, 3, where="here")
        return
    with pytest.raises(MalformedInput) as caught:
        require_one_block(w_enc, w_dec, 3, where="here")
    assert caught.value.where == "here"
