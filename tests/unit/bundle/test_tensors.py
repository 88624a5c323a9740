from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from safetycase.bundle.tensors import read_tensors, write_tensors
from safetycase.errors import MalformedInput, SafetyCaseError

EVERY = {
    "z": np.array([[1.5, -0.0], [np.inf, np.nan]], dtype=np.float32),
    "a": np.arange(3, dtype=np.float64),
    "i": np.array([-1, 2**31 - 1], dtype=np.int32),
    "l": np.array(-(2**63), dtype=np.int64),
    "u": np.zeros((0, 4), dtype=np.uint8),
    "b": np.array([True, False, True]),
}


def test_every_dtype_goes_both_ways_bit_for_bit() -> None:
    data = write_tensors(EVERY)
    found = read_tensors(data, where="x")
    assert list(found) == sorted(found, key=list(found).index)
    assert found.keys() == EVERY.keys()
    for name, array in EVERY.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert not found[name].flags.writeable


def test_the_safetensors_library_reads_what_we_write_and_we_read_what_it_writes() -> None:
    theirs = safetensors.numpy.load(write_tensors(EVERY))
    ours = read_tensors(safetensors.numpy.save(EVERY), where="x")
    for name, array in EVERY.items():
        assert theirs[name].tobytes() == ours[name].tobytes() == array.tobytes()
        assert theirs[name].shape == ours[name].shape == array.shape


def test_one_spelling_whatever_the_order_and_memory_layout() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = write_tensors({"b": array, "a": array})
    swapped = np.asfortranarray(array).astype(">f4")
    assert write_tensors({"a": swapped, "b": array}) == first
    assert len(first) % 8 == 0


def test_no_tensors_at_all() -> None:
    assert read_tensors(write_tensors({}), where="x") == {}


@pytest.mark.parametrize("dtype", ["f2", "c8", "i1", "u4", "O", "U3"])
def test_other_dtypes_are_not_written(dtype: str) -> None:
    with pytest.raises(MalformedInput, match="a dtype of"):
        write_tensors({"a": np.zeros(2, dtype=dtype)})


def test_the_reserved_name_is_not_written() -> None:
    with pytest.raises(MalformedInput):
        write_tensors({"__metadata__": EVERY["a"]})


def raw(table: dict[str, object], data: bytes) -> bytes:
    encoded = json.dumps(table).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, "booleans of 0 or 1"),
        ({"a": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}}, "a dtype of"),
        (
            {
                "__metadata__": {"format": "pt"},
                "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
            },
            "no free metadata",
        ),
        ({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}, "2 bytes of tensors"),
    ],
)
def test_what_evidence_may_not_hold_is_refused(table: dict[str, object], expected: str) -> None:
    with pytest.raises(MalformedInput, match=expected):
        read_tensors(raw(table, b"\x02"), where="x")


@given(st.data())
def test_any_changed_byte_gives_arrays_or_our_refusal(data: st.DataObject) -> None:
    whole = bytearray(write_tensors(EVERY))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read_tensors(bytes(whole), where="x")
    except SafetyCaseError:
        return
    assert sum(array.nbytes for array in found.values()) == sum(
        a.nbytes for a in EVERY.values()
    )
