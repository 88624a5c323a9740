"""Which family reads a dictionary: by the equation asked for, or by its files' names."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from safetycase.errors import RunFailed
from safetycase.record.equations import Equation
from safetycase.run.dictionaries import (
    circuit_tracer,
    circuit_tracer_clt,
    gemma_scope_1,
    gemma_scope_2,
    gemma_scope_2_layers,
    llama_scope,
    qwen_scope,
    saelens,
    sparsify,
)
from safetycase.run.dictionaries.specification import Specification, Stated
from safetycase.run.folder import Folder

FAMILIES: tuple[ModuleType, ...] = (
    gemma_scope_2,
    gemma_scope_2_layers,
    gemma_scope_1,
    saelens,
    sparsify,
    circuit_tracer_clt,
    circuit_tracer,
    llama_scope,
    qwen_scope,
)
"""Each has EQUATIONS, MARKS (the names that tell its folders) and specify(folder, stated)."""

FAMILY_OF: Mapping[Equation, ModuleType] = {
    equation: family for family in FAMILIES for equation in family.EQUATIONS
}
"""The family of every equation."""


def specify(folder: Folder, stated: Stated) -> Specification:
    """What the files of a folder say of the dictionary in it; no number is read.

    With an equation stated, its family reads the folder; else the one whose name the folder
    has, or the first whose files are there. Refused: a folder that no family knows.
    """
    family = FAMILY_OF[stated.equation] if stated.equation else _recognised(folder, stated)
    specification: Specification = family.specify(folder, stated)
    return specification


def _recognised(folder: Folder, stated: Stated) -> ModuleType:
    if qwen_scope.NAME.search(folder.path):
        return qwen_scope
    for family in FAMILIES:
        for marks in family.MARKS:
            if all(folder.optional(name, role) is not None for name, role in marks):
                return family
    known = "; ".join(
        " and ".join(name for name, _ in marks) for family in FAMILIES for marks in family.MARKS
    )
    raise RunFailed(
        stated.where,
        f"the files of a known family ({known}) in {folder.path}",
        found=folder.instead(),
        remedy="Name the folder that holds them, or state the equation.",
    )
