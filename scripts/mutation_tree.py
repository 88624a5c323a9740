"""The copy of the repository in which mutants are tried: `mutants/`.

mutmut writes into a module every mutant of every function, beside the function itself, and a
switch between them. It leaves a decorated function alone, and a check is one; so `@d` above
`def f` is first written as `f = d(f)` below it, which means the same.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

PACKAGE = "safetycase"
PARTS = ("canonical", "digest", "envelope", "methods", "verify")
LINKED = ("schemas", "templates", "policies", "axes", "fixtures", "examples", "pyproject.toml")
KEPT = frozenset({"overload", "staticmethod", "classmethod"})
"""Decorators that mutmut knows, or that stand above no body."""


@dataclass(frozen=True)
class Mutated:
    """A module as it was when its mutants were made, and their names."""

    sha256: str
    names: tuple[str, ...]


def grow(root: Path, tree: Path) -> dict[str, list[str]]:
    """Bring the copy up to date; the names of all mutants, by part."""
    tree.mkdir(exist_ok=True)
    for name in LINKED:
        if not (tree / name).exists():
            (tree / name).symlink_to(root / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.rmtree(tree / "tests", ignore_errors=True)
    shutil.copytree(root / "tests", tree / "tests", ignore=ignored)
    index = tree / "index.json"
    before = _read_index(index)
    shutil.copytree(
        root / PACKAGE, tree / PACKAGE, dirs_exist_ok=True,
        ignore=lambda folder, names: {*ignored(folder, names), *_mutated(root, folder, names)},
    )  # fmt: skip
    after: dict[str, Mutated] = {}
    names: dict[str, list[str]] = {part: [] for part in PARTS}
    for path in sorted(_sources(root)):
        sha256 = hashlib.sha256((root / path).read_bytes()).hexdigest()
        made = before.get(str(path))
        if made is None or made.sha256 != sha256 or not (tree / path).exists():
            made = Mutated(sha256, _mutate(root, tree, path))
        after[str(path)] = made
        names[path.with_suffix("").parts[1]] += made.names
    index.write_bytes(msgspec.json.encode(after))
    return names


def _read_index(index: Path) -> dict[str, Mutated]:
    data = index.read_bytes() if index.exists() else b"{}"
    return msgspec.json.decode(data, type=dict[str, Mutated])


def _sources(root: Path) -> set[Path]:
    found = (path.relative_to(root) for path in (root / PACKAGE).rglob("*.py"))
    return {path for path in found if path.with_suffix("").parts[1] in PARTS}


def _mutated(root: Path, folder: str, names: list[str]) -> set[str]:
    sources = _sources(root)
    return {n for n in names if (Path(folder) / n).relative_to(root) in sources}


def _mutate(root: Path, tree: Path, path: Path) -> tuple[str, ...]:
    made = mutate_file_contents(str(path), plain((root / path).read_text()))
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(made.code)
    return tuple(get_mutant_name(path, name) for name in made.mutant_names)


def plain(text: str) -> str:
    """A module with its decorators written as calls below the functions."""
    tree, lines = ast.parse(text), text.splitlines(keepends=True)
    classes = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in chain(tree.body, *classes):
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            _moved(text, lines, node)
    return "".join(lines)


def _moved(text: str, lines: list[str], node: ast.FunctionDef) -> None:
    told = [ast.get_source_segment(text, each) or "" for each in node.decorator_list]
    if KEPT & {each.rpartition(".")[2] for each in told}:
        return
    first = node.decorator_list[0].lineno
    lines[first - 1 : node.lineno - 1] = ["\n"] * (node.lineno - first)
    called = node.name
    for each in reversed(told):
        called = f"{each}({called})"
    assert node.end_lineno is not None  # noqa: S101 — so says every parsed function
    lines[node.end_lineno - 1] += f"{' ' * node.col_offset}{node.name} = {called}\n"
