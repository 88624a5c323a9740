"""Every family encodes, decodes and splices as an independent computation does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from safetycase.methods.equations import has_skip, kind_of
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.registry import FAMILY_OF
from safetycase.run.edit import ArmEdit
from safetycase.run.prompts import encode
from safetycase.run.sites import on_read, on_write
from tests.unit.run.dictionaries.made import DEPTH, LAYER, MAKERS, WIDTH, Made
from tests.unit.run.dictionaries.made_layers import MAKERS as LAYERED
from tests.unit.run.dictionaries.reference import reference_of
from tests.unit.run.tiny_world import Tiny, load_dictionary

NAMES = sorted(MAKERS)
RELATIVE = 1e-5


def made(name: str, folder: Path) -> tuple[str, Made, Dictionary]:
    equation, maker = MAKERS[name]
    written = maker(folder)
    return equation, written, load_dictionary(folder, **written.stated)


def inputs(count: int = 40) -> np.ndarray:
    return (2 * np.random.default_rng(5).normal(size=(count, DEPTH))).astype(np.float32)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()


def test_every_equation_has_a_golden() -> None:
    assert (
        {equation for equation, _ in (MAKERS | LAYERED).values()}
        == set(FAMILY_OF)
        == set(get_args(Equation))
    )


@pytest.mark.parametrize("name", NAMES)
def test_encode(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    x = inputs()
    expected = reference_of(equation).encode(written.arrays, written.config, x)
    assert 0.02 < (expected != 0).mean() < 0.98
    found = dictionary.encode(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(found != 0, expected != 0)
    assert_close(found, expected)
    chosen = [3, 0, WIDTH - 1, 20]
    fresh = load_dictionary(tmp_path, **written.stated)
    assert_close(fresh.encode_chosen(torch.from_numpy(x), chosen).numpy(), expected[:, chosen])
    assert_close(
        dictionary.encode_chosen(torch.from_numpy(x), chosen).numpy(), expected[:, chosen]
    )


@pytest.mark.parametrize("name", NAMES)
def test_decode(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    reference, x = reference_of(equation), inputs()
    f = reference.encode(written.arrays, written.config, x)
    expected = reference.decode(written.arrays, written.config, f, x)
    given = torch.from_numpy(f.astype(np.float32)), torch.from_numpy(x)
    assert_close(dictionary.decode(*given).numpy(), expected)
    assert_close(dictionary.reconstruct(given[1]).numpy(), expected)
    y = torch.from_numpy(inputs()[::-1].copy())
    assert_close(dictionary.error(given[1], y).numpy(), y.numpy() - expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_row_is_what_one_unit_adds(name: str, tmp_path: Path) -> None:
    """Told by the reference alone: decode with one feature one higher, minus decode."""
    equation, written, dictionary = made(name, tmp_path)
    reference, x = reference_of(equation), inputs(3)
    chosen = [WIDTH - 1, 2, 30]
    rows = dictionary.decoder_rows(chosen)
    assert rows.dtype == np.float32
    f = reference.encode(written.arrays, written.config, x)
    base = reference.decode(written.arrays, written.config, f, x)
    for row, feature in zip(rows, chosen, strict=True):
        higher = f.copy()
        higher[:, feature] += 1
        added = reference.decode(written.arrays, written.config, higher, x) - base
        lengths = np.linalg.norm(added, axis=1, keepdims=True)
        unit = added / lengths
        np.testing.assert_allclose(np.tile(row / np.linalg.norm(row), (3, 1)), unit, atol=1e-5)
    dictionary.reconstruct(torch.from_numpy(x))  # now the whole decoder is in memory
    np.testing.assert_array_equal(dictionary.decoder_rows(chosen), rows)


@pytest.mark.parametrize("name", NAMES)
def test_splice(name: str, tiny: Tiny, tmp_path: Path) -> None:
    """The model with the dictionary in it, against a model that a plain hook fills."""
    equation, written, dictionary = made(name, tmp_path)
    reference = reference_of(equation)
    assert dictionary.reads == Place(LAYER, written.site)
    expected_site = "mlp_out" if kind_of(dictionary.equation) == "transcoder" else written.site
    assert dictionary.writes == Place(LAYER, expected_site)
    prompt = encode(tiny.model, "the audit comes and the panel . do i make soup ?", where="t")
    arm = ArmEdit("replaced", dictionary.writes, None, dictionary.id)
    run = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    held: list[np.ndarray] = []

    def fill(y: torch.Tensor) -> torch.Tensor:
        x = held[-1][0]
        f = reference.encode(written.arrays, written.config, x)
        filled = y.clone()
        made_of_x = reference.decode(written.arrays, written.config, f, x)
        filled[0, 1:] = torch.from_numpy(made_of_x[1:].astype(np.float32))
        return filled

    with ExitStack() as stack:
        read = on_read(tiny.model, dictionary.reads, lambda x: held.append(x.numpy().copy()))
        stack.callback(read.remove)
        for hook in on_write(tiny.model, dictionary.writes, fill):
            stack.callback(hook.remove)
        ids = torch.tensor([prompt.ids])
        expected = tiny.model.network(input_ids=ids).logits[0, -1].numpy()
    with run.editing():
        found = run.prefill(use_cache=False)[0].numpy()
    assert_close(found, expected)
    plain = tiny.model.network(input_ids=ids).logits[0, -1].numpy()
    assert np.abs(found - plain).max() > 1e-2 * np.abs(plain).max()
    [realised] = run.realised()
    assert realised.edits == len(prompt) - 1


@pytest.mark.parametrize(
    "name", [name for name in NAMES if has_skip(MAKERS[name][0])] or ["none"]
)
def test_a_skip_term_is_part_of_what_is_made(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    x = torch.from_numpy(inputs())
    turned = dictionary.transposed_skip().reconstruct(x)
    assert not torch.allclose(turned, dictionary.reconstruct(x), rtol=0.1)
    silent = torch.zeros(len(x), WIDTH)
    zero = torch.zeros_like(x)
    skip = dictionary.decode(silent, x) - dictionary.decode(silent, zero)
    reference = reference_of(equation)
    parts = [
        reference.decode(written.arrays, written.config, silent.numpy(), each.numpy())
        for each in (x, zero)
    ]
    assert_close(skip.numpy(), parts[0] - parts[1])
