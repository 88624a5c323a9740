"""Whether the label tables hold the rows of the kept features, all of them and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from safetycase.methods.gap import Gap
from safetycase.methods.label import checked, words_of
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Items
from safetycase.tables.rows import LabelCheckRow, LabelWordRow, path_of

_WORDS, _CHECKS = path_of("label_words"), path_of("label_checks")


def word_gaps(
    axis: Axis, kept: list[int], items: Items, rows: Sequence[LabelWordRow]
) -> Iterator[Gap]:
    """Words of other features, counted otherwise than they occur, or in another order."""
    prompts = items.of(axis.selection.contrast.dataset, "discovery")
    counts = Counter(word for item in prompts for word in words_of(item.prompt))
    strange = [row for row in rows if row.feature not in kept]
    for row in strange:
        yield Gap(_WORDS, "words of kept features", f"feature {row.feature}")
    for row in rows:
        if row.feature in kept and row.count != counts[row.word]:
            where = f"{_WORDS} feature {row.feature} word {row.word}"
            yield Gap(where, f"{counts[row.word]} occurrences", str(row.count))
    if strange:
        return
    ordered = sorted(rows, key=lambda r: (kept.index(r.feature), -r.activation, r.word))
    if ordered != rows or len({(row.feature, row.word) for row in rows}) != len(rows):
        yield Gap(_WORDS, "words by feature, most active first, once each", "others")


def check_gaps(
    axis: Axis, kept: list[int], items: Items, rows: Sequence[LabelCheckRow]
) -> Iterator[Gap]:
    """Checks of other features or prompts, and words above the prompt that they stand in."""
    held_out = items.of(axis.selection.contrast.dataset, "held_out")
    wanted = checked(held_out, axis.labels.examples)
    for feature in kept:
        own = [row for row in rows if row.feature == feature]
        if [(row.item, row.position) for row in own] != wanted:
            where = f"{_CHECKS} {axis.id} feature {feature}"
            told = "rows: all held-out prompts, then the words of the first ones"
            found = f"{len(own)} rows, or another order"
            yield Gap(where, f"{len(wanted)} {told}", found)
        whole = {row.item: row.activation for row in own if row.position == -1}
        for row in own:
            most = whole.get(row.item, row.activation)
            if row.activation > most:
                here = f"feature {feature} item {row.item} position {row.position}"
                expected = f"at most {most}, the prompt's"
                yield Gap(f"{_CHECKS} {here}", expected, repr(row.activation))
    for feature in sorted({row.feature for row in rows}.difference(kept)):
        yield Gap(_CHECKS, "checks of kept features", f"feature {feature}")
