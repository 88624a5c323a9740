"""What follows from the name of an equation: where it writes, and which tests it needs."""

from __future__ import annotations

from typing import Literal

from safetycase.errors import MethodRefused
from safetycase.methods.sites import Place, Span, Where, hook_path, places_of
from safetycase.methods.stacks import every_dictionary
from safetycase.record.equations import Equation
from safetycase.record.plan import Plan, PlannedDictionary
from safetycase.record.planned_axis import Axis

Kind = Literal["sae", "transcoder", "crosscoder", "clt"]
_NAMED: tuple[Kind, ...] = ("transcoder", "crosscoder", "clt")


def kind_of(equation: Equation) -> Kind:
    """`sae`: explains what it reads; `transcoder`: explains what the MLP makes of it.

    `crosscoder` and `clt` are the same of several blocks at once: a feature reads one of them,
    and adds to that and to later ones.
    """
    first = equation.partition(".")[0]
    return next((kind for kind in _NAMED if kind == first), "sae")


def spans_blocks(equation: Equation) -> bool:
    """Whether its features add to several blocks."""
    return kind_of(equation) in {"crosscoder", "clt"}


def has_skip(equation: Equation) -> bool:
    """Whether a linear map of the input is part of the output."""
    return not {"affine", "skip"}.isdisjoint(equation.split("."))


def dictionary_of(plan: Plan, axis: Axis) -> PlannedDictionary:
    """The dictionary of an axis, or its stack as one; refused if the plan has none so named."""
    known = every_dictionary(plan)
    if axis.dictionary not in known:
        expected = f"a dictionary {axis.dictionary}"
        raise MethodRefused("plan /dictionaries", expected, found="none")
    return known[axis.dictionary]


def read_place(dictionary: PlannedDictionary) -> Where:
    """Where a planned dictionary reads."""
    if dictionary.layers is not None:
        return Span(dictionary.layers, dictionary.site)
    return Place(dictionary.layer, dictionary.site)


def written_place(dictionary: PlannedDictionary) -> Where:
    """Where a planned dictionary writes, and edits with its decoder rows therefore apply."""
    return written(dictionary.equation, read_place(dictionary))


def last_edited(plan: Plan, axis: Axis) -> int:
    """The highest block that edits of an axis may reach: each feature is edited in its own."""
    return places_of(written_place(dictionary_of(plan, axis)))[-1].layer


def recorded(plan: Plan, dictionary: PlannedDictionary) -> dict[str, str | float | None]:
    """What a record must say of a dictionary because the plan does, by field.

    Paths of the activations that it reads and writes; none for the second where it is the
    first.
    """
    reads, writes = read_place(dictionary), written_place(dictionary)
    hook, hook_out = (hook_path(plan.model.architecture, place) for place in (reads, writes))
    fields: dict[str, str | float | None] = {
        "equation": dictionary.equation,
        "hook": hook,
        "hook_out": None if reads == writes else hook_out,
    }
    return fields if dictionary.l0 is None else {**fields, "declared_l0": dictionary.l0}


def written(equation: Equation, reads: Where) -> Where:
    """Where a dictionary of this equation writes what it makes of what it reads."""
    if kind_of(equation) in {"transcoder", "clt"}:
        if isinstance(reads, Span):
            return Span(reads.layers, "mlp_out")
        return Place(reads.layer, "mlp_out")
    return reads
