from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.bundle import reader
from safetycase.bundle.layout import Limits
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import write_case
from safetycase.digest import FileDigest
from safetycase.errors import MalformedInput, SafetyCaseError, TooLarge, UnsafePath

ROWS = "evidence/rows.jsonl"
Forge = Callable[..., bytes]


def test_an_honest_archive_opens(forged: Forge, members: dict[str, bytes]) -> None:
    case = open_case(forged())
    assert case.names == tuple(members)
    assert {name: case.read(name) for name in case.names} == members
    assert {name: b"".join(case.stream(name)) for name in case.names} == members
    assert case.size(ROWS) == len(members[ROWS])
    assert ROWS in case
    bound = ["case.json", ROWS, "plan.json"]
    assert case.bound_digests() == tuple(FileDigest.of(n, members[n]) for n in bound)


def refuse(data: bytes, expected: str, kind: type[SafetyCaseError] = MalformedInput) -> None:
    """The archive is refused, on opening or on reading any member, for the reason stated."""
    with pytest.raises(kind, match=expected):
        read_all(data)


def read_all(data: bytes) -> dict[str, bytes]:
    case = open_case(data)
    return {name: case.read(name) for name in case.names}


def test_empty_and_not_a_zip() -> None:
    for data in (b"", b"PK", b"%PDF-1.7" + b"\0" * 40, b"PK\x05\x06" + b"\0" * 18):
        refuse(data, "a zip that begins with its first member")


def test_folder_missing_and_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "fifo"):
        with pytest.raises(MalformedInput, match="expected a file"):
            open_case(path)


def test_duplicate_member(forged: Forge, members: dict[str, bytes]) -> None:
    twice = [*members.items(), (ROWS, b"other")]
    refuse(forged(twice), "every member once, found evidence/rows.jsonl twice")


@pytest.mark.parametrize(
    "name",
    ["../case.json", "/etc/passwd", "evidence/", "evidence/../x.jsonl", "evidence\\x.jsonl",
     "evidence/x.pkl", "EVIDENCE/x.jsonl", "evidence/X.jsonl", "evidence/a/b.jsonl",
     "evidence/con.jsonl", "evidence/.x.jsonl", "evidence/x..jsonl", "evidence/x.jsonl\n",
     "evidence/x .jsonl", "evidence/\u00e9.jsonl", "evidence/x.jsonl\x00", "case.json ",
     "extra.txt", "C:case.json", "evidence/" + "x" * 200 + ".jsonl", "report/case.js"],
)  # fmt: skip
def test_disallowed_name(forged: Forge, members: dict[str, bytes], name: str) -> None:
    refuse(forged([*members.items(), (name, b"x")]), "names of bundle/layout.py", UnsafePath)


@pytest.mark.parametrize(
    "attributes",
    [0o120777 << 16, 0o040755 << 16, 0o010644 << 16, 0o060644 << 16, 0x10, 0x08,
     0o100644 << 16 | 0x10],
)  # fmt: skip
@pytest.mark.parametrize("made_by", [0x0314, 0x0014, 0x1314])
def test_link_folder_or_device(forged: Forge, attributes: int, made_by: int) -> None:
    lies = {ROWS: {"attributes": attributes, "made_by": made_by}}
    refuse(forged(central=lies), "a regular file")


def test_encryption(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"flags": 1}}), "no encryption")


def test_data_descriptor(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"flags": 8}}), "no data descriptor")


@pytest.mark.parametrize("flags", [0x20, 0x40, 0x2000, 0x10])
def test_unusual_flags(forged: Forge, flags: int) -> None:
    refuse(forged(both={ROWS: {"flags": flags}}), "no unusual flags")


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_other_compression(forged: Forge, method: int) -> None:
    refuse(forged(both={ROWS: {"method": method}}), "stored or deflated data")


@pytest.mark.parametrize(
    "lie",
    [{"crc": 1}, {"size": 7}, {"stored_size": 7}, {"method": 0}, {"flags": 2}, {"time": 1},
     {"date": 34}, {"version": 10}, {"name": b"evidence/rowz.jsonl"}, {"extra": b"x"},
     {"name": b"case.json"}],
)  # fmt: skip
def test_local_header_that_differs(forged: Forge, lie: dict[str, object]) -> None:
    refuse(forged(local={ROWS: lie}), "a local header that repeats the directory entry")


def test_overlapping_members(forged: Forge) -> None:
    refuse(forged(central={ROWS: {"offset": 0}}), "its header at byte")


def test_member_that_swallows_the_next_header(forged: Forge, members: dict[str, bytes]) -> None:
    names = list(members)
    refuse(forged(both={names[1]: {"stored_size": 200}}), "its header at byte")


