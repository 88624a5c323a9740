"""Ready axes: what they name is read from public sources, held by digest, and fit for plans."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from safetycase.cli.main import main
from safetycase.digest import sha256_hex
from safetycase.errors import RunFailed, UsageError
from safetycase.record.planned_evaluation import Evaluation
from safetycase.run import axes
from safetycase.run.axes import ReadyAxis, SourceFile, Wheel, item_lines, ready_axis
from safetycase.run.items import read_items
from tests.unit.methods.plans import plan_data, plan_of

READ_HERE = (
    "corrigibility",
    "evaluation_awareness",
    "power_seeking",
    "survival_instinct",
    "wealth_seeking",
)
DATA = b'[{"q":"one?","a":"yes"},{"q":"two?","a":"no"},{"q":"one?","a":"yes"}]'


@pytest.mark.parametrize("name", axes.names())
def test_every_axis_says_what_it_measures_what_not_and_where_its_items_are(name: str) -> None:
    axis = ready_axis(name)
    assert axis.id == name
    assert "**Measures**" in axes.card(name)
    assert "**Does not measure**" in axes.card(name)
    for source in axis.items:
        assert (source.wheel is None) != (source.repository is None)
        assert source.licence
        assert axes.remedy(source).startswith("Run `")


def test_the_axes_that_a_safety_engineer_expects_are_there() -> None:
    assert {
        "refusal",
        "over_refusal",
        "sycophancy",
        "evaluation_awareness",
        "power_seeking",
        "corrigibility",
        "survival_instinct",
        "toxicity",
        "honesty",
        "capability",
    } <= set(axes.names())


@pytest.mark.parametrize("name", READ_HERE)
def test_questions_of_a_clone_are_items_of_a_plan(
    name: str, tmp_path: Path, shared: Path
) -> None:
    clone = str(shared / "data" / "axes")
    assert main(["axes", "fetch", name, "--from", clone, "--out", str(tmp_path)]) == 0
    written = yaml.safe_load((tmp_path / axes.FRAGMENT).read_text())
    dataset = written["datasets"][0]
    assert dataset["sha256"] == sha256_hex((tmp_path / axes.ITEMS).read_bytes())
    evaluation = Evaluation.model_validate_json(json.dumps(written["evaluations"][0]))
    assert set(written["claim"]["measure"]["outcomes"]) <= {"matching", "other"}
    plan = plan_of(plan_data() | {"datasets": written["datasets"]})
    items = read_items(plan, "0" * 64, {evaluation.dataset: tmp_path / axes.ITEMS})
    assert len(items.rows) > 300
    assert all(row.target and row.other for row in items.rows)


def _wheel(folder: Path, data: bytes = DATA, name: str = "asked-1.0-py3-none-any.whl") -> None:
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("asked/__init__.py", "raise SystemExit('imported')")
        archive.writestr("asked/q.json", data)


def _axis(**changes: object) -> ReadyAxis:
    source = SourceFile(
        wheel=Wheel(package="asked", version="1.0"),
        file="asked/q.json",
        sha256=sha256_hex(DATA),
        licence="CC0-1.0",
        layout="json",
        fields={"prompt": "Is it so? {q}", "target": "{a}", "kind": "=choice"},
    )
    axis = ready_axis("honesty")
    return axis.model_copy(update={"items": (source.model_copy(update=changes),)})


def test_a_wheel_is_read_and_never_imported(tmp_path: Path) -> None:
    _wheel(tmp_path)
    lines = [json.loads(line) for line in item_lines(_axis(), tmp_path)]
    assert [(line["prompt"], line["target"]) for line in lines] == [
        ("Is it so? one?", "yes"),
        ("Is it so? two?", "no"),
    ]
    assert [line["id"] for line in lines] == ["0-0000", "0-0001"]


def test_other_bytes_an_absent_source_and_an_absent_field_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFailed) as absent:
        list(item_lines(_axis(), tmp_path))
    assert "pip download --no-deps asked==1.0" in (absent.value.remedy or "")
    _wheel(tmp_path, DATA + b" ")
    with pytest.raises(RunFailed) as other:
        list(item_lines(_axis(), tmp_path))
    assert sha256_hex(DATA + b" ") in (other.value.found or "")
    _wheel(tmp_path)
    with pytest.raises(RunFailed) as field:
        list(item_lines(_axis(fields={"prompt": "{question}"}), tmp_path))
    assert "question" in field.value.expected


def test_the_words_of_a_lexicon_go_into_the_fragment_and_only_there(tmp_path: Path) -> None:
    words = b"foo\nbar baz\n"
    (tmp_path / "words.txt").write_bytes(words)
    (tmp_path / "q.json").write_bytes(DATA)
    lexicon = SourceFile(file="words.txt", sha256=sha256_hex(words), licence="CC0-1.0")
    measure = ready_axis("toxicity").measure
    axis = _axis().model_copy(update={"measure": measure, "lexicon": lexicon})
    made = yaml.safe_load(axes.fragment(axis, tmp_path, b""))
    rules = made["evaluations"][0]["measure"]["grader"]["rules"]
    assert rules[0]["phrases"] == ["foo", "bar baz"]
    assert measure.spelled()["grader"]["rules"][0]["phrases"] == ["LEXICON"]


def test_an_unknown_axis_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        ready_axis("../policies")
    assert main(["axes", "show", "nothing"]) == 2
    assert "power_seeking" in capsys.readouterr().err
    assert main(["axes", "show", "power_seeking"]) == 0
    said = capsys.readouterr().out
    assert "Harm: more of other." in said
    assert "git clone https://github.com/anthropics/evals" in said
    assert main(["axes", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(axes.names())
