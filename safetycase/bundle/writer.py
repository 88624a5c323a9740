"""Write a case: one order, one date, all or nothing.

Equal members give equal bytes under one zlib. Another zlib may deflate differently, which is
why a case is identified by its signed payload and never by its zip.
"""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from safetycase.bundle import layout
from safetycase.bundle.reader import Container, open_case
from safetycase.digest import FileDigest, hash_file
from safetycase.errors import MalformedInput, TooLarge, UnsafePath, UsageError

_EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PERMISSIONS = 0o644
_CHUNK = 1 << 20

_Source = Callable[[], Iterator[bytes]]


def write_case(path: Path, members: Mapping[str, bytes | Path]) -> Container:
    """The case stands at `path`, complete and read back, or nothing there has changed.

    Members are bytes, or files to stream from; the mimetype is added. A file that stood at
    `path` is replaced. Refuses names outside the layout, and whatever `open_case` refuses.
    """
    wanted = [_digest_of(name, member) for name, member in members.items()]
    sources = {name: _source_of(member) for name, member in members.items()}
    return _replace(path, sources, wanted)


def add_members(
    path: Path,
    extra: Mapping[str, bytes],
    *,
    opened: Container | None = None,
    replace: bool = False,
) -> Container:
    """The case at `path` has these statements and renderings as well; all else is as it was.

    Refuses members that a statement binds, a name that is there already unless `replace`, and
    a file that is no longer the one that was `opened`.
    """
    for name in extra:
        if not layout.is_added(name):
            raise UnsafePath(str(path), "a statement or a rendering", found=ascii(name[:80]))
    container = open_case(path)
    if opened is not None and opened.archive_sha256 != container.archive_sha256:
        raise MalformedInput(str(path), "the case as it was opened", found="a changed file")
    present = sorted(name for name in extra if name in container)
    if present and not replace:
        raise MalformedInput(str(path), "members that are not there yet", found=present[0])
    kept = [name for name in container.names if name not in {*extra, layout.MIMETYPE_NAME}]
    wanted = [container.digest(name) for name in kept]
    wanted += [FileDigest.of(name, data) for name, data in extra.items()]
    sources: dict[str, _Source] = {name: partial(container.stream, name) for name in kept}
    sources |= {name: _source_of(data) for name, data in extra.items()}
    return _replace(path, sources, wanted)


def _replace(path: Path, sources: dict[str, _Source], wanted: list[FileDigest]) -> Container:
    sources[layout.MIMETYPE_NAME] = _source_of(layout.MIMETYPE)
    for name in sources:
        layout.require_allowed(name, where=str(path))
    for digest in wanted:
        if digest.size > layout.DEFAULT_LIMITS.max_member:
            raise TooLarge(digest.path, f"at most {layout.DEFAULT_LIMITS.max_member} bytes")
    descriptor, draft = _open_draft(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
                for name in layout.in_order(sources):
                    _write_member(archive, name, sources[name]())
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(_PERMISSIONS)
        _require_written(draft, wanted)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return open_case(path)


def _open_draft(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, so that the rename stays on one file system."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        folder = str(path.parent)
        raise UsageError(folder, "a folder to write in", found=error.strerror) from None
    return descriptor, Path(name)


def _write_member(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes]) -> None:
    info = zipfile.ZipInfo(name, date_time=_EARLIEST_ZIP_DATE)
    info.create_system = _UNIX
    info.external_attr = (stat.S_IFREG | _PERMISSIONS) << 16
    info.compress_type = (
        zipfile.ZIP_STORED if name == layout.MIMETYPE_NAME else zipfile.ZIP_DEFLATED
    )
    with archive.open(info, "w") as member:
        for piece in pieces:
            member.write(piece)


def _require_written(draft: Path, wanted: list[FileDigest]) -> None:
    """The writer believes the reader: what it wrote opens, and holds what it was given."""
    container = open_case(draft)
    for digest in wanted:
        if container.digest(digest.path) != digest:
            raise MalformedInput(str(draft), "what was written", found=digest.path)


def _digest_of(name: str, member: bytes | Path) -> FileDigest:
    layout.require_allowed(name)
    if isinstance(member, Path):
        return hash_file(member, name=name)
    return FileDigest.of(name, member)


def _source_of(member: bytes | Path) -> _Source:
    return partial(_file_pieces, member) if isinstance(member, Path) else partial(_one, member)


def _one(data: bytes) -> Iterator[bytes]:
    yield data


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut; systems that cannot sync a folder need not."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
