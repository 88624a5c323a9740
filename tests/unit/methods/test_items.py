from __future__ import annotations

from typing import Any

import msgspec

from safetycase.methods.items import crossing_gaps, name_gaps, repeat_gaps, split_gaps
from safetycase.tables.rows import ItemRow
from tests.unit.methods.plans import plan_data, plan_of


def _item(name: str, **fields: Any) -> ItemRow:
    row = ItemRow("items", name, name, "ask", None, "tuning", None, None, f"Q {name}")
    return msgspec.structs.replace(row, **fields)


def test_names_stand_once_in_a_dataset_of_the_plan() -> None:
    rows = [_item("a"), _item("b"), _item("a"), _item("c", dataset="others", cluster="")]
    found = [(gap.where, gap.expected) for gap in name_gaps(plan_of(plan_data()), rows)]
    assert found == [
        ("evidence/items.jsonl line 2", "a name that occurs once"),
        ("evidence/items.jsonl line 4", "a name that occurs once"),
        ("evidence/items.jsonl line 5", "a dataset of the plan"),
        ("evidence/items.jsonl line 5", "a cluster"),
    ]


def test_splits_are_compared_row_by_row() -> None:
    [gap] = split_gaps([_item("a"), _item("b")], [_item("a"), _item("b", split="held_out")])
    assert (gap.where, gap.found) == ("evidence/items.jsonl line 3", "tuning")


def test_a_prompt_crosses_splits_whatever_its_case_and_spacing() -> None:
    rows = [_item("a", prompt="Who is it?"), _item("b", prompt="who  is IT?", split="held_out")]
    [gap] = crossing_gaps(rows)
    assert gap.where == "evidence/items.jsonl line 3"
    assert gap.found == "that of line 2, which is in tuning; this is in held_out"
    assert not list(crossing_gaps([rows[0], _item("c", prompt="Who is it?")]))


def test_a_question_counts_once_in_a_split() -> None:
    rows = [_item("a", prompt="Q"), _item("b", prompt="Q"), _item("c", prompt="Q", target="x")]
    [gap] = repeat_gaps(rows)
    assert (gap.where, gap.found) == ("evidence/items.jsonl line 3", "that of line 2")
