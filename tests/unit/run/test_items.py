"""Items are read strictly, and their clusters decide their split."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import MalformedInput, RunFailed, SafetyCaseError
from safetycase.methods.derive import splits_of
from safetycase.record.plan import Plan
from safetycase.run.items import read_items
from safetycase.run.plan_file import as_plan
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow
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


def read_file(file: Path, columns: dict[str, str] | None = None) -> list[ItemRow]:
    good = file.with_name("good.jsonl")
    good.write_text(json.dumps(GOOD) + "\n")
    value = plan().spelled()
    if columns is not None:
        value["datasets"][0]["columns"] = columns
    files = {"contrast": file, "requests": good, "choices": good}
    items = read_items(as_plan(value, where="plan"), DIGEST, files)
    return [row for row in items.rows if row.dataset == "contrast"]


ROWS: list[dict[str, str]] = [
    {"id": "a", "cluster": "x", "kind": "k", "context": "test", "prompt": 'Is it, "now"?'},
    {"id": "b", "cluster": "y", "kind": "k", "context": "", "prompt": "Two\nlines: så?"},
]


def as_csv(file: Path, rows: list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    with file.open("w", encoding=encoding, newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def as_parquet(file: Path, rows: list[dict[str, Any]]) -> Path:
    pa = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pylist(rows), file, row_group_size=1)
    return file


def as_jsonl(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Path]] = {
    "jsonl": as_jsonl, "csv": as_csv, "parquet": as_parquet,
}  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "parquet", "CSV"])
def test_a_table_gives_the_items_of_its_json_lines(tmp_path: Path, ending: str) -> None:
    lines = [{k: v for k, v in row.items() if v} for row in ROWS]
    wanted = read_file(as_jsonl(tmp_path / "items.jsonl", lines))
    file = WRITERS[ending.lower()](tmp_path / f"items.{ending}", ROWS)
    assert read_file(file) == wanted
    assert [row.context for row in wanted] == ["test", None]


def test_a_spreadsheets_mark_of_byte_order_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = as_csv(tmp_path / "items.csv", ROWS, encoding="utf-8-sig")
    assert [row.item for row in read_file(file)] == ["a", "b"]


FOREIGN: list[dict[str, Any]] = [
    {"text": "How?", "label": 1, "flag": True, "unread": "x" * 9, "answer": "thus"},
    {"text": "Why?", "label": 0, "flag": False, "unread": "y", "answer": "so"},
    {"text": "how?  ", "label": 0, "flag": False, "unread": "z", "answer": "not"},
]


@pytest.mark.parametrize("ending", WRITERS)
def test_the_plan_says_what_foreign_columns_mean(tmp_path: Path, ending: str) -> None:
    file = WRITERS[ending](tmp_path / f"items.{ending}", FOREIGN)
    columns = {"prompt": "text", "context": "label", "target": "answer"}
    first, second, third = read_file(file, columns)
    assert (first.item, first.kind, first.context, first.target) == (
        "0001",
        "item",
        "1",
        "thus",
    )
    assert second.item == "0002"
    assert first.cluster == third.cluster != second.cluster
    assert first.other is None


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_truth_values_are_classes_too(tmp_path: Path, ending: str) -> None:
    file = WRITERS[ending](tmp_path / f"items.{ending}", FOREIGN)
    rows = read_file(file, {"prompt": "text", "context": "flag", "target": "answer"})
    assert [row.context for row in rows] == ["true", "false", "false"]


@pytest.mark.parametrize(
    ("name", "data", "columns", "where", "expected"),
    [
        ("x.csv", b"", None, "x.csv", "at least one item"),
        ("x.csv", b"id,cluster,kind,prompt\n", None, "x.csv", "at least one item"),
        ("x.csv", b"id,cluster,kind,prompt\na,a,k\n", None, "x.csv row 2", "4 cells"),
        ("x.csv", b"id,cluster,kind,prompt\na,a,k,\n", None, "x.csv row 2", "all required"),
        ("x.csv", b"id,id,kind,prompt\n", None, "x.csv", "every column once"),
        ("x.csv", b"id,cluster,kind,prompt\na,a,k,p\na,b,k,q\n", None, "x.csv row 3", "once"),
        ("x.csv", b"id,cluster,kind,prompt\n\xff\xfe,a,k,p\n", None, "x.csv after", "CSV"),
        ("x.csv", b'id,cluster,kind,prompt\na,a,k,"p"q\n', None, "x.csv after row 1", "CSV"),
        ("x.csv", b"text\nhow\n", {"prompt": "txt"}, "x.csv", "the columns txt"),
        ("x.csv", b"t,k\nhow,\n", {"prompt": "t", "kind": "k"}, "x.csv row 2#/k", "some text"),
        ("x.jsonl", b'{"t": 0.5}\n', {"prompt": "t"}, "x.jsonl line 1#/t", "a string"),
        ("x.jsonl", b'{"t": ["a"]}\n', {"prompt": "t"}, "x.jsonl line 1#/t", "a string"),
        ("x.jsonl", b'{"u": "a"}\n', {"prompt": "t"}, "x.jsonl line 1", "all required"),
        ("x.parquet", b"no such thing", None, "x.parquet", "Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_row(
    tmp_path: Path,
    name: str,
    data: bytes,
    columns: dict[str, str] | None,
    where: str,
    expected: str,
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MalformedInput) as refused:
        read_file(tmp_path / name, columns)
    assert refused.value.where.startswith(where)
    assert expected in refused.value.expected


def test_a_number_in_a_parquet_column_of_text_is_refused_with_its_row(tmp_path: Path) -> None:
    file = as_parquet(tmp_path / "x.parquet", [{**ROWS[0], "id": 5}])
    with pytest.raises(MalformedInput) as refused:
        read_file(file)
    assert refused.value.where == "x.parquet row 1#/id"


def test_parquet_without_its_extra_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFailed) as refused:
        read_file(tmp_path / "x.parquet")
    assert refused.value.remedy is not None
    assert "pip install 'safetycase[parquet]'" in refused.value.remedy
