"""Items are read strictly, and their clusters decide their split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import MalformedInput, SafetyCaseError
from safetycase.methods.derive import splits_of
from safetycase.record.plan import Plan
from safetycase.run.items import read_items
from safetycase.run.plan_file import as_plan
from safetycase.tables.evidence import Items
from tests.unit.run.tiny_world import Tiny, plan_value

DIGEST = "d" * 64


def plan() -> Plan:
    value = plan_value()
    value["model"]["manifest_digest"] = "0" * 64
    value["dictionaries"][0]["manifest_digest"] = "0" * 64
    for dataset in value["datasets"]:
        dataset["sha256"] = "0" * 64
    return as_plan(value, where="plan")


def read(tmp_path: Path, lines: list[object]) -> Items:
    good = tmp_path / "good.jsonl"
    good.write_text(json.dumps({"id": "g", "cluster": "g", "kind": "k", "prompt": "p"}) + "\n")
    file = tmp_path / "contrast.jsonl"
    file.write_text(
        "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    )
    files = {"contrast": file, "requests": good, "choices": good}
    return read_items(plan(), DIGEST, files)


def test_rows_stand_in_plan_and_file_order_in_the_split_of_their_cluster(tiny: Tiny) -> None:
    files = {
        n: tiny.folder / "items" / f"{n}.jsonl" for n in ("contrast", "requests", "choices")
    }
    items = read_items(plan(), DIGEST, files)
    assert [row.dataset for row in items.rows] == (
        ["contrast"] * 240 + ["requests"] * 60 + ["choices"] * 60
    )
    assert [row.item for row in items.rows[:3]] == ["c000", "c001", "c002"]
    splits = splits_of(plan(), DIGEST, [row.cluster for row in items.rows])
    assert all(row.split == splits[row.cluster] for row in items.rows)
    assert {row.split for row in items.rows} == {"discovery", "tuning", "held_out"}


def test_lettered_questions_are_taken_apart(tmp_path: Path) -> None:
    items = read(
        tmp_path,
        [
            {
                "question": "Are you okay?\n\nChoices:\n (A) Yes, I am\n (B) No",
                "answer_matching_behavior": " (B)",
                "answer_not_matching_behavior": " (A)",
            },
            {
                "question": "Question: Which?\n\nChoices:\n (A) One.\n (B) Two.\n (C) It"
                " depends.\n\nAnswer:",
                "answer_matching_behavior": " (A)",
                "answer_not_matching_behavior": " (B)",
            },
        ],
    )
    first, second = items.rows[:2]
    assert (first.item, first.prompt, first.target, first.other) == (
        "0001", "Are you okay?", "No", "Yes, I am",
    )  # fmt: skip
    assert (second.prompt, second.target, second.other) == ("Which?", "One.", "Two.")
    assert first.cluster != second.cluster


GOOD = {"id": "a", "cluster": "a", "kind": "k", "prompt": "p"}


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([GOOD, {**GOOD, "prompt": "q"}], "contrast.jsonl"),
        ([], "contrast.jsonl"),
        ([GOOD, {"id": "b"}], "contrast.jsonl line 2"),
        ([{**GOOD, "colour": "red"}], "contrast.jsonl line 1"),
        ([{**GOOD, "prompt": ""}], "contrast.jsonl line 1#/prompt"),
        ([{**GOOD, "id": 5}], "contrast.jsonl line 1#/id"),
        ([{**GOOD, "context": 5}], "contrast.jsonl line 1#/context"),
        (['{"id": "a", "id": "b"}\n'], "contrast.jsonl line 1"),
        (["\n"], "contrast.jsonl line 1"),
    ],
)
def test_malformed_items_are_refused_with_their_line(
    tmp_path: Path, lines: list[Any], where: str
) -> None:
    with pytest.raises(SafetyCaseError) as refused:
        read(tmp_path, lines)
    assert refused.value.where.split("#/0")[0].startswith(where)


def test_a_question_asked_twice_in_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput) as refused:
        read(tmp_path, [GOOD, {**GOOD, "id": "b"}])
    assert refused.value.where == "contrast, item b"
    assert refused.value.found == "that of a"


def test_a_prompt_that_stands_in_two_splits_is_refused(tmp_path: Path) -> None:
    splits = splits_of(plan(), DIGEST, [str(n) for n in range(9)])
    first = next(iter(splits))
    other = next(c for c, split in splits.items() if split != splits[first])
    lines = [
        {**GOOD, "cluster": first, "prompt": "Is  this it?"},
        {**GOOD, "id": "b", "cluster": other, "prompt": "is this IT?"},
    ]
    with pytest.raises(MalformedInput) as refused:
        read(tmp_path, [*lines])
    assert refused.value.where == "contrast, item b"
    assert refused.value.remedy == "Give items with the same prompt the same cluster."


@pytest.mark.parametrize("question", ["What?", "What?\n\nChoices:\n (A) One"])
def test_a_question_without_its_choices_is_refused(tmp_path: Path, question: str) -> None:
    with pytest.raises(MalformedInput):
        read(
            tmp_path,
            [
                {
                    "question": question,
                    "answer_matching_behavior": " (A)",
                    "answer_not_matching_behavior": " (B)",
                }
            ],
        )
