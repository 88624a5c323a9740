"""Open a case without trusting it.

The archive is read into memory once, so that what was checked is what is read; members are
inflated when asked for, within the limits, and checked against their declared size and CRC
each time. What has been inflated whole is kept while it is little.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from safetycase.bundle import layout
from safetycase.bundle.directory import DEFLATED, STORED, Member, read_directory
from safetycase.digest import FileDigest, sha256_hex
from safetycase.errors import MalformedInput, TooLarge

_FEED = 1 << 14
"""Bytes inflated at a time; the rows of what they give fit into a processor's cache."""
_CHUNK = 1 << 20
_SPLIT = 1 << 17
"""Bytes of a piece of what is held already."""
_KEPT = 1 << 27
"""Bytes of inflated members that are kept, in all."""


class Container:
    """An opened case: names, sizes and bytes of its members.

    Made by `open_case` only. Members are kept once read or hashed, up to 128 MiB in all.
    """

    def __init__(
        self, archive: bytes, members: dict[str, Member], limits: layout.Limits, where: str
    ) -> None:
        """Keep the archive and its checked directory."""
        self.where = where
        self._archive = archive
        self._members = members
        self._limits = limits
        self._cache: dict[str, list[bytes]] = {}
        self._kept = 0
        self._digests: dict[str, FileDigest] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members, in the order of the archive."""
        return tuple(self._members)

    @property
    def archive_sha256(self) -> str:
        """The SHA-256 of the zip itself: tells two files apart, never two cases."""
        return sha256_hex(self._archive)

    def __contains__(self, name: object) -> bool:
        """Whether a member of that name is there."""
        return name in self._members

    def size(self, name: str) -> int:
        """The inflated size of a member in bytes, as declared; reading enforces it."""
        return self._member(name).size

    def read(self, name: str) -> bytes:
        """A member's bytes; refuses members over `Limits.max_whole`, which are streamed."""
        if name not in self._cache:
            if self.size(name) > self._limits.max_whole:
                expected = f"at most {self._limits.max_whole} bytes to read at once"
                found = str(self.size(name))
                raise TooLarge(self._place(name), expected, found=found, limit="whole")
            data = b"".join(self.stream(name))
            self._keep(name, [data])
            return data
        pieces = self._cache[name]
        if len(pieces) > 1:
            pieces[:] = [b"".join(pieces)]
        return pieces[0] if pieces else b""

    def _keep(self, name: str, pieces: list[bytes]) -> None:
        """Keep a member that was inflated to its end, and so is checked, if there is room."""
        size = sum(map(len, pieces))
        if self._kept + size <= _KEPT:
            self._cache[name] = pieces
            self._kept += size

    def stream(self, name: str) -> Iterator[bytes]:
        """A member's bytes in pieces of at most 1 MiB.

        Size and CRC are known to be right only when the iterator ends without a refusal.
        """
        if name in self._cache:
            for kept in list(self._cache[name]):
                yield from _split(memoryview(kept)) if len(kept) > _SPLIT else (kept,)
            return
        member = self._member(name)
        end = member.data_offset + member.stored_size
        stored = memoryview(self._archive)[member.data_offset : end]
        place = self._place(name)
        pieces = _inflate(stored, place) if member.method == DEFLATED else _split(stored)
        is_checked = name in self._digests  # The same stored bytes were read to their end.
        size = crc = 0
        for piece in pieces:
            size += len(piece)
            if size > member.size:
                raise TooLarge(place, f"the declared {member.size} bytes")
            if not is_checked:
                crc = zlib.crc32(piece, crc)
            yield piece
        if size != member.size or not (is_checked or crc == member.crc):
            raise MalformedInput(place, "data of the declared size and CRC")

    def hashed(self, name: str) -> Iterator[bytes]:
        """A member's bytes as `stream` gives them; once read to their end, its digest is known.

        So what a reader made of these bytes is of those that were hashed, inflated but once.
        """
        hasher = hashlib.sha256()
        for piece in self.stream(name):
            hasher.update(piece)
            yield piece
        self._digests[name] = FileDigest(name, self.size(name), hasher.hexdigest())

    def digest(self, name: str) -> FileDigest:
        """A member's path, size and SHA-256, from its inflated bytes."""
        if name not in self._digests:
            held: list[bytes] | None = [] if self._kept + self.size(name) <= _KEPT else None
            for piece in self.hashed(name):
                if held is not None:
                    held.append(piece)
            if held is not None and name not in self._cache:
                self._keep(name, held)
        return self._digests[name]

    def bound_digests(self) -> tuple[FileDigest, ...]:
        """Digests of all members that the case's statement must list, in order of path."""
        return tuple(self.digest(name) for name in sorted(filter(layout.is_bound, self.names)))

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise MalformedInput(self.where, f"a member {name}")
        return self._members[name]

    def _place(self, name: str) -> str:
        return f"{self.where}:{name}"


