"""What a mutant changes, and whether it is but the words of a refusal."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REFUSALS = frozenset(
    {
        "Fault", "unknown", "_Fault", "_refuse", "refuse", "Gap", "TraceFault", "LabelGap",
        "GoldGap", "TensorFault", "Misnamed", "NotApplicable", "MalformedInput",
        "NotCanonical", "SchemaViolation", "TooLarge", "MethodRefused", "UsageError",
        "Withheld",
    }
)  # fmt: skip
"""What makes a refusal out of words."""
JUDGED = frozenset({"outcome", "axis", "silent"})
"""Arguments of a refusal that are not words."""
SHOWN = 100
"""Characters of a statement that are shown; of a longer one, the largest part that fits."""
TOLD = frozenset({"where", "place", "pointer", "expected", "found", "remedy", "sentence"})
"""Names of what only a refusal tells."""


@dataclass(frozen=True)
class Change:
    """What a mutant changes, before and after: the statement, or the part of a long one."""

    before: str
    after: str
    only_words: bool
    first: int
    """Line in the mutated file at which the statement begins, in the function as it was."""
    last: int
    """Its last line before any statement inside of it."""


def change(tree: Path, name: str) -> Change:
    """What a mutant of the copy in `tree` changes."""
    module, _, mutant = name.rpartition(".")
    path = tree / Path(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    lines = _lines(file)
    old, start = _function(lines, f"{mutant.rpartition('__mutmut_')[0]}__mutmut_orig")
    new, _ = _function(lines, mutant)
    new.name = old.name
    steps = [(old, new), *_down(old, new)]
    told = next((a, b) for a, b in reversed(steps) if isinstance(a, ast.stmt | ast.match_case))
    first, last = _lines_of(told[0])
    words = _only_words([a for a, _ in steps], steps[-1])
    inside = steps[steps.index(told) :]
    short = (pair for pair in inside if max(len(_shown(node)) for node in pair) <= SHOWN)
    shown = next(short, inside[-1])
    return Change(*map(_shown, shown), words, start + first, start + last)


def _lines_of(node: ast.AST) -> tuple[int, int]:
    """First and last line of a statement without the statements inside, from 1.

    Of a function, all of its lines: arguments are bound on none of their own.
    """
    numbers = [n.lineno for n in ast.walk(node) if hasattr(n, "lineno")]
    inner = [n.lineno for n in getattr(node, "body", [])]
    if isinstance(node, ast.FunctionDef) or not inner:
        return min(numbers), max(getattr(n, "end_lineno", 0) or 0 for n in ast.walk(node))
    return min(numbers), max(min(numbers), min(inner) - 1)


@cache
def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def _function(lines: list[str], name: str) -> tuple[ast.FunctionDef, int]:
    """A generated function, and how many lines stand before it."""
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
    return found, start


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
    for place, node in enumerate(path):
        if isinstance(node, ast.Raise) or _refuses(node):
            return not any(isinstance(inner, ast.IfExp) for inner in path[place:])
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
