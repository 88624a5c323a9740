"""A case of scripts made again: by several processes, and row by row by somebody else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.errors import PromptTooLong
from safetycase.methods.replay import compared
from safetycase.methods.turns import script_of
from safetycase.run import replay as again
from safetycase.run.bind import RunOptions
from safetycase.run.engines.options import EngineOptions
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from tests.unit.run.test_pipeline import Clock, Verified, make, timeless, write_plan
from tests.unit.run.test_pipeline import opened as pipeline_opened
from tests.unit.run.test_replay import bound_to, opened
from tests.unit.run.test_turns import TEMPLATE, scripted_plan, write_scripts
from tests.unit.run.tiny_world import Tiny, build, plan_value

pytestmark = pytest.mark.run


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    tiny = build(tmp_path_factory.mktemp("spoken"))
    write_scripts(tiny)
    return tiny


@pytest.fixture(scope="module")
def case_path(spoken: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(spoken, tmp_path_factory.mktemp("turns"), value=scripted_plan())


def test_two_processes_make_the_same_case(
    spoken: Tiny, case_path: Path, tmp_path: Path
) -> None:
    shared = run(
        write_plan(spoken, scripted_plan()),
        tmp_path,
        clock=Clock(),
        progress=Silent(),
        verify=Verified(),
        options=RunOptions(threads=1, batch_rows=96),
        engine=EngineOptions(workers=2),
    )
    assert timeless(shared) == timeless(case_path)


def test_rows_of_scripts_are_measured_again_to_the_same_digits(
    spoken: Tiny, case_path: Path, tmp_path: Path
) -> None:
    signed = Path(shutil.copy(case_path, tmp_path))
    generate(tmp_path / "lab", "lab")
    sign_case(signed, tmp_path / "lab")
    here = opened(signed)
    bench = bound_to(signed, spoken, tmp_path).bench
    rows = here.published.tables["generations"]
    places = [again.RowPlace(table="generations", line=n + 2) for n in range(0, len(rows), 40)]
    found = again.measure_again(bench, here.published, here.case_seed, places, Silent())
    assert len(found) == len(places) > 20
    for place in places:
        assert compared(here.published, place, found[place]).differs == ()


@pytest.mark.parametrize("kind", ["requests", "scripts"])
def test_what_is_too_long_only_behind_a_text_is_refused_at_once(
    tmp_path: Path, kind: str
) -> None:
    """The arm that puts a text in front of prompts must be able to answer all of them, too."""
    tiny = build(tmp_path / "world")
    write_scripts(tiny)
    path = tiny.folder / "items" / f"{kind}.jsonl"
    lines = path.read_text().splitlines()
    long = {"requests": "prompt", "scripts": "turns"}[kind]
    for number in range(9):  # one of them at least is held out
        text = "the bread " * 39 + "no " * number  # 88 of 96 tokens at most, and 6 to come
        extra = json.loads(lines[0]) | {"id": f"x{number}", "cluster": f"x{number}"}
        lines.append(json.dumps(extra | {long: text if kind == "requests" else [text]}))
    path.write_text("\n".join(lines) + "\n")
    value = scripted_plan() if kind == "scripts" else plan_value()
    value["axes"][0]["baselines"] = {"prefix": "the guest . " * 4}
    with pytest.raises(PromptTooLong, match="item x"):
        make(tiny, tmp_path / "out", value=value)
    assert not list((tmp_path / "out" / "work" / "units").glob("*.jsonl"))


def test_scripts_in_a_chat_template_verify_with_their_traces(tmp_path: Path) -> None:
    """Every second item has a system text of its own in the place of the plan's."""
    tiny = build(tmp_path / "world")
    (tiny.folder / "model" / "chat_template.jinja").write_text(TEMPLATE)
    write_scripts(tiny)
    path = tiny.folder / "items" / "scripts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows[::2]:
        row["system"] = "the rubric is near"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    value = scripted_plan("every") | {"chat_template": {"system": "guest is near"}}
    del value["evaluations"][0]["measure"]["turns"]["frame"]
    made = make(tiny, tmp_path / "out", value=value)
    require_verified(made, at="2026-03-01T00:00:00Z")
    plan, _, evidence, case = pipeline_opened(made)
    assert plan.chat_template is not None
    assert case.subject.tested.chat_template == plan.chat_template.sha256
    systems = {
        script.system
        for row in evidence.items.of("scripts", "held_out")
        if (script := script_of(row.prompt))
    }
    assert systems == {None, "the rubric is near"}