def open_case(
    source: Path | bytes, *, limits: layout.Limits = layout.DEFAULT_LIMITS
) -> Container:
    """The container of a case whose every header is sound; members are not inflated yet.

    Refuses with MalformedInput, UnsafePath or TooLarge. Says nothing of what members hold,
    beyond the mimetype.
    """
    where = "case" if isinstance(source, bytes) else source.name
    archive = source if isinstance(source, bytes) else _read_archive(source, limits)
    if len(archive) > limits.max_archive:
        expected, found = f"an archive of at most {limits.max_archive} bytes", "a larger one"
        raise TooLarge(where, expected, found=found, limit="archive")
    members = read_directory(archive, limits=limits, where=where)
    _refuse_sizes(members, limits, where)
    _refuse_missing(members, where)
    container = Container(archive, members, limits, where)
    if container.read(layout.MIMETYPE_NAME) != layout.MIMETYPE:
        raise MalformedInput(where, f"the mimetype {layout.MIMETYPE.decode()}")
    return container


def _read_archive(path: Path, limits: layout.Limits) -> bytes:
    try:
        if not path.is_file():
            raise MalformedInput(str(path), "a file")
        with path.open("rb") as file:
            return file.read(limits.max_archive + 1)
    except OSError as error:
        raise MalformedInput(str(path), "a readable file", found=error.strerror) from None


def _refuse_sizes(members: dict[str, Member], limits: layout.Limits, where: str) -> None:
    total = sum(member.size for member in members.values())
    if total > limits.max_total:
        expected = f"at most {limits.max_total} bytes inflated"
        raise TooLarge(where, expected, found=str(total), limit="total")
    for member in members.values():
        place = f"{where}:{member.name}"
        if member.size > limits.max_member:
            expected, found = f"at most {limits.max_member} bytes", str(member.size)
            raise TooLarge(place, expected, found=found, limit="member")
        is_dense = member.size > limits.max_ratio * member.stored_size
        if member.size > limits.ratio_floor and is_dense:
            expected = f"at most {limits.max_ratio} times the stored size"
            found = f"{member.size} bytes from {member.stored_size}"
            raise TooLarge(place, expected, found=found, limit="ratio")


def _refuse_missing(members: dict[str, Member], where: str) -> None:
    missing = [name for name in layout.REQUIRED_NAMES if name not in members]
    if missing:
        raise MalformedInput(where, f"a member {missing[0]}")
    first = next(iter(members.values()))
    if first.name != layout.MIMETYPE_NAME or first.method != STORED:
        raise MalformedInput(where, "the mimetype first, and stored")


def _split(stored: memoryview) -> Iterator[bytes]:
    for start in range(0, len(stored), _SPLIT):
        yield bytes(stored[start : start + _SPLIT])


def _inflate(stored: memoryview, place: str) -> Iterator[bytes]:
    """The inflated data in pieces; data that break, go on after their end or lack one refuse.

    A piece is at most 1 MiB however far it expands, so the caller can stop a bomb.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    fed = 0
    while fed < len(stored) and not inflater.eof:
        pending: bytes | memoryview = stored[fed : fed + _FEED]
        fed += len(pending)
        piece = b""
        while pending or len(piece) == _CHUNK:
            try:
                piece = inflater.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise MalformedInput(place, "deflated data", found=str(error)) from None
            pending = inflater.unconsumed_tail
            if piece:
                yield piece
    if not inflater.eof or inflater.unused_data or fed < len(stored):
        raise MalformedInput(place, "deflated data that end where the header says")
