"""A real run whose features are searched for in other ways, on prompts of a foreign CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.methods.identify import held_out_scores
from tests.unit.run.test_pipeline import make, opened, with_nothing
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run


def _value(tiny: Tiny) -> dict[str, Any]:
    value = with_nothing(tiny, *plan_value()["axes"])
    for axis, pooling in zip(value["axes"], ("mean", "last"), strict=True):
        axis["selection"] |= {
            "statistic": "standardised_mean_difference",
            "correction": "benjamini_hochberg",
            "pooling": pooling,
        }
    lines = (tiny.folder / "items" / "contrast.jsonl").read_text().splitlines()
    with (tiny.folder / "items" / "foreign.csv").open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["number", "text", "label"])
        for number, line in enumerate(lines):
            row = json.loads(line)
            writer.writerow([number, row["prompt"], row["context"]])
    [contrast] = [one for one in value["datasets"] if one["id"] == "contrast"]
    columns = {"prompt": "text", "context": "label", "cluster": "number"}
    contrast |= {"path": "../items/foreign.csv", "columns": columns}
    # the prompts of the other dataset are the same: leave its splits to its clusters
    dealt = tiny.folder / "items" / "dealt.jsonl"
    rows = [json.loads(line) for line in dealt.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["cluster"] = str(number)
    dealt.write_text("".join(json.dumps(row) + "\n" for row in rows))
    value["controls"] |= {"random_live_features": 19, "random_directions": 19, "best_of": 1}
    return value


@pytest.fixture(scope="module")
def path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("searches"), value=_value(tiny))


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_features_are_found_by_their_means_and_held_to_them(path: Path) -> None:
    plan, _, evidence, case = opened(path)
    found, nothing = case.results.axes
    kept = found.identification.features
    assert len(kept) == 3
    differences = [one.standardised_difference or 0.0 for one in kept]
    assert differences == sorted(differences, reverse=True)
    assert kept[0].held_out_auroc > 0.8
    largest = {
        (row.feature, row.item): row.activation
        for row in evidence.label_checks
        if row.axis == "context" and row.position == -1
    }
    for one in kept:
        scores = held_out_scores(plan.axes[0], one.feature, evidence)
        tops = [a for (feature, _), a in largest.items() if feature == one.feature]
        assert len(scores) == len(tops)
        assert all(s <= top * (1 + 1e-5) for s, top in zip(scores, tops, strict=True))
        assert any(s < 0.9 * top for s, top in zip(scores, tops, strict=True) if top)
    assert nothing.identification.features == ()
    assert evidence.tensor("nothing.held_out").shape[1] == 0


def test_items_of_a_foreign_file_stand_in_the_case(path: Path) -> None:
    _, _, evidence, _ = opened(path)
    rows = [row for row in evidence.items.rows if row.dataset == "contrast"]
    assert [row.item for row in rows[:2]] == ["0001", "0002"]
    assert {row.kind for row in rows} == {"item"}
    assert {row.context for row in rows} == {"evaluation", "deployment"}
