from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from safetycase import digest
from safetycase.digest.tensors import DTYPE_BYTES
from safetycase.errors import MalformedInput, SafetyCaseError, TooLarge

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.array([True, False])


def raw(table: object, data: bytes) -> bytes:
    encoded = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def test_root_is_the_published_formula_and_survives_resharding(tmp_path: Path) -> None:
    save_file({"b": B, "a": A}, tmp_path / "one", metadata={"format": "pt"})
    save_file({"a": A}, tmp_path / "a")
    save_file({"b": B}, tmp_path / "b")
    leaf_a = hashlib.sha256(b'\x00{"dtype":"F32","name":"a","shape":[2,3]}' + A.tobytes())
    leaf_b = hashlib.sha256(b'\x00{"dtype":"BOOL","name":"b","shape":[2]}' + B.tobytes())
    expected = hashlib.sha256(b"\x01" + leaf_a.digest() + leaf_b.digest()).hexdigest()
    assert digest.tensor_root(tmp_path / "one") == expected
    assert digest.tensor_root(tmp_path / "b", tmp_path / "a") == expected


def test_one_read_gives_the_file_digest_too(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"w": np.ones(700_000)}, path)
    assert digest.hash_tensors(path).file == digest.hash_file(path)


@pytest.mark.parametrize(
    "changed",
    [{"a": A + 1}, {"c": A}, {"a": A.reshape(3, 2)}, {"a": A.view(np.int32)}, {"a": A[:1]}],
)
def test_any_change_of_a_tensor_changes_the_root(
    tmp_path: Path, changed: dict[str, np.ndarray]
) -> None:
    save_file({"a": A}, tmp_path / "old")
    save_file(changed, tmp_path / "new")
    assert digest.tensor_root(tmp_path / "old") != digest.tensor_root(tmp_path / "new")


def test_a_name_in_two_shards_is_refused(tmp_path: Path) -> None:
    save_file({"a": A}, tmp_path / "x")
    save_file({"a": B}, tmp_path / "y")
    with pytest.raises(MalformedInput, match="a twice"):
        digest.tensor_root(tmp_path / "x", tmp_path / "y")


def entry(begin: int, end: int, **other: object) -> dict[str, object]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end], **other}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "a safetensors table inside the file"),
        (b"\x00" * 7, "a safetensors table inside the file"),
        (b"\xff" * 8 + b"{}", "a safetensors table inside the file"),
        (raw({}, b""), "at least one tensor"),
        (raw({}, b"x"), "0 bytes of tensors"),
        (raw({"a": entry(0, 2)}, b"xxx"), "2 bytes of tensors"),
        (raw({"a": entry(0, 2)}, b"x"), "2 bytes of tensors"),
        (raw({"a": entry(0, 2), "b": entry(1, 3)}, b"xxx"), "the next tensor at byte 2"),
        (raw({"a": entry(0, 1), "b": entry(2, 3)}, b"xxx"), "the next tensor at byte 1"),
        (raw({"a": entry(1, 3)}, b"xxx"), "the next tensor at byte 0"),
        (raw({"a": entry(0, 2, shape=[3])}, b"xx"), "offsets as far apart"),
        (raw({"a": entry(0, 2, data_offsets=[0, 2, 3])}, b"xx"), "at most 2 items"),
        (raw({"a": entry(0, 2, data_offsets=[2])}, b"xx"), "offsets as far apart"),
        (raw({"a": entry(0, 2, dtype="F4")}, b"xx"), "a dtype of"),
        (raw({"a": entry(0, 2, shape=[True, 2])}, b"xx"), "an integer of at least 0"),
        (raw({"a": entry(0, 2, shape=[-2])}, b"xx"), "an integer of at least 0"),
        (raw({"a": entry(0, 2, shape=[2.0])}, b"xx"), "an integer of at least 0"),
        (raw({"a": entry(0, 2, extra=1)}, b"xx"), "only known keys"),
        (raw({"a": entry(0, 2), "__metadata__": {"k": 1}}, b"xx"), "a string"),
        (raw(b'{"a":1,"a":2}', b""), "every key once"),
        (raw(b"[]", b""), "an object"),
    ],
)
def test_a_table_that_lies_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    with pytest.raises(SafetyCaseError, match=expected):
        digest.tensor_root(path)


def test_a_table_of_absurd_length_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        digest.tensor_table_bytes((2**40).to_bytes(8, "little"), 2**41, where="x")


