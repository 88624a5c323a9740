"""Prompts that leave no room for an answer: excluded if the plan permits it, else refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safetycase.bundle.reader import open_case
from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from safetycase.tables.codec import read_table
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, build, plan_value

pytestmark = pytest.mark.run


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The tiny world with requests that fit into its 96 positions, without an answer."""
    tiny = build(tmp_path_factory.mktemp("wordy"))
    path = tiny.folder / "items" / "requests.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for number in range(3):
        long = rows[number] | {"id": f"long{number}", "cluster": f"long{number}"}
        rows.append(long | {"prompt": "the bread " * 45 + rows[number]["target"]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tiny


def test_long_prompts_are_excluded_from_generation_alone(wordy: Tiny, tmp_path: Path) -> None:
    value = plan_value()
    permitted = ["prompt_longer_than_context"]
    value["exclusions"] = {"causes": permitted, "at_most": 0.2}
    path = make(wordy, tmp_path, value=value)
    require_verified(path, at="2026-03-01T00:00:00Z")
    _, _, evidence, case = opened(path)
    rows = read_table("exclusions", open_case(path).read("evidence/exclusions.jsonl"))
    assert {row.item for row in rows} == {"long0", "long1", "long2"}
    assert {row.evaluation for row in rows} == {"requests"}
    assert {row.cause for row in rows} == set(permitted)
    assert "long0" in set(evidence.answers["probe", "baseline"].item)
    held_out = {row.item for row in rows if row.arm == "context/target"}
    [axis] = case.results.axes
    [target] = [r for r in axis.rates if r.arm == "context/target"][:1]
    assert target.excluded == (len(held_out) or None)


def test_without_leave_a_long_prompt_is_refused(wordy: Tiny, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="to come"):
        make(wordy, tmp_path)
