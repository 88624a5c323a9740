"""What a mutant changes, and whether it is but the words of a refusal."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REFUSALS = frozenset(
    {
        "Fault", "unknown", "_Fault", "_refuse", "Gap", "NotApplicable", "MalformedInput",
        "NotCanonical", "SchemaViolation", "TooLarge", "MethodRefused", "UsageError",
        "Withheld",
    }
)  # fmt: skip
"""What makes a refusal out of words."""
JUDGED = frozenset({"outcome", "axis"})
"""Arguments of a refusal that are not words."""
TOLD = frozenset({"where", "place", "pointer", "expected", "found", "remedy", "sentence"})
"""Names of what only a refusal tells."""


@dataclass(frozen=True)
class Change:
    """The statement that a mutant changes, before and after."""

    before: str
    after: str
    only_words: bool


def change(tree: Path, name: str) -> Change:
    """What a mutant of the copy in `tree` changes."""
    module, _, mutant = name.rpartition(".")
    path = tree / Path(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    lines = file.read_text().splitlines()
    old = _function(lines, f"{mutant.rpartition('__mutmut_')[0]}__mutmut_orig")
    new = _function(lines, mutant)
    new.name = old.name
    steps = [(old, new), *_down(old, new)]
    told = next((a, b) for a, b in reversed(steps) if isinstance(a, ast.stmt | ast.match_case))
    return Change(*map(_shown, told), _only_words([a for a, _ in steps], steps[-1]))


def _function(lines: list[str], name: str) -> ast.FunctionDef:
    start = next(n for n, line in enumerate(lines) if line.lstrip().startswith(f"def {name}("))
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and (
        not lines[end].strip()
        or len(lines[end]) - len(lines[end].lstrip()) > indent
        or lines[end].lstrip().startswith(")")
    ):
        end += 1
    found = ast.parse(textwrap.dedent("\n".join(lines[start:end]))).body[0]
    assert isinstance(found, ast.FunctionDef)  # noqa: S101 — the line says so
    return found


def _down(old: ast.AST, new: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """The nodes that differ, from the outermost to the innermost that has one counterpart."""
    pairs = list(zip(ast.iter_child_nodes(old), ast.iter_child_nodes(new), strict=False))
    apart = [(a, b) for a, b in pairs if ast.dump(a) != ast.dump(b)]
    same = len(pairs) == len(list(ast.iter_child_nodes(old)))
    if type(old) is type(new) and same and len(apart) == 1:
        yield apart[0]
        yield from _down(*apart[0])


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


def _only_words(path: list[ast.AST], innermost: tuple[ast.AST, ast.AST]) -> bool:
    for node in path:
        if isinstance(node, ast.keyword) and node.arg in JUDGED:
            return False
    if any(isinstance(node, ast.Raise) or _refuses(node) for node in path):
        return not any(isinstance(node, ast.IfExp) for node in path)
    told = [node for node in path if isinstance(node, ast.keyword) and node.arg in TOLD]
    assigned = [node.targets[0] for node in path if isinstance(node, ast.Assign)]
    return bool(told) or any(_is_told(node) for node in (*assigned, innermost[0]))


def _refuses(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = (
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    )
    return name in REFUSALS


def _is_told(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in TOLD
