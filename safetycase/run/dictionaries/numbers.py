"""The numbers of a dictionary's files: tables read first, values only as far as asked for.

Safetensors files are mapped, so that a few rows of a large matrix cost a few rows; npz files
are read array by array, never unpickled. Everything is given as float32, the format in which
dictionaries are computed here.
"""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from typing_extensions import override

from safetycase.digest import (
    FileDigest,
    TensorSpec,
    hash_file,
    stream_tensors,
    tensor_table,
)
from safetycase.errors import RunFailed, SafetyCaseError

_RAW = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Numbers(ABC):
    """A tensor of a file, of known shape, whose values are read when they are asked for."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: str) -> None:
        """Keep what the table says of it."""
        self.name, self.shape, self.dtype = name, shape, dtype

    @abstractmethod
    def whole(self) -> np.ndarray:
        """All values, float32."""

    @abstractmethod
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        """Values at these places of the first axis, float32."""

    @abstractmethod
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        """Values at these places of the second axis, float32."""

    def plane(self, index: int) -> Numbers:
        """The matrix [first axis, last axis] at a place of the second of three axes."""
        raise TypeError(f"{self.name}: no plane {index}")

    def turned(self) -> Numbers:
        """The same matrix with rows and columns exchanged; nothing is read for it."""
        return _Turned(self)

    def scaled(self, factor: float) -> Numbers:
        """The same numbers times a factor."""
        return _Elementwise(self, lambda values: values * np.float32(factor))

    def exponentials(self) -> Numbers:
        """The exponential of the same numbers."""
        return _Elementwise(self, np.exp)


class Constant(Numbers):
    """One number that a configuration states, where others have one for each feature."""

    def __init__(self, name: str, value: float) -> None:
        """Nothing is read for it."""
        super().__init__(name, (), "F32")
        self._value = np.array(value, dtype=np.float32)

    @override
    def whole(self) -> np.ndarray:
        return self._value

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        raise TypeError(self.name)

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        raise TypeError(self.name)


class _Elementwise(Numbers):
    """What a function makes of each number of a tensor."""

    def __init__(self, inner: Numbers, change: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(inner.name, inner.shape, inner.dtype)
        self._inner, self._change = inner, change

    @override
    def whole(self) -> np.ndarray:
        return self._change(self._inner.whole())

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        return self._change(self._inner.rows(indices))

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        return self._change(self._inner.columns(indices))


class _Turned(Numbers):
    def __init__(self, inner: Numbers) -> None:
        super().__init__(inner.name, inner.shape[::-1], inner.dtype)
        self._inner = inner

    @override
    def whole(self) -> np.ndarray:
        return self._inner.whole().T

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        return self._inner.columns(indices).T

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        return self._inner.rows(indices).T


class _Mapped(Numbers):
    """A tensor of a safetensors file, through a memory map."""

    def __init__(self, path: Path, start: int, spec: TensorSpec) -> None:
        super().__init__(spec.name, spec.shape, spec.dtype)
        self._path, self._offset = path, start + spec.begin

    def mapped(self) -> np.ndarray:
        """The raw values, read as far as they are looked at."""
        raw = np.dtype(_RAW[self.dtype])
        return np.memmap(self._path, raw, "r", offset=self._offset, shape=self.shape)

    @override
    def whole(self) -> np.ndarray:
        return _float32(self.mapped(), self.dtype)

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        return _float32(self.mapped()[list(indices)], self.dtype)

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        return _float32(self.mapped()[:, list(indices)], self.dtype)

    @override
    def plane(self, index: int) -> Numbers:
        return _Plane(self, index) if len(self.shape) == 3 else super().plane(index)


class _Plane(Numbers):
    """A matrix of a tensor of three axes, through the same map."""

    def __init__(self, inner: _Mapped, index: int) -> None:
        super().__init__(inner.name, (inner.shape[0], inner.shape[2]), inner.dtype)
        self._inner, self._index = inner, index

    @override
    def whole(self) -> np.ndarray:
        return _float32(self._inner.mapped()[:, self._index], self.dtype)

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        return _float32(self._inner.mapped()[list(indices), self._index], self.dtype)

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        return _float32(self._inner.mapped()[:, self._index, list(indices)], self.dtype)


class _Archived(Numbers):
    """An array of an npz file; a part of it costs the whole."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
        super().__init__(name, shape, dtype)
        self._path = path

    @override
    def whole(self) -> np.ndarray:
        with np.load(self._path, allow_pickle=False) as archive:
            return np.asarray(archive[self.name], dtype=np.float32)

    @override
    def rows(self, indices: Sequence[int]) -> np.ndarray:
        return self.whole()[list(indices)]

    @override
    def columns(self, indices: Sequence[int]) -> np.ndarray:
        return self.whole()[:, list(indices)]


def _float32(raw: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return np.array(raw, dtype=np.float32)


def read_safetensors(path: Path, *, where: str) -> dict[str, Numbers]:
    """The tensors of a safetensors file by name; only its table is read.

    Refused: what is no such file, and tensors that are not of a floating-point format.
    """
    try:
        start, specs = tensor_table(path)
    except SafetyCaseError as error:
        raise RunFailed(where, "a safetensors file", found=str(error)) from None
    for spec in specs:
        if spec.dtype not in _RAW:
            expected = f"a dtype of {', '.join(_RAW)}"
            raise RunFailed(f"{where} {spec.name}", expected, found=spec.dtype)
    return {spec.name: _Mapped(path, start, spec) for spec in specs}


def read_npz(path: Path, *, where: str) -> dict[str, Numbers]:
    """The arrays of an npz file by name; only their headers are read.

    Refused: what is no such file, objects (they would have to be unpickled) and arrays that are
    not of a floating-point format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = dict(_headers(archive))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RunFailed(where, "an npz file", found=str(error)) from None
    for name, (_, dtype) in headers.items():
        if dtype.hasobject:
            expected = "arrays of numbers (objects are pickles, which are never opened)"
            raise RunFailed(f"{where} {name}", expected, found=str(dtype))
        if dtype.kind != "f":
            raise RunFailed(f"{where} {name}", "floating-point numbers", found=str(dtype))
    return {
        name: _Archived(path, name, shape, str(dtype))
        for name, (shape, dtype) in headers.items()
    }


def _headers(
    archive: zipfile.ZipFile,
) -> Iterator[tuple[str, tuple[tuple[int, ...], np.dtype]]]:
    for entry in archive.namelist():
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
        yield entry.removesuffix(".npy"), (shape, dtype)


def digest_finite(path: Path, *, name: str, where: str) -> FileDigest:
    """Digest a file of numbers in one read; NaN and infinity in it are refused."""
    if path.suffix == ".npz":
        for key, numbers in read_npz(path, where=where).items():
            _require_finite(numbers.whole(), f"{where} {key}")
        return hash_file(path, name=name)
    left: dict[str, bytes] = {}

    def see(spec: TensorSpec, piece: bytes) -> None:
        raw = np.dtype(_RAW[spec.dtype])
        data = left.pop(spec.name, b"") + piece
        whole = len(data) - len(data) % raw.itemsize
        left[spec.name] = data[whole:]
        values = np.frombuffer(data[:whole], raw)
        _require_finite(_float32(values, spec.dtype), f"{where} {spec.name}")

    read_safetensors(path, where=where)
    return stream_tensors(path, see, name=name)


def _require_finite(values: np.ndarray, where: str) -> None:
    if not np.isfinite(values).all():
        raise RunFailed(
            where,
            "finite numbers",
            found="NaN or infinity",
            remedy="The file is damaged, or was written by a training that went wrong.",
        )
