"""The one shape of zip that a case may have, read from its headers alone.

1. Local headers, each followed at once by its data, from byte 0, in the order of the directory;
2. then the central directory, entry for entry equal to the local headers;
3. then the end record, without comment, which ends the file.

That leaves no room for bytes before, between, under or after the members, so no two readers can
see different files in one archive. No zip64, no encryption, no data descriptors, no extra
fields, no comments, no second disk, no folders, no links, no empty members; only stored and
deflated data. Layout: PKWARE APPNOTE 6.3.10 section 4.3.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from safetycase.bundle import layout
from safetycase.errors import MalformedInput, TooLarge

STORED, DEFLATED = 0, 8

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_ENCRYPTED, _DESCRIPTOR = 0x0001, 0x0008
_HARMLESS_FLAGS = 0x0806  # how hard the writer deflated; names are UTF-8
_ZIP64_U16, _ZIP64_U32 = 0xFFFF, 0xFFFFFFFF
_HIGHEST_VERSION = 20  # deflate; zip64 and later features say more
_DOS_NOT_A_FILE = 0x18  # folder or volume label


class _Shared(NamedTuple):
    """What a local header and its directory entry say alike, in their order on disk."""

    version: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    stored_size: int
    size: int
    name_chars: int
    extra_bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """A member's place and declared sizes in the archive, checked against its local header."""

    name: str
    size: int
    stored_size: int
    method: int
    crc: int
    data_offset: int


def read_directory(archive: bytes, *, limits: layout.Limits, where: str) -> dict[str, Member]:
    """The members of an archive of that one shape, by name, in order.

    Refuses with MalformedInput, UnsafePath or TooLarge. Data are not inflated: that they have
    their declared size and CRC is for the reader to see.
    """
    count, directory_offset = _read_end(archive, limits, where)
    members: dict[str, Member] = {}
    cursor, reached = directory_offset, 0
    for _ in range(count):
        member, cursor, reached = _read_member(archive, cursor, reached, where)
        if member.name in members:
            raise MalformedInput(where, "every member once", found=f"{member.name} twice")
        members[member.name] = member
    if reached != directory_offset:
        raise MalformedInput(where, "the directory right after the last member")
    if cursor != len(archive) - _END.size:
        raise MalformedInput(where, "the end record right after the directory")
    return members


def _read_end(archive: bytes, limits: layout.Limits, where: str) -> tuple[int, int]:
    """How many members the end record declares, and where their directory begins."""
    if len(archive) < _END.size or archive[:4] != _LOCAL_MAGIC:
        raise MalformedInput(where, "a zip that begins with its first member")
    magic, disk, start_disk, here, count, length, offset, comment = _END.unpack_from(
        archive, len(archive) - _END.size
    )
    if magic != _END_MAGIC or comment:
        raise MalformedInput(where, "an end record without comment, with nothing after it")
    if _ZIP64_U16 in {here, count} or _ZIP64_U32 in {length, offset}:
        raise MalformedInput(where, "no zip64 records")
    if disk or start_disk or here != count:
        raise MalformedInput(where, "one disk")
    if count > limits.max_members:
        expected = f"at most {limits.max_members} members"
        raise TooLarge(where, expected, found=str(count), limit="members")
    if offset + length + _END.size != len(archive):
        raise MalformedInput(where, "the end record right after the directory")
    return count, offset


def _read_member(
    archive: bytes, cursor: int, reached: int, where: str
) -> tuple[Member, int, int]:
    """The member at a directory entry, the next entry, and the end of the member's data."""
    entry = _unpack(_CENTRAL, archive, cursor, where)
    magic, made_by, shared = entry[0], entry[1], _Shared(*entry[2:12])
    comment_bytes, disk, _, attributes, local_offset = entry[12:]
    if magic != _CENTRAL_MAGIC or disk or comment_bytes:
        raise MalformedInput(where, "directory entries on this disk, without comment")
    cursor += _CENTRAL.size
    raw_name = archive[cursor : cursor + shared.name_chars]
    name = layout.require_allowed(raw_name.decode("latin-1"), where=where)
    place = f"{where}:{name}"
    _refuse_features(shared, place)
    _refuse_links(made_by, attributes, place)
    if local_offset != reached:
        raise MalformedInput(place, f"its header at byte {reached}", found=str(local_offset))
    local = _unpack(_LOCAL, archive, local_offset, where)
    data_offset = local_offset + _LOCAL.size + shared.name_chars
    if (
        local[0] != _LOCAL_MAGIC
        or _Shared(*local[1:]) != shared
        or archive[local_offset + _LOCAL.size : data_offset] != raw_name
    ):
        raise MalformedInput(place, "a local header that repeats the directory entry")
    member = Member(
        name, shared.size, shared.stored_size, shared.method, shared.crc, data_offset
    )
    return member, cursor + shared.name_chars, data_offset + shared.stored_size


def _unpack(header: struct.Struct, archive: bytes, offset: int, where: str) -> tuple[Any, ...]:
    if offset + header.size > len(archive):
        raise MalformedInput(where, "headers inside the file")
    return header.unpack_from(archive, offset)


def _refuse_features(shared: _Shared, place: str) -> None:
    if shared.flags & _ENCRYPTED:
        raise MalformedInput(place, "no encryption")
    if shared.flags & _DESCRIPTOR:
        raise MalformedInput(place, "sizes in the header, no data descriptor")
    if shared.flags & ~_HARMLESS_FLAGS:
        raise MalformedInput(place, "no unusual flags", found=hex(shared.flags))
    if shared.method not in {STORED, DEFLATED}:
        raise MalformedInput(place, "stored or deflated data", found=f"method {shared.method}")
    if shared.version > _HIGHEST_VERSION or shared.extra_bytes:
        raise MalformedInput(place, "no extra fields and no later zip features")
    if shared.size == 0 or shared.stored_size == 0:
        raise MalformedInput(place, "a member that is not empty")
    if shared.method == STORED and shared.size != shared.stored_size:
        raise MalformedInput(place, "one size for stored data")


def _refuse_links(made_by: int, attributes: int, place: str) -> None:
    """Whatever system wrote the entry, both halves of its attributes must say a plain file."""
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in {0, stat.S_IFREG} or attributes & _DOS_NOT_A_FILE:
        found = f"attributes {attributes:#010x} of system {made_by >> 8}"
        raise MalformedInput(place, "a regular file", found=found)
