"""Several answers to every item: drawn by item and sample alone, and verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.methods.grid import evaluation_named
from safetycase.run.answers import Bench, answers
from safetycase.run.edit import BASELINE_EDIT
from safetycase.run.environment import environment
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run
SAMPLES = 3


@pytest.fixture(scope="module")
def case_path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    value = plan_value()
    value["evaluations"][0]["measure"]["samples"] = SAMPLES
    value["sampling"] = {"temperature": 0.5, "top_k": 6}
    return make(tiny, tmp_path_factory.mktemp("samples"), value=value)


def test_a_case_with_samples_verifies(case_path: Path) -> None:
    require_verified(case_path, at="2026-03-01T00:00:00Z")


def test_every_item_has_its_samples_side_by_side(case_path: Path) -> None:
    plan, _, evidence, case = opened(case_path)
    rows = evidence.answers["requests", "context/target"]
    assert rows.numbers("sample").tolist() == list(range(SAMPLES)) * (len(rows) // SAMPLES)
    said: dict[str, set[str]] = {}
    for row in rows:
        said.setdefault(row.item, set()).add(row.output)
    assert max(len(texts) for texts in said.values()) == SAMPLES
    [axis] = case.results.axes
    assert axis.steering is not None
    assert [len(one.rates) for one in axis.steering.spread or ()] == [SAMPLES, SAMPLES]
    target = next(c for c in axis.comparisons if c.measure == plan.axes[0].claim.measure)
    assert target.clustered is not None
    assert target.clustered.samples == SAMPLES
    held_out = evidence.items.of("requests", "held_out")
    assert target.clustered.clusters == len({item.cluster for item in held_out})


def test_a_sample_depends_on_item_and_number_alone(tiny: Tiny, case_path: Path) -> None:
    """Asked again alone, without its neighbours, an answer is the same."""
    plan, _, evidence, _ = opened(case_path)
    bench = Bench(
        plan, tiny.model, {"tiny": tiny.dictionary}, environment(tiny.model, batch_rows=8)
    )
    known = evidence.answers["requests", "baseline"]
    evaluation = evaluation_named(plan, "requests")
    for place in (1, 5, 11):
        row = known[place]
        item = evidence.items.named(evaluation.dataset, row.item)
        [again] = answers(bench, evaluation, [item], [BASELINE_EDIT], None, [row.sample])
        assert (again.output, again.sample) == (row.output, row.sample)
