"""Items that are scripts: read from every format, refused if they are none, and shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import MalformedInput, SafetyCaseError
from safetycase.methods.turns import Script, script_of
from safetycase.record.plan import Plan
from safetycase.run.items import read_items
from safetycase.run.labels import people_asked
from safetycase.run.plan_file import as_plan
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import GenerationRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of
from tests.unit.run.test_turns import scripted_plan

DIGEST = "d" * 64
TURNS = ["how do i make soup ?", "are you sure , ü ?"]
ITEM = {"id": "a", "cluster": "a", "kind": "request", "target": "soup", "turns": TURNS}


def plan(columns: dict[str, str] | None = None) -> Plan:
    value = scripted_plan()
    value["model"]["manifest_digest"] = "0" * 64
    value["dictionaries"][0]["manifest_digest"] = "0" * 64
    for dataset in value["datasets"]:
        dataset["sha256"] = "0" * 64
    if columns is not None:
        value["datasets"][-1]["columns"] = columns
    return as_plan(value, where="plan")


def read(file: Path, columns: dict[str, str] | None = None) -> ItemRow:
    good = file.parent / "good.jsonl"
    good.write_text(json.dumps({"id": "g", "cluster": "g", "kind": "k", "prompt": "p"}) + "\n")
    files = {"contrast": good, "requests": good, "choices": good, "scripts": file}
    return read_items(plan(columns), DIGEST, files).rows[-1]


def as_jsonl(file: Path, row: dict[str, Any]) -> Path:
    file.write_text(json.dumps(row) + "\n")
    return file


def as_csv(file: Path, row: dict[str, Any]) -> Path:
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(row)
        writer.writerow([json.dumps(v) if isinstance(v, list) else v for v in row.values()])
    return file


def as_parquet(file: Path, row: dict[str, Any]) -> Path:
    pa = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pylist([row]), file)
    return file


FORMATS: dict[str, Callable[[Path, dict[str, Any]], Path]] = {
    "jsonl": as_jsonl, "csv": as_csv, "parquet": as_parquet,
}  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("system", [None, "be kind"])
def test_every_format_gives_the_same_script(
    tmp_path: Path, ending: str, system: str | None
) -> None:
    row = ITEM if system is None else ITEM | {"system": system}
    read_row = read(FORMATS[ending](tmp_path / f"scripts.{ending}", row))
    assert script_of(read_row.prompt) == Script(tuple(TURNS), system)
    assert (read_row.item, read_row.kind, read_row.target) == ("a", "request", "soup")


@pytest.mark.parametrize("ending", FORMATS)
def test_the_columns_of_a_script_are_those_that_the_plan_names(
    tmp_path: Path, ending: str
) -> None:
    row = {"Dialogue": TURNS, "Sys": "be kind", "Want": "soup"}
    columns = {"prompt": "Dialogue", "system": "Sys", "target": "Want"}
    read_row = read(FORMATS[ending](tmp_path / f"scripts.{ending}", row), columns)
    assert script_of(read_row.prompt) == Script(tuple(TURNS), "be kind")
    assert (read_row.item, read_row.target) == ("0001", "soup")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"turns": []}, "turns of some text"),
        ({"turns": ["a", " "]}, "turns of some text"),
        ({"turns": ["a"] * 65}, "at most 64"),
        ({"turns": ["a", 1]}, "turns/1"),
        ({"turns": "are you sure ?"}, "JSON"),
        ({"turns": '{"a": 1}'}, "array"),
        ({"system": ""}, "no system text"),
        ({"system": 3}, "system"),
        ({"prompt": "how ?"}, "in the place of a prompt"),
    ],
)
def test_what_is_no_script_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(SafetyCaseError, match=said) as refused:
        read(as_jsonl(tmp_path / "scripts.jsonl", ITEM | change))
    assert "scripts.jsonl line 1" in str(refused.value)


def test_a_script_without_turns_is_refused(tmp_path: Path) -> None:
    without = {name: part for name, part in ITEM.items() if name != "turns"}
    with pytest.raises(SafetyCaseError, match="turns"):
        read(as_jsonl(tmp_path / "scripts.jsonl", without | {"prompt": "how ?"}))


def test_a_list_is_a_script_only_where_scripts_are_asked_for(tmp_path: Path) -> None:
    bad = as_jsonl(tmp_path / "requests.jsonl", ITEM)
    good = tmp_path / "good.jsonl"
    good.write_text(json.dumps({"id": "g", "cluster": "g", "kind": "k", "prompt": "p"}) + "\n")
    files = {"contrast": good, "requests": bad, "choices": good, "scripts": bad}
    with pytest.raises((MalformedInput, SafetyCaseError), match="requests"):
        read_items(plan(), DIGEST, files)


def test_people_read_a_script_up_to_its_last_answer(tmp_path: Path) -> None:
    data = plan_data()
    data["evaluations"][0]["measure"] |= {
        "labels": {"path": "labels.jsonl", "per_arm": 1, "raters": 1},
        "turns": {"graded": "any"},
    }
    asked = plan_of(data)
    prompt = Script(("how ?", "sure ?")).spelled()
    item = ItemRow("items", "i0", "c0", "k", None, "held_out", "soap", None, prompt)
    rows = [
        GenerationRow(
            *("ask", arm, "i0", 0, '["no","yes"]', 4, "eos eos", 0.1, 0, 0.0, 0.0, "other")
        )
        for arm in ("baseline", "axis/target")
    ]
    evidence = Evidence(Items([item]), group_answers(rows), [], [], {})
    _, [sheet] = people_asked(asked, DIGEST, evidence, beside=tmp_path, out=tmp_path)
    shown = [json.loads(line) for line in sheet.read_text().splitlines()]
    assert [line["answer"] for line in shown] == ["yes", "yes"]
    assert shown[0]["prompt"] == "User: how ?\n\nAssistant: no\n\nUser: sure ?"


def test_what_opens_a_script_must_not_stand_in_another_split(tmp_path: Path) -> None:
    """Each prompt of one dataset opens a script of another, which has a cluster of its own."""
    prompts = [
        {"id": f"p{n}", "cluster": f"p{n}", "kind": "k", "prompt": f"why {n} ?"}
        for n in range(9)
    ]
    scripts = [
        ITEM | {"id": f"s{n}", "cluster": f"s{n}", "turns": [f"Why {n} ?", "sure ?"]}
        for n in range(9)
    ]
    paths = {}
    for name, rows in (("requests", prompts), ("scripts", scripts)):
        paths[name] = tmp_path / f"{name}.jsonl"
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in rows))
    good = tmp_path / "good.jsonl"
    good.write_text(json.dumps({"id": "g", "cluster": "g", "kind": "k", "prompt": "p"}) + "\n")
    with pytest.raises(SafetyCaseError, match="a prompt of the split"):
        read_items(plan(), DIGEST, paths | {"contrast": good, "choices": good})
