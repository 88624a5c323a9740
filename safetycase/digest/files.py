"""SHA-256 of bytes, of files, and of lists of files with their names."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from safetycase import canonical
from safetycase.errors import MalformedInput, SchemaViolation, UnsafePath

_CHUNK = 1 << 20
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_PATH_BYTES = 1024


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of some bytes, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def as_sha256(value: canonical.JsonValue, *, where: str) -> str:
    """A digest in its one spelling: 64 lower-case hexadecimal digits, no prefix."""
    text = canonical.as_text(value, where=where)
    if _HEX_DIGEST.fullmatch(text) is None:
        raise SchemaViolation(where, "64 lower-case hexadecimal digits", found=ascii(text[:80]))
    return text


def safe_relative_path(path: str) -> str:
    """A relative path with forward slashes that cannot leave its folder on any system."""
    parts = path.split("/")
    if (
        not path.isprintable()
        or len(path.encode("utf-8", "replace")) > _MAX_PATH_BYTES
        or "\\" in path
        or _DRIVE.match(path)
        or not {"", ".", ".."}.isdisjoint(parts)
    ):
        raise UnsafePath("path", "a relative path inside its folder", found=ascii(path[:80]))
    return path


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file's path within its folder or archive, its size in bytes, and its SHA-256."""

    path: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        """Refuse a path that is not safe, a size or a digest that is not one."""
        safe_relative_path(self.path)
        canonical.as_count(self.size, where=f"size of {self.path}")
        as_sha256(self.sha256, where=f"sha256 of {self.path}")

    @classmethod
    def of(cls, path: str, data: bytes) -> FileDigest:
        """The digest of bytes at hand, under the path they have or will have."""
        return cls(path, len(data), sha256_hex(data))

    @classmethod
    def from_json(cls, value: canonical.JsonValue, *, where: str) -> FileDigest:
        """The digest written as {"path", "size", "sha256"}; other keys are refused."""
        fields = canonical.as_object(value, where=where, required=("path", "size", "sha256"))
        return cls(
            canonical.as_text(fields["path"], where=f"{where}/path"),
            canonical.as_count(fields["size"], where=f"{where}/size"),
            as_sha256(fields["sha256"], where=f"{where}/sha256"),
        )

    def to_json(self) -> dict[str, str | int]:
        """{"path", "size", "sha256"}."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}


def hash_file(path: Path, *, name: str | None = None) -> FileDigest:
    """Digest a regular file in one pass; symbolic links are followed, as model caches use them.

    Refuses what is not a regular file, and a file that changed while it was read. `name` is
    the path to record; without it, the file's own name.
    """
    hasher = hashlib.sha256()
    with open_unchanged(path) as (file, size):
        for chunk in read_chunks(file, size, str(path)):
            hasher.update(chunk)
    return FileDigest(name or path.name, size, hasher.hexdigest())


def hash_tree(folder: Path, names: Iterable[str]) -> tuple[FileDigest, ...]:
    """Digest the named files of a folder, in order of path; nothing is looked for unnamed."""
    return tuple(
        hash_file(folder / safe_relative_path(name), name=name) for name in sorted(names)
    )


def manifest_digest(entries: Iterable[FileDigest]) -> str:
    """Digest a list of files so that no rename, move, resize or swap goes unseen.

    SHA-256 of the RFC 8785 spelling of [{path, sha256, size}, …] in code point order of paths,
    so the order given does not matter. An empty list and a repeated path are refused. Says
    nothing of file modes or times.
    """
    return sha256_hex(canonical.write([e.to_json() for e in sort_unique(entries)]))


def sort_unique(
    entries: Iterable[FileDigest], *, where: str = "manifest"
) -> tuple[FileDigest, ...]:
    """The entries in code point order of their paths: at least one, each path once."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    if not ordered:
        raise MalformedInput(where, "at least one file")
    for left, right in pairwise(ordered):
        if left.path == right.path:
            raise MalformedInput(where, "every path once", found=f"{left.path} twice")
    return ordered


@contextmanager
def open_unchanged(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file and its size; refuses if its size or time changed while it was open."""
    with _open_regular(path) as file:
        before = os.fstat(file.fileno())
        yield file, before.st_size
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise MalformedInput(str(path), "a file that does not change while it is read")


def _open_regular(path: Path) -> BinaryIO:
    """The open file; what it is gets asked first, since opening a FIFO would wait for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MalformedInput(str(path), "a regular file")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise MalformedInput(str(path), "a readable file", found=error.strerror) from None


def read_chunks(file: BinaryIO, size: int, where: str) -> Iterator[bytes]:
    """Exactly `size` bytes, in pieces; refuses a file that ends before."""
    left = size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise MalformedInput(where, f"{left} more bytes", found="the end of the file")
        left -= len(chunk)
        yield chunk