@pytest.mark.parametrize(
    ("lies", "expected"),
    [
        ({"prefix": b"MZ"}, "a zip that begins with its first member"),
        ({"prefix": b"PK\x03\x04"}, "its header at byte 0"),
        ({"gap": b"x"}, "its header at byte"),
        ({"suffix": b"x"}, "an end record without comment"),
        ({"before_end": b"x"}, "the end record right after the directory"),
        ({"end": {"comment": b"hi"}}, "an end record without comment"),
        ({"end": {"disk": 1}}, "one disk"),
        ({"end": {"start": 1}}, "one disk"),
        ({"end": {"here": 3}}, "one disk"),
        ({"end": {"count": 0xFFFF, "here": 0xFFFF}}, "no zip64"),
        ({"end": {"offset": 0xFFFFFFFF}}, "no zip64"),
        ({"end": {"length": 0xFFFFFFFF}}, "no zip64"),
        ({"end": {"count": 3, "here": 3}}, "the directory right after the last member"),
        ({"end": {"count": 5, "here": 5}}, "headers inside the file"),
        ({"end": {"offset": 0}}, "the end record right after the directory"),
        ({"central": {ROWS: {"disk": 1}}}, "directory entries on this disk"),
        ({"central": {ROWS: {"comment": b"x"}}}, "directory entries on this disk"),
        ({"both": {ROWS: {"extra": b"\x01\x00\x00\x00"}}}, "no extra fields"),
        ({"both": {ROWS: {"version": 45}}}, "no later zip features"),
        ({"both": {ROWS: {"size": 0xFFFFFFFF, "stored_size": 0xFFFFFFFF}}}, "the directory"),
    ],
)
def test_bytes_around_members_and_lies_of_the_end_record(
    forged: Forge, lies: dict[str, object], expected: str
) -> None:
    refuse(forged(**lies), expected)


def test_directory_longer_than_its_entries(forged: Forge) -> None:
    length = len(forged()) - 22 - forged().index(b"PK\x01\x02")
    lies = {"before_end": b"hidden", "end": {"length": length + 6}}
    refuse(forged(**lies), "the end record right after the directory")


def test_directory_entry_cut_by_the_end_of_the_file(forged: Forge) -> None:
    whole = forged()
    refuse(whole[:-30] + whole[-22:], "the end record right after")


def test_empty_member(forged: Forge, members: dict[str, bytes]) -> None:
    refuse(forged([*members.items(), ("evidence/x.jsonl", b"")]), "a member that is not empty")


def test_member_larger_than_declared(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"size": 399}}), "the declared 399 bytes", TooLarge)


def test_member_smaller_than_declared(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"size": 401}}), "data of the declared size and CRC")


def test_wrong_crc(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"crc": 7}}), "data of the declared size and CRC")


def test_bytes_after_the_deflate_stream(forged: Forge, members: dict[str, bytes]) -> None:
    stored = zlib.compress(members[ROWS], 6, -15) + b"hidden"
    lies = {ROWS: {"data": stored, "stored_size": len(stored)}}
    refuse(forged(both=lies), "end where the header says")


def test_deflate_stream_cut_short(forged: Forge, members: dict[str, bytes]) -> None:
    stored = zlib.compress(members[ROWS], 6, -15)[:-3]
    lies = {ROWS: {"data": stored, "stored_size": len(stored)}}
    refuse(forged(both=lies), "end where the header says|declared size")


def test_data_that_are_not_deflate(forged: Forge) -> None:
    lies = {ROWS: {"data": b"\xff" * 20, "stored_size": 20}}
    refuse(forged(both=lies), "deflated data")


def test_stored_member_with_two_sizes(forged: Forge) -> None:
    refuse(forged(both={ROWS: {"method": 0}}), "one size for stored data")


def test_declared_bomb_is_refused_before_inflating(
    forged: Forge, members: dict[str, bytes]
) -> None:
    data = forged([*members.items(), ("evidence/x.jsonl", b"0" * 20_000_000)])
    with pytest.raises(TooLarge, match="at most 250 times the stored size"):
        open_case(data)


def test_undeclared_bomb_is_stopped_at_its_declared_size(
    forged: Forge, members: dict[str, bytes]
) -> None:
    lies = {"evidence/x.jsonl": {"size": 10}}
    case = open_case(forged([*members.items(), ("evidence/x.jsonl", b"0" * 9**8)], both=lies))
    pieces = case.stream("evidence/x.jsonl")
    with pytest.raises(TooLarge, match="the declared 10 bytes"):
        next(pieces)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(max_archive=100), "an archive of at most 100"),
        (Limits(max_members=3), "at most 3 members, found 4"),
        (Limits(max_member=399), "at most 399 bytes, found 400"),
        (Limits(max_total=433), "at most 433 bytes inflated, found 434"),
        (Limits(max_ratio=10, ratio_floor=399), "at most 10 times"),
    ],
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_limits(
    forged: Forge, tmp_path: Path, limits: Limits, expected: str, *, on_disk: bool
) -> None:
    source: Path | bytes = forged()
    if on_disk:
        (tmp_path / "c").write_bytes(forged())
        source = tmp_path / "c"
    with pytest.raises(TooLarge, match=expected):
        open_case(source, limits=limits)


def test_reading_whole_has_a_limit_and_streaming_has_not(forged: Forge) -> None:
    case = open_case(forged(), limits=Limits(max_whole=399))
    with pytest.raises(TooLarge, match="at most 399 bytes to read at once"):
        case.read(ROWS)
    assert len(b"".join(case.stream(ROWS))) == 400


