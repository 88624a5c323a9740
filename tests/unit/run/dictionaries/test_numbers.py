"""Tensors are read only as far as asked for, in every format that is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from safetycase.digest import hash_file
from safetycase.errors import RunFailed
from safetycase.run.dictionaries.numbers import (
    Constant,
    digest_finite,
    read_npz,
    read_safetensors,
)

ROWS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_numbers_of_every_format_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(ROWS).to(dtype)
    path = tmp_path / "a.safetensors"
    save_torch({"first": torch.zeros(3, dtype=dtype), "m": tensor}, path)
    expected = tensor.float().numpy()
    found = read_safetensors(path, where="here")["m"]
    assert found.shape == (7, 5)
    np.testing.assert_array_equal(found.whole(), expected)
    np.testing.assert_array_equal(found.rows([6, 0, 3]), expected[[6, 0, 3]])
    np.testing.assert_array_equal(found.columns([4, 1]), expected[:, [4, 1]])
    turned = found.turned()
    assert turned.shape == (5, 7)
    np.testing.assert_array_equal(turned.whole(), expected.T)
    np.testing.assert_array_equal(turned.rows([4, 1]), expected.T[[4, 1]])
    np.testing.assert_array_equal(turned.columns([6, 0]), expected.T[:, [6, 0]])
    assert turned.whole().dtype == found.rows([0]).dtype == np.float32
    assert digest_finite(path, name="x", where="here").sha256 == hash_file(path).sha256


def test_a_few_rows_do_not_cost_the_file(tmp_path: Path) -> None:
    """The file is cut off behind the row that is asked for, after its table was read."""
    path = tmp_path / "large.safetensors"
    save_file({"m": np.arange(40_000, dtype=np.float32).reshape(10_000, 4)}, path)
    numbers = read_safetensors(path, where="here")["m"]
    touched: list[int] = []
    original = np.memmap.__getitem__

    class Watched(np.memmap):
        def __getitem__(self, places: object) -> np.ndarray:
            touched.append(len(places) if isinstance(places, list) else -1)
            return original(self, places)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "memmap", Watched)
        np.testing.assert_array_equal(numbers.rows([9_999, 1])[:, 0], [39_996, 4])
    assert touched == [2]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_arrays(tmp_path: Path, save: object) -> None:
    path = tmp_path / "params.npz"
    save(path, W_enc=ROWS, b=ROWS[0].astype(np.float64))
    found = read_npz(path, where="here")
    assert (found["W_enc"].shape, found["b"].shape) == ((7, 5), (5,))
    np.testing.assert_array_equal(found["W_enc"].whole(), ROWS)
    np.testing.assert_array_equal(found["W_enc"].rows([5, 2]), ROWS[[5, 2]])
    np.testing.assert_array_equal(found["W_enc"].turned().rows([1]), ROWS.T[[1]])
    np.testing.assert_array_equal(found["b"].whole(), ROWS[0])
    assert digest_finite(path, name="x", where="here").sha256 == hash_file(path).sha256


def test_an_npz_with_objects_is_a_pickle_and_refused_unread(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("a pickle was opened",)

    path = tmp_path / "params.npz"
    np.savez(path, W_enc=np.array([Bomb()], dtype=object))
    with pytest.raises(RunFailed) as refused:
        read_npz(path, where="here")
    assert "pickles" in refused.value.expected


@pytest.mark.parametrize("name", ["params.npz", "params.safetensors"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not one", b"\x80\x04K\x01."])
def test_what_is_no_such_file_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    read = read_npz if name.endswith("npz") else read_safetensors
    with pytest.raises(RunFailed) as refused:
        read(path, where="here")
    assert refused.value.where == "here"


@pytest.mark.parametrize("name", ["params.npz", "params.safetensors"])
def test_whole_numbers_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, w=np.arange(3))
    else:
        save_file({"w": np.arange(3)}, path)
    read = read_npz if name.endswith("npz") else read_safetensors
    with pytest.raises(RunFailed) as refused:
        read(path, where="here")
    assert refused.value.where == "here w"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["params.npz", "params.safetensors"])
def test_nan_and_infinity_are_refused_on_the_one_read(
    tmp_path: Path, name: str, bad: float
) -> None:
    path, wrong = tmp_path / name, ROWS.copy()
    wrong[6, 4] = bad
    if name.endswith("npz"):
        np.savez(path, a=ROWS, w=wrong)
    else:
        save_file({"a": ROWS, "w": wrong}, path)
    with pytest.raises(RunFailed) as refused:
        digest_finite(path, name="x", where="here")
    assert refused.value.where == "here w"


def test_nan_in_half_precision_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_torch({"w": torch.tensor([1.0, float("nan")], dtype=torch.bfloat16)}, path)
    with pytest.raises(RunFailed):
        digest_finite(path, name="x", where="here")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_views_read_the_same_whole_or_in_part(tmp_path: Path, dtype: torch.dtype) -> None:
    cube = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    save_torch({"cube": cube, "flat": cube[:, 0].clone()}, tmp_path / "t.safetensors")
    held = read_safetensors(tmp_path / "t.safetensors", where="d")
    wide = cube.float().numpy()
    views = {
        "a plane": (held["cube"].plane(2), wide[:, 2]),
        "a plane turned": (held["cube"].plane(1).turned(), wide[:, 1].T),
        "scaled": (held["flat"].scaled(2.5), wide[:, 0] * np.float32(2.5)),
        "scaled and turned": (held["flat"].turned().scaled(0.5), wide[:, 0].T / 2),
        "exponentials": (held["flat"].exponentials(), np.exp(wide[:, 0])),
    }
    for name, (numbers, expected) in views.items():
        assert numbers.shape == expected.shape, name
        np.testing.assert_array_equal(numbers.whole(), expected, err_msg=name)
        np.testing.assert_array_equal(numbers.rows([3, 0]), expected[[3, 0]], err_msg=name)
        np.testing.assert_array_equal(
            numbers.columns([2, 1]), expected[:, [2, 1]], err_msg=name
        )
    with pytest.raises(TypeError):
        held["flat"].plane(0).whole()


def test_a_constant_is_one_number() -> None:
    one = Constant("threshold", 0.25)
    assert (one.shape, one.dtype) == ((), "F32")
    assert one.whole() == np.float32(0.25)
    for part in (one.rows, one.columns):
        with pytest.raises(TypeError):
            part([0])
