"""Arrays in and out of safetensors bytes, without the safetensors library.

Evidence holds activations, audit traces and dictionary slices. Reading is strict: the table is
strict JSON, ranges cover the data exactly, values of BOOL are 0 or 1. Writing has one spelling:
names in code point order, no free metadata, the table padded with spaces to eight bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from safetycase import canonical
from safetycase.digest import TensorSpec, read_tensor_table, tensor_table_bytes
from safetycase.errors import MalformedInput

_DTYPES = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH_BYTES = 8

Array = NDArray[np.generic]


def read_tensors(data: bytes, *, where: str) -> dict[str, Array]:
    """The arrays of a safetensors file by name, as read-only views of its bytes.

    F32, F64, I32, I64, U8 and BOOL, little-endian; other dtypes, free metadata, holes and
    overlaps are refused. NaN and infinity are not: what they mean is for the reader of the
    evidence to say.
    """
    table_bytes = tensor_table_bytes(data, len(data), where=where)
    start = _LENGTH_BYTES + table_bytes
    table = data[_LENGTH_BYTES:start]
    specs, metadata = read_tensor_table(table, len(data) - start, where=where)
    if metadata:
        raise MalformedInput(where, "no free metadata", found=ascii(min(metadata)))
    return {spec.name: _array(data, start, spec, where) for spec in specs}


def write_tensors(tensors: Mapping[str, Array]) -> bytes:
    """The one spelling of these arrays, readable by any safetensors library.

    Dtypes as in `read_tensors`; arrays are stored in C order.
    """
    names = sorted(tensors)
    arrays = [_storable(name, tensors[name]) for name in names]
    ends = list(accumulate(array.nbytes for array in arrays))
    table = canonical.write(
        {
            name: {
                "dtype": _NAMES[array.dtype],
                "shape": array.shape,
                "data_offsets": (end - array.nbytes, end),
            }
            for name, array, end in zip(names, arrays, ends, strict=True)
        }
    )
    table += b" " * (-len(table) % _LENGTH_BYTES)
    length = len(table).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, table, *(array.tobytes() for array in arrays)))


def _array(data: bytes, start: int, spec: TensorSpec, where: str) -> Array:
    if spec.dtype not in _DTYPES:
        found = f"{spec.dtype} in {spec.name[:80]!a}"
        raise MalformedInput(where, f"a dtype of {', '.join(_DTYPES)}", found=found)
    raw = data[start + spec.begin : start + spec.end]
    if spec.dtype == "BOOL" and raw.strip(b"\x00\x01"):
        raise MalformedInput(where, "booleans of 0 or 1", found=ascii(spec.name[:80]))
    return np.frombuffer(raw, dtype=_DTYPES[spec.dtype]).reshape(spec.shape)


def _storable(name: str, array: Array) -> Array:
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if name == "__metadata__" or little.dtype not in _NAMES:
        found = f"{little.dtype} in {name[:80]!a}"
        raise MalformedInput("tensors", f"a dtype of {', '.join(_DTYPES)}", found=found)
    return little