def test_a_table_says_where_its_tensors_lie(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"b": B, "a": A, "none": A[:0]}, path)
    begin, specs = digest.tensor_table(path)
    data = path.read_bytes()
    assert begin == 8 + int.from_bytes(data[:8], "little")
    found = {spec.name: (spec.dtype, spec.shape) for spec in specs}
    assert found == {"a": ("F32", (2, 3)), "b": ("BOOL", (2,)), "none": ("F32", (0, 3))}
    for spec in specs:
        raw_bytes = {"a": A, "b": B, "none": A[:0]}[spec.name].tobytes()
        assert data[begin + spec.begin : begin + spec.end] == raw_bytes


def test_free_metadata_is_read_beside_the_tensors() -> None:
    table = json.dumps({"__metadata__": {"k": "v"}, "a": entry(0, 2)}).encode()
    specs, texts = digest.read_tensor_table(table, 2, where="x")
    assert [spec.name for spec in specs] == ["a"]
    assert texts == {"k": "v"}


def test_tensors_pass_by_in_order_whatever_their_size(tmp_path: Path) -> None:
    """One without bytes comes as one empty piece; the pieces make up the file."""
    path = tmp_path / "m.safetensors"
    big = np.arange(700_000, dtype=np.float64)
    save_file({"a": A[:0], "big": big}, path)
    seen: dict[str, list[bytes]] = {}
    told = digest.stream_tensors(
        path, lambda s, p: seen.setdefault(s.name, []).append(p), name="m"
    )
    assert seen["a"] == [b""]
    assert len(seen["big"]) > 1
    assert b"".join(seen["big"]) == big.tobytes()
    assert told == digest.hash_file(path, name="m")


def test_the_digest_of_a_file_bears_the_name_given(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": A}, path)
    assert digest.hash_tensors(path).file.path == "m.safetensors"
    assert digest.hash_tensors(path, name="d/n").file.path == "d/n"


@pytest.mark.parametrize(
    ("change", "where", "expected"),
    [
        ({"dtype": 1}, "x#/a/dtype", "a string"),
        ({"shape": 1}, "x#/a/shape", "an array"),
        ({"shape": ["2"]}, "x#/a/shape", "an integer of at least 0"),
        ({"data_offsets": None}, "x#/a/data_offsets", "an array"),
        ({"dtype": "F4"}, "x#/a", f"a dtype of {', '.join(DTYPE_BYTES)}"),
        ({"shape": [1] * 33}, "x#/a/shape", "at most 32 items"),
    ],
)
def test_a_refused_tensor_is_told_by_its_pointer(
    change: dict[str, object], where: str, expected: str
) -> None:
    table = json.dumps({"a": entry(0, 2, **change)}).encode()
    with pytest.raises(SafetyCaseError) as refusal:
        digest.read_tensor_table(table, 2, where="x")
    assert (refusal.value.where, refusal.value.expected) == (where, expected)


def test_a_tensor_may_have_many_dimensions_and_metadata_only_texts() -> None:
    table = json.dumps({"a": entry(0, 2, shape=[2] + [1] * 31)}).encode()
    assert digest.read_tensor_table(table, 2, where="x")[0][0].shape == (2,) + (1,) * 31
    for metadata, where in (({"k": 1}, "x#/k"), ([], "x#/__metadata__")):
        table = json.dumps({"__metadata__": metadata}).encode()
        with pytest.raises(SafetyCaseError) as refusal:
            digest.read_tensor_table(table, 0, where="x")
        assert refusal.value.where == where
    with pytest.raises(SafetyCaseError) as refusal:
        digest.read_tensor_table(b"[]", 0, where="x")
    assert refusal.value.where == "x"


def test_an_empty_table_needs_no_more_than_its_length() -> None:
    assert digest.tensor_table_bytes(bytes(8), 8, where="x") == 0
    assert digest.tensor_table_bytes(b"\x02" + bytes(7), 10, where="x") == 2
    with pytest.raises(MalformedInput, match="x: expected a safetensors table"):
        digest.tensor_table_bytes(b"\x02" + bytes(7), 9, where="x")
    with pytest.raises(TooLarge):
        digest.tensor_table_bytes((10**8 + 1).to_bytes(8, "little"), 10**9, where="x")
    assert digest.tensor_table_bytes((10**8).to_bytes(8, "little"), 10**9, where="x") == 10**8


@pytest.mark.parametrize("read", [digest.tensor_table, digest.hash_tensors, digest.tensor_root])
def test_a_refused_file_is_told_by_its_path(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "f"
    for data in (
        b"",
        raw({"a": entry(0, 2)}, b"x"),
        raw({"a": entry(0, 2, dtype="F4")}, b"xx"),
    ):
        path.write_bytes(data)
        with pytest.raises(SafetyCaseError) as refusal:
            read(path)
        assert refusal.value.where.startswith(str(path))
