"""The identity of tensors in safetensors files, one streaming read a file.

Knows the layout of a safetensors file and nothing of what the numbers mean; arrays are read in
`safetycase.bundle.tensors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetycase import canonical
from safetycase.digest.files import FileDigest, open_unchanged, read_chunks
from safetycase.digest.merkle import LEAF_TAG, root
from safetycase.errors import MalformedInput, TooLarge

MAX_TABLE_BYTES = 100_000_000
DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip

_LENGTH_BYTES = 8
_MAX_DIMENSIONS = 32


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's name, dtype and shape, and its byte range after the table."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def leaf_prefix(self) -> bytes:
        """What precedes the raw bytes under the leaf hash; a JSON object ends itself."""
        described = {"name": self.name, "dtype": self.dtype, "shape": self.shape}
        return LEAF_TAG + canonical.write(described)


@dataclass(frozen=True, slots=True)
class HashedTensors:
    """One safetensors file: its digest and, by tensor name, the leaf of each tensor."""

    file: FileDigest
    leaves: dict[str, bytes]


def read_tensor_table(
    table: bytes, data_bytes: int, *, where: str
) -> tuple[tuple[TensorSpec, ...], dict[str, str]]:
    """The tensors of a safetensors table in order of their bytes, and its free metadata.

    The ranges must cover the data from 0 to `data_bytes` with no hole and no overlap, and each
    must be as long as its dtype and shape say. Sub-byte dtypes are refused.
    Format: https://github.com/huggingface/safetensors#format
    """
    limits = canonical.JsonLimits(max_bytes=MAX_TABLE_BYTES, max_depth=3)
    fields = canonical.read(table, where=where, limits=limits)
    entries = dict(canonical.as_object(fields, where=where, optional=None))
    metadata = canonical.as_object(
        entries.pop("__metadata__", {}), where=f"{where}#/__metadata__", optional=None
    )
    specs = [_tensor_spec(name, entry, where) for name, entry in entries.items()]
    specs.sort(key=lambda spec: (spec.begin, spec.end, spec.name))
    reached = 0
    for spec in specs:
        if spec.begin != reached:
            found = f"{spec.name} at {spec.begin}"
            raise MalformedInput(where, f"the next tensor at byte {reached}", found=found)
        reached = spec.end
    if reached != data_bytes:
        raise MalformedInput(where, f"{reached} bytes of tensors", found=str(data_bytes))
    texts = {k: canonical.as_text(v, where=f"{where}#/{k}") for k, v in metadata.items()}
    return tuple(specs), texts


def hash_tensors(path: Path, *, name: str | None = None) -> HashedTensors:
    """Digest a safetensors file and each of its tensors in one read of the file."""
    leaves = _Leaves()
    digest = stream_tensors(path, leaves.add, name=name)
    return HashedTensors(digest, leaves.digests())


def stream_tensors(
    path: Path, see: Callable[[TensorSpec, bytes], None], *, name: str | None = None
) -> FileDigest:
    """Digest a safetensors file in one read, in which `see` gets every tensor's bytes in turn.

    One without bytes comes as one empty piece.
    """
    whole = hashlib.sha256()
    with open_unchanged(path) as (file, size):
        table, specs = _read_table(file, size, str(path))
        whole.update(table)
        for spec, piece in _pieces(file, specs, str(path)):
            whole.update(piece)
            see(spec, piece)
    return FileDigest(name or path.name, size, whole.hexdigest())


class _Leaves:
    """The leaf of every tensor whose bytes went by."""

    def __init__(self) -> None:
        self._hashers: dict[str, Any] = {}

    def add(self, spec: TensorSpec, piece: bytes) -> None:
        """The next bytes of a tensor."""
        if spec.name not in self._hashers:
            self._hashers[spec.name] = hashlib.sha256(spec.leaf_prefix())
        self._hashers[spec.name].update(piece)

    def digests(self) -> dict[str, bytes]:
        """The leaves by name of the tensor."""
        return {name: hasher.digest() for name, hasher in self._hashers.items()}


def _pieces(
    file: BinaryIO, specs: Iterable[TensorSpec], where: str
) -> Iterator[tuple[TensorSpec, bytes]]:
    for spec in specs:
        if spec.begin == spec.end:
            yield spec, b""
        for piece in read_chunks(file, spec.end - spec.begin, where):
            yield spec, piece


def tensor_table(path: Path) -> tuple[int, tuple[TensorSpec, ...]]:
    """The byte at which the tensors of a safetensors file begin, and its table."""
    with open_unchanged(path) as (file, size):
        table, specs = _read_table(file, size, str(path))
    return len(table), specs


def _read_table(file: BinaryIO, size: int, where: str) -> tuple[bytes, tuple[TensorSpec, ...]]:
    """The bytes before the tensors, and what they say; the file stands at the first tensor."""
    prefix = b"".join(read_chunks(file, min(size, _LENGTH_BYTES), where))
    table_bytes = tensor_table_bytes(prefix, size, where=where)
    table = b"".join(read_chunks(file, table_bytes, where))
    specs, _ = read_tensor_table(table, size - _LENGTH_BYTES - table_bytes, where=where)
    return prefix + table, specs


def tensor_table_bytes(data: bytes, size: int, *, where: str) -> int:
    """The length of the table of a safetensors file of `size` bytes, from its first eight."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if size < _LENGTH_BYTES or length > size - _LENGTH_BYTES:
        raise MalformedInput(
            where, "a safetensors table inside the file", found=f"{size} bytes"
        )
    if length > MAX_TABLE_BYTES:
        raise TooLarge(where, f"a table of at most {MAX_TABLE_BYTES} bytes")
    return length


