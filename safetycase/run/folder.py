"""A folder whose files are asked for by name: on this machine, or at a revision of a hub.

What is not asked for is never fetched. Files of the hub are taken from its cache first, which
is all that there is without a network; their bytes are compared with the digest that the cache
names them by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from safetycase.digest import FileDigest, hash_file, safe_relative_path
from safetycase.errors import RunFailed
from safetycase.record.case import ModelFile

Role = Literal["weights", "tokenizer", "configuration", "chat_template", "other"]

HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)@([0-9a-f]{40})(?:/([\w./-]+))?")
HUB_DATASET = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)@([0-9a-f]{40})/(.+)")
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")
"""Endings of files that can run code when they are opened."""

_SHA256_CHARS = 64
_BLOB_SHA1_CHARS = 40


class Folder:
    """Files by their names inside the folder; those that were asked for are remembered."""

    def __init__(
        self,
        path: str,
        find: Callable[[str], Path | None],
        *,
        where: str,
        remedy: str | None = None,
        local: Path | None = None,
    ) -> None:
        """`find` gives the file of a name, or none; `local` is the folder if it is here."""
        self.path = path
        self.where = where
        self._find = find
        self._remedy = remedy
        self._local = local
        self._asked: dict[str, tuple[Path, Role]] = {}

    def file(self, name: str, role: Role) -> Path:
        """The file of this name; refused if there is none, or if it cannot be reached."""
        found = self._known(name, role)
        if found is None:
            raise RunFailed(
                self.where,
                f"a file {name} in {self.path}",
                found="none" if name.endswith((".json", ".yaml")) else self.instead(),
                remedy=self._remedy,
            )
        return found

    def optional(self, name: str, role: Role) -> Path | None:
        """The file of this name; none if there is none, or none within reach."""
        try:
            return self._known(name, role)
        except RunFailed:
            return None

    def _known(self, name: str, role: Role) -> Path | None:
        if name in self._asked:
            return self._asked[name][0]
        found = self._find(safe_relative_path(name))
        if found is not None:
            self._asked[name] = found, role
        return found

    def here(self, name: str) -> Path | None:
        """The file of this name if it is on this machine already; it is not remembered."""
        if self._local is None or not (self._local / name).is_file():
            return None
        return self._local / name

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """What was asked for, digested, in order of path."""
        return tuple(
            _digested(name, path, role, self.where)
            for name, (path, role) in sorted(self._asked.items())
        )

    @property
    def paths(self) -> dict[str, Path]:
        """Where the files are that were asked for, by name."""
        return {name: path for name, (path, _) in self._asked.items()}

    def instead(self) -> str:
        """What is there where numbers are missing: a pickle is told by its name."""
        entries = sorted(self._local.iterdir()) if self._local is not None else []
        for entry in entries:
            if entry.suffix in PICKLES:
                return f"{entry.name}, a pickle, which is never opened: convert it"
        return "none"


def open_folder(path: str, beside: Path, *, where: str, remedy: str) -> Folder:
    """The folder that a path names: `hf://OWNER/NAME@REVISION/FOLDER`, or one beside the plan.

    A path to a file stands for the folder that holds it. Refused: revisions that can move,
    pickles, and places where nothing is.
    """
    if path.endswith(PICKLES):
        raise RunFailed(
            where,
            "a folder, or a file of numbers",
            found=f"{path}, a pickle, which is never opened",
            remedy="Convert it to safetensors where running its code does no harm "
            "(docs/howto/dictionaries.md).",
        )
    if path.startswith("hf://"):
        return _hub_folder(path, where, remedy)
    place = beside / path
    if not place.exists():
        raise RunFailed(where, "a folder or file", found=f"no {path}", remedy=remedy)
    root = place.parent if place.is_file() else place

    def find(name: str) -> Path | None:
        return root / name if (root / name).is_file() else None

    return Folder(path, find, where=where, remedy=remedy, local=root)


def hub_parts(path: str, *, where: str) -> tuple[str, str, str]:
    """Repository, revision and folder of an address; refused without the full revision."""
    repository, revision, folder = _address(HUB, path, "OWNER/NAME@REVISION[/FOLDER]", where)
    return repository, revision, folder or ""


def _address(pattern: re.Pattern[str], path: str, shape: str, where: str) -> tuple[Any, ...]:
    parts = pattern.fullmatch(path)
    if parts is None:
        raise RunFailed(
            where,
            f"hf://{shape} with the full 40-digit revision",
            found=path,
            remedy="A branch or tag can move; a plan names what it measured.",
        )
    return parts.groups()


def _hub_folder(path: str, where: str, remedy: str) -> Folder:
    repository, revision, folder = hub_parts(path, where=where)
    inside = (
        folder.rpartition("/")[0]
        if folder.endswith((".safetensors", ".npz", ".gguf"))
        else folder
    )

    def find(name: str) -> Path | None:
        wanted = f"{inside}/{name}" if inside else name
        return from_hub(repository, revision, wanted, where=where, remedy=remedy)

    return Folder(path, find, where=where, remedy=remedy)


def hub_dataset(path: str, *, where: str) -> Path:
    """The one file of a dataset on the hub that an address names; nothing else is fetched."""
    shape = "datasets/OWNER/NAME@REVISION/FILE"
    repository, revision, named = _address(HUB_DATASET, path, shape, where)
    name = safe_relative_path(named)
    remedy = "Log in if access is granted by request, or save the file beside the plan."
    found = from_hub(repository, revision, name, where=where, remedy=remedy, kind="dataset")
    if found is None:
        raise RunFailed(
            where, f"a file {name} in {repository}@{revision}", found="none", remedy=remedy
        )
    require_cached_bytes(found, hash_file(found, name=name), where=where)
    return found


def from_hub(
    repository: str,
    revision: str,
    name: str,
    *,
    where: str,
    remedy: str,
    kind: Literal["model", "dataset"] = "model",
) -> Path | None:
    """One file of a revision, from the cache if it is there; none if the revision has none."""
    # slow to import, and only for hf://
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
    )

    problem = "nothing"
    for offline in (True, False):
        try:
            return Path(
                hf_hub_download(
                    repository,
                    name,
                    revision=revision,
                    repo_type=kind,
                    local_files_only=offline,
                )
            )
        except LocalEntryNotFoundError as error:
            problem = str(error)
        except EntryNotFoundError:
            return None
        except (HfHubHTTPError, OSError) as error:
            problem = str(error)
    raise RunFailed(where, f"{name} of {repository}@{revision}", found=problem, remedy=remedy)


def _digested(name: str, path: Path, role: Role, where: str) -> ModelFile:
    digest = hash_file(path, name=name)
    require_cached_bytes(path, digest, where=where)
    return ModelFile(path=name, size=digest.size, sha256=digest.sha256, role=role)


def require_cached_bytes(path: Path, digest: FileDigest, *, where: str) -> None:
    """Return only if a file of the hub's cache has the bytes that its blob is named by.

    Large files are named by their SHA-256, small ones by their git blob id. A file that is no
    link into a cache has no such name, and passes.
    """
    blob = path.resolve()
    if not path.is_symlink() or blob.parent.name != "blobs":
        return
    if len(blob.name) == _SHA256_CHARS:
        held = digest.sha256
    elif len(blob.name) == _BLOB_SHA1_CHARS:
        data = path.read_bytes()
        held = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if held != blob.name:
        raise RunFailed(
            f"{where} {digest.path}",
            f"the bytes of the hub, {blob.name}",
            found=held,
            remedy=f"Delete {blob.name} from the cache of the hub and fetch it again.",
        )