@pytest.mark.parametrize("missing", ["mimetype", "case.json", "plan.json"])
def test_required_member_missing(
    forged: Forge, members: dict[str, bytes], missing: str
) -> None:
    del members[missing]
    refuse(forged(list(members.items())), f"a member {missing}")


def test_mimetype_not_first(forged: Forge, members: dict[str, bytes]) -> None:
    refuse(forged(sorted(members.items())), "the mimetype first, and stored")


def test_mimetype_deflated(forged: Forge, members: dict[str, bytes]) -> None:
    stored = zlib.compress(members["mimetype"], 6, -15)
    lies = {"mimetype": {"method": 8, "data": stored, "stored_size": len(stored)}}
    refuse(forged(both=lies), "the mimetype first, and stored")


def test_another_mimetype(forged: Forge, members: dict[str, bytes]) -> None:
    members["mimetype"] = b"application/zip"
    refuse(forged(list(members.items())), "the mimetype application/vnd.safetycase")


def test_a_member_that_is_not_there(forged: Forge) -> None:
    with pytest.raises(MalformedInput, match=r"a member evidence/none\.jsonl"):
        open_case(forged()).read("evidence/none.jsonl")


def test_a_file_replaced_after_opening_changes_nothing(forged: Forge, tmp_path: Path) -> None:
    path = tmp_path / "c.safetycase"
    path.write_bytes(forged())
    case = open_case(path)
    path.write_bytes(b"gone")
    assert case.read(ROWS) == b'["a"]\n[1]\n' * 40


def test_large_members_stream_whole(tmp_path: Path, members: dict[str, bytes]) -> None:
    data = bytes(range(256)) * 20_000 + b"0" * 3_000_000
    case = write_case(tmp_path / "c", {**members, "evidence/big.jsonl": data})
    pieces = list(case.stream("evidence/big.jsonl"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 2**20
    assert case.digest("evidence/big.jsonl") == FileDigest.of("evidence/big.jsonl", data)


@pytest.mark.parametrize("room", [0, 2**27])
def test_a_member_is_the_same_however_often_it_is_read(
    forged: Forge, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(reader, "_KEPT", room)
    large = {**members, ROWS: bytes(range(256)) * 20_000}
    case = open_case(forged(list(large.items())))
    for name, data in large.items():
        digest = FileDigest.of(name, data)
        assert [case.digest(name), case.digest(name)] == [digest, digest]
        assert b"".join(case.stream(name)) == case.read(name) == case.read(name) == data
        assert b"".join(case.stream(name)) == data


@pytest.mark.parametrize("room", [0, 2**27])
def test_who_reads_a_member_to_its_end_has_hashed_it(
    forged: Forge, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(reader, "_KEPT", room)
    data = bytes(range(256)) * 20_000
    case = open_case(forged([*members.items(), ("evidence/big.jsonl", data)]))
    begun = case.hashed("evidence/big.jsonl")
    assert next(begun) == data[: len(next(case.stream("evidence/big.jsonl")))]
    begun.close()
    assert b"".join(case.hashed("evidence/big.jsonl")) == data
    monkeypatch.setattr(reader, "_inflate", None)  # from here on nothing is inflated
    assert case.digest("evidence/big.jsonl") == FileDigest.of("evidence/big.jsonl", data)


def test_a_member_hashed_on_the_way_is_checked_like_any(
    forged: Forge, members: dict[str, bytes]
) -> None:
    case = open_case(forged(both={ROWS: {"crc": 7}}))
    with pytest.raises(MalformedInput, match="declared size and CRC"):
        list(case.hashed(ROWS))
    with pytest.raises(MalformedInput, match="declared size and CRC"):
        case.digest(ROWS)
    lies = {"evidence/x.jsonl": {"size": 10}}
    bomb = open_case(forged([*members.items(), ("evidence/x.jsonl", b"0" * 9**8)], both=lies))
    with pytest.raises(TooLarge, match="the declared 10 bytes"):
        next(bomb.hashed("evidence/x.jsonl"))


def test_a_wrong_crc_is_refused_every_time(forged: Forge) -> None:
    case = open_case(forged(both={ROWS: {"crc": 7}}))
    for read in (case.digest, case.digest, case.read, lambda name: list(case.stream(name))):
        with pytest.raises(MalformedInput, match="declared size and CRC"):
            read(ROWS)


@given(st.data())
def test_one_changed_byte_is_refused_or_read_alike(data: st.DataObject) -> None:
    whole = bytearray(ARCHIVE)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read_all(bytes(whole))
    except SafetyCaseError:
        return
    with zipfile.ZipFile(io.BytesIO(bytes(whole))) as other:
        assert found == {name: other.read(name) for name in other.namelist()}


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_ours(data: bytes) -> None:
    with pytest.raises(SafetyCaseError):
        open_case(data)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("mimetype", b"application/vnd.safetycase+zip")
        for name in ("case.json", "plan.json", ROWS):
            file.writestr(name, b"[1]\n" * 20, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


ARCHIVE = archive()