def tensor_root(*paths: Path) -> str:
    """The identity of a set of tensors, however they are spread over safetensors files.

    RFC 6962 root over SHA-256(0x00 || RFC 8785 {dtype, name, shape} || raw bytes) in code
    point order of names. Free metadata and file names do not enter; a name that occurs in two
    files is refused.
    """
    leaves: dict[str, bytes] = {}
    for path in paths:
        found = _leaves_of(path)
        twice = sorted(found.keys() & leaves.keys())
        if twice:
            raise MalformedInput(path.name, "every tensor once", found=f"{twice[0]} twice")
        leaves |= found
    if not leaves:
        raise MalformedInput("tensors", "at least one tensor")
    return root(leaves[name] for name in sorted(leaves)).hex()


def _leaves_of(path: Path) -> dict[str, bytes]:
    """The leaves of a file's tensors, without the file's digest, which is half the work."""
    leaves = _Leaves()
    with open_unchanged(path) as (file, size):
        _, specs = _read_table(file, size, str(path))
        for spec, piece in _pieces(file, specs, str(path)):
            leaves.add(spec, piece)
    return leaves.digests()


def _tensor_spec(name: str, entry: canonical.JsonValue, where: str) -> TensorSpec:
    place = f"{where}#/{name}"
    fields = canonical.as_object(
        entry, where=place, required=("dtype", "shape", "data_offsets")
    )
    dtype = canonical.as_text(fields["dtype"], where=f"{place}/dtype")
    shape = _counts(fields["shape"], f"{place}/shape", _MAX_DIMENSIONS)
    offsets = _counts(fields["data_offsets"], f"{place}/data_offsets", 2)
    if dtype not in DTYPE_BYTES:
        raise MalformedInput(place, f"a dtype of {', '.join(DTYPE_BYTES)}", found=dtype)
    if len(offsets) != 2 or offsets[1] - offsets[0] != prod(shape) * DTYPE_BYTES[dtype]:
        raise MalformedInput(place, "offsets as far apart as dtype and shape say")
    return TensorSpec(name, dtype, shape, offsets[0], offsets[1])


def _counts(value: canonical.JsonValue, where: str, max_items: int) -> tuple[int, ...]:
    items = canonical.as_array(value, where=where, max_items=max_items)
    return tuple(canonical.as_count(item, where=where) for item in items)
