"""Answers go out to people without their arms, and labels come back as rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import SafetyCaseError
from safetycase.methods.calibration import blind_name, drawn, label_gaps
from safetycase.run.labels import people_asked
from tests.unit.methods.test_calibration import DIGEST, _evidence, _plan

PLAN = _plan(raters=2)


def _asked(folder: Path) -> tuple[list[Any], list[Path]]:
    return people_asked(PLAN, DIGEST, _evidence(PLAN), beside=folder, out=folder)


def _lines(folder: Path) -> list[dict[str, Any]]:
    _, [sheet] = _asked(folder)
    return [json.loads(line) for line in sheet.read_text().splitlines()]


def test_the_sheet_tells_nothing_of_the_arm(tmp_path: Path) -> None:
    lines = _lines(tmp_path)
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    assert {tuple(line) for line in lines} == {("answer", "id", "outcomes", "prompt")}
    assert len(lines) == 8
    assert "target" not in json.dumps(lines)


def test_labels_come_back_as_the_rows_that_the_plan_asks_for(tmp_path: Path) -> None:
    labels = [
        {"id": line["id"], "rater": rater, "outcome": "unsafe"}
        for line in reversed(_lines(tmp_path))
        for rater in ("zoe", "ann")
    ]
    text = "".join(json.dumps(label) + "\n" for label in labels)
    (tmp_path / "labels.jsonl").write_text(text)
    rows, waiting = _asked(tmp_path)
    assert waiting == []
    assert [row.rater for row in rows[:2]] == ["ann", "zoe"]
    evidence = _evidence(PLAN)
    complete = replace(evidence, human_labels=rows)
    assert list(label_gaps(PLAN, DIGEST, complete)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "0" * 16},
        {"rater": ""},
        {"outcome": "strange"},
        {"outcome": 3},
        {"arm": "baseline"},
    ],
)
def test_a_wrong_label_is_refused_with_its_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    name = blind_name(DIGEST, drawn(PLAN, DIGEST, _evidence(PLAN))[0])
    label = {"id": name, "rater": "ann", "outcome": "unsafe"} | wrong
    (tmp_path / "labels.jsonl").write_text(json.dumps(label))
    with pytest.raises(SafetyCaseError, match="line 1"):
        _asked(tmp_path)


def test_too_few_labels_are_refused(tmp_path: Path) -> None:
    name = blind_name(DIGEST, drawn(PLAN, DIGEST, _evidence(PLAN))[0])
    label = json.dumps({"id": name, "rater": "ann", "outcome": "unsafe"})
    (tmp_path / "labels.jsonl").write_text(label)
    with pytest.raises(SafetyCaseError, match="2 labels"):
        _asked(tmp_path)
    (tmp_path / "labels.jsonl").write_text(f"{label}\n{label}\n")
    with pytest.raises(SafetyCaseError, match="line 2"):
        _asked(tmp_path)
