"""Which dictionaries of a plan can be taken together, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.methods.equations import kind_of
from safetycase.record.plan import Plan, PlannedDictionary, Stack


def stack_lint(plan: Plan) -> list[str]:
    """Faults of a plan's stacks: parts that there are not, or that do not go together."""
    known = {dictionary.id: dictionary for dictionary in plan.dictionaries}
    return [
        fault for stack in plan.stacks or () for fault in _faults(plan, stack, known, stack.id)
    ]


def _faults(
    plan: Plan, stack: Stack, known: dict[str, PlannedDictionary], name: str
) -> Iterator[str]:
    where = f"/stacks {name} /parts"
    stacks = {other.id for other in plan.stacks or ()}
    for missing in sorted(set(stack.parts) - known.keys()):
        if missing in stacks:
            yield f"{where}: {missing} is a stack; name the dictionaries that it is made of."
        else:
            yield f"{where}: the plan has no dictionary {missing}; known: {', '.join(known)}."
    parts = [known[part] for part in stack.parts if part in known]
    for part in parts:
        if kind_of(part.equation) != "sae":
            yield (
                f"{where}: {part.id} is {part.equation}; a stack is of dictionaries that each "
                "explain the one activation that they read."
            )
    for what, values in (
        ("equation", [part.equation for part in parts]),
        ("site", [part.site for part in parts]),
    ):
        if len(set(values)) > 1:
            found = ", ".join(dict.fromkeys(values))
            yield f"{where}: parts of one {what}, not of {found}; take an axis for each."
    layers = [part.layer for part in parts]
    if layers != sorted(set(layers)):
        found = ", ".join(map(str, layers))
        yield f"{where}: one dictionary a block, the lowest first, not blocks {found}."
