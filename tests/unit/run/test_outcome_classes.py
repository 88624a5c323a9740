"""A real run whose features are sought by what the unedited model did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.methods.classes import classes_of
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run


def _value() -> dict[str, Any]:
    """Classes by what a probe says of the contrast's prompts, and by what no text is."""
    value = plan_value()
    everywhere = {
        "id": "everywhere",
        "dataset": "contrast",
        "title": "The probe on the contrast",
        "measure": value["evaluations"][2]["measure"],
    }
    value["evaluations"].append(everywhere)
    [axis] = value["axes"]
    axis["selection"]["contrast"] = {
        "dataset": "contrast",
        "label": "outcome",
        "measure": {"evaluation": "everywhere", "outcomes": ["above"]},
    }
    silent = plan_value()["axes"][0]
    silent |= {"id": "nothing", "title": "Nothing", "purpose": "diagnostic"}
    silent["claim"]["kind"] = "no_harmful_change"
    silent["selection"]["contrast"] = {
        "dataset": "requests",
        "label": "outcome",
        "measure": {"evaluation": "requests", "outcomes": ["incoherent"]},
    }
    value["axes"].append(silent)
    value["controls"] |= {"random_live_features": 19, "random_directions": 19, "best_of": 1}
    value["controls"] |= {"shuffled_labels": 19}
    return value


@pytest.fixture(scope="module")
def path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("outcomes"), value=_value())


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_classes_are_the_baselines_outcomes(path: Path) -> None:
    plan, _, evidence, case = opened(path)
    found, nothing = case.results.axes
    said = {row.item: row.outcome for row in evidence.answers["everywhere", "baseline"]}
    for split in ("discovery", "held_out"):
        items = evidence.items.of("contrast", split)
        classes = classes_of(plan.axes[0].selection.contrast, evidence, split)
        assert classes.positive.tolist() == [said[item.item] == "above" for item in items]
    assert (
        found.identification.positive_items
        == classes_of(plan.axes[0].selection.contrast, evidence, "discovery").sizes[0]
    )
    best = found.identification.features[0]
    assert isinstance(best.held_out_auroc, float)
    assert best.held_out_auroc > 0.6
    assert nothing.identification.features == ()
    assert nothing.identification.candidates == 0
    assert nothing.claim.wording.startswith("No feature was found: 0 discovery items are")
