"""How a dictionary describes activations, text by text: what its L0 and FVU are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from safetycase.methods.gap import Gap
from safetycase.methods.instruments import FIT_PROMPTS
from safetycase.methods.stacks import parts_of
from safetycase.record.case import SelfTest
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Items
from safetycase.tables.rows import DictionaryTextRow, ItemRow

_DIGITS = 1e-5
"""How far a stated figure may lie from the rows', as a share: both have six digits."""


def tested_with(plan: Plan, dictionary: str) -> Axis:
    """The axis on whose discovery prompts a dictionary is tested: the first that uses it.

    A part of a stack is used by the axes of the stack.
    """
    using = (axis for axis in plan.axes if dictionary in parts_of(plan, axis.dictionary))
    return next(using, plan.axes[0])


def tested_items(plan: Plan, dictionary: str, items: Items) -> Sequence[ItemRow]:
    """The discovery prompts on which a dictionary's L0 and FVU are measured."""
    contrast = tested_with(plan, dictionary).selection.contrast
    return items.of(contrast.dataset, "discovery")[:FIT_PROMPTS]


def l0_of(rows: Sequence[DictionaryTextRow]) -> float:
    """Mean number of active features a token, over all tokens."""
    return sum(row.active for row in rows) / sum(row.tokens for row in rows)


def fvu_of(rows: Sequence[DictionaryTextRow]) -> float:
    """Σ‖y - ŷ‖² / Σ‖y - mean y‖², both pooled over all tokens."""
    return sum(row.error for row in rows) / sum(row.spread for row in rows)


def fit_faults(
    plan: Plan,
    items: Items,
    rows: Sequence[DictionaryTextRow],
    tests: Sequence[SelfTest],
) -> Iterator[Gap]:
    """Rows of other prompts than those tested, and stated figures that are not the rows'."""
    wanted = [
        (dictionary.id, item.item)
        for dictionary in plan.dictionaries
        for item in tested_items(plan, dictionary.id, items)
    ]
    if [(row.dictionary, row.item) for row in rows] != wanted:
        expected = f"{len(wanted)} rows: the tested prompts of every dictionary, in order"
        yield Gap("evidence/dictionary_texts.jsonl", expected, "others")
        return
    for number, test in enumerate(tests):
        own = [row for row in rows if row.dictionary == test.subject]
        figure = {"dictionary_l0": l0_of, "dictionary_fvu": fvu_of}.get(test.id)
        if figure is None or not own:
            continue
        value = figure(own)
        if abs(value - test.value) > _DIGITS * abs(value):
            where = f"case.json#/self_tests/{number}/value"
            yield Gap(where, f"{value:.6g}", f"{test.value:.6g}")
