from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase import digest
from safetycase.digest import FileDigest, files
from safetycase.errors import MalformedInput, SafetyCaseError, SchemaViolation, UnsafePath

names = st.from_regex(r"[a-z]{1,4}(/[a-z]{1,4})?", fullmatch=True)
entries = st.dictionaries(names, st.binary(max_size=8), min_size=1, max_size=5)


def manifest(contents: dict[str, bytes]) -> str:
    return digest.manifest_digest(FileDigest.of(name, data) for name, data in contents.items())


def test_manifest_digest_is_the_published_formula() -> None:
    empty = hashlib.sha256(b"").hexdigest()
    spelled = f'[{{"path":"a","sha256":"{empty}","size":0}}]'
    assert manifest({"a": b""}) == hashlib.sha256(spelled.encode()).hexdigest()


@given(entries, st.randoms(use_true_random=False))
def test_order_given_does_not_matter(contents: dict[str, bytes], random: object) -> None:
    shuffled = list(contents.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert manifest(dict(shuffled)) == manifest(contents)


@given(entries, names, st.data())
def test_any_rename_changes_the_digest(
    contents: dict[str, bytes], new: str, data: st.DataObject
) -> None:
    old = data.draw(st.sampled_from(sorted(contents)))
    renamed = {new if name == old else name: c for name, c in contents.items()}
    assert (manifest(renamed) == manifest(contents)) == (renamed == contents)


@given(entries, entries)
def test_only_equal_folders_share_a_digest(a: dict[str, bytes], b: dict[str, bytes]) -> None:
    assert (manifest(a) == manifest(b)) == (a == b)


def test_size_is_bound() -> None:
    left, right = FileDigest("a", 1, "0" * 64), FileDigest("a", 2, "0" * 64)
    assert digest.manifest_digest([left]) != digest.manifest_digest([right])


def test_swapping_two_names_changes_the_digest() -> None:
    assert manifest({"aa": b"1", "bb": b"2"}) != manifest({"aa": b"2", "bb": b"1"})
    assert manifest({"aa": b"1", "bb": b"2"}) != manifest({"ab": b"1", "bc": b"2"})


def test_empty_and_repeated_are_refused() -> None:
    with pytest.raises(MalformedInput, match="at least one file"):
        digest.manifest_digest([])
    entry = FileDigest.of("a", b"")
    with pytest.raises(MalformedInput, match="a twice"):
        digest.manifest_digest([entry, FileDigest.of("b", b""), entry])


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a//b", "../a", "a/..", "a/./b", "a\\b", "C:/a", "a\x00", "a\nb", "a\u202eb",
     "x" * 1025, "a/", "\ud800"],
)  # fmt: skip
def test_unsafe_paths_are_refused(path: str) -> None:
    with pytest.raises(UnsafePath):
        FileDigest(path, 0, "0" * 64)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "A" * 64, "0" * 64 + "\n", "\u0660" * 64])
def test_other_spellings_of_a_digest_are_refused(sha256: str) -> None:
    with pytest.raises(SchemaViolation):
        FileDigest("a", 0, sha256)


@pytest.mark.parametrize("size", [-1, True, 1.0])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(SchemaViolation):
        FileDigest("a", size, "0" * 64)


def test_json_goes_both_ways_and_is_closed() -> None:
    entry = FileDigest.of("a/b", b"xyz")
    assert FileDigest.from_json({**entry.to_json()}, where="x") == entry
    with pytest.raises(SchemaViolation):
        FileDigest.from_json({**entry.to_json(), "mode": 1}, where="x")


def test_hash_tree_reads_named_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "a").symlink_to(tmp_path / "d" / "b")
    found = digest.hash_tree(tmp_path, ["d/b", "a"])
    assert found == tuple(FileDigest.of(name, b"x" * 3_000_000) for name in ("a", "d/b"))
    with pytest.raises(UnsafePath):
        digest.hash_tree(tmp_path, ["../x"])


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("fifo", "loop", "missing", "."):
        with pytest.raises(MalformedInput):
            digest.hash_file(tmp_path / name)


def rewrite_while_open(path: Path, data: bytes, size: int) -> bytes:
    with files.open_unchanged(path) as (file, _):
        path.write_bytes(data)
        return b"".join(files.read_chunks(file, size, "f"))


@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [(b"y" * 11, 10, "does not change"), (b"y" * 9, 10, "1 more bytes")],
)
def test_a_file_that_changes_while_read_is_refused(
    tmp_path: Path, data: bytes, size: int, expected: str
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    with pytest.raises(MalformedInput, match=expected):
        rewrite_while_open(tmp_path / "f", data, size)


def told(refusal: pytest.ExceptionInfo[SafetyCaseError]) -> tuple[str, str, str | None]:
    return refusal.value.where, refusal.value.expected, refusal.value.found


def test_a_refusal_of_a_file_names_it_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "f").write_bytes(b"ab")
    for name, expected, found in (
        ("folder", "a regular file", None),
        ("missing", "a readable file", "No such file or directory"),
    ):
        with pytest.raises(MalformedInput) as refusal:
            digest.hash_file(tmp_path / name)
        assert told(refusal) == (str(tmp_path / name), expected, found)
    with pytest.raises(MalformedInput) as refusal:
        rewrite_while_open(tmp_path / "f", b"ab", 5)
    assert told(refusal) == ("f", "3 more bytes", "the end of the file")


def test_a_refusal_of_a_digest_names_its_place() -> None:
    for value, expected, found in (
        (1, "a string", "a number"),
        ("A" * 90, "64 lower-case hexadecimal digits", ascii("A" * 80)),
    ):
        with pytest.raises(SchemaViolation) as refusal:
            digest.as_sha256(value, where="x")
        assert told(refusal) == ("x", expected, found)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"path": 1}, "x/path"),
        ({"size": -1}, "x/size"),
        ({"sha256": ""}, "x/sha256"),
        ({"mode": 1}, "x"),
    ],
)
def test_a_refused_entry_is_told_by_its_pointer(change: dict[str, object], where: str) -> None:
    entry: dict[str, Any] = {**FileDigest.of("a", b"").to_json(), **change}
    with pytest.raises(SchemaViolation) as refusal:
        FileDigest.from_json(entry, where="x")
    assert refusal.value.where == where
    for name in ("path", "size", "sha256"):
        missing = {k: v for k, v in FileDigest.of("a", b"").to_json().items() if k != name}
        with pytest.raises(SchemaViolation, match=f"no {name}"):
            FileDigest.from_json({**missing}, where="x")


def test_lists_of_files_are_told_by_their_place() -> None:
    entry = FileDigest.of("a", b"")
    for entries_given, expected, found in (
        ((), "at least one file", None),
        ((entry, entry), "every path once", "a twice"),
    ):
        with pytest.raises(MalformedInput) as refusal:
            digest.sort_unique(entries_given, where="x")
        assert told(refusal) == ("x", expected, found)
        with pytest.raises(MalformedInput) as refusal:
            digest.sort_unique(entries_given)
        assert told(refusal)[0] == "manifest"


def test_a_path_may_be_as_long_as_a_kilobyte() -> None:
    assert digest.safe_relative_path("x" * 1024)
    with pytest.raises(UnsafePath) as refusal:
        digest.safe_relative_path("é" * 513)
    assert told(refusal) == ("path", "a relative path inside its folder", ascii("é" * 80))


def test_a_file_goes_by_its_own_name_unless_another_is_given(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"ab")
    assert digest.hash_file(tmp_path / "f").path == "f"
    assert digest.hash_file(tmp_path / "f", name="d/g").path == "d/g"
