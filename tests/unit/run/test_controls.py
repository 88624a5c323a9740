"""A real run with every control family and simpler intervention, on the tiny world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.cli.as_written import require_verified
from safetycase.methods import grid
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.run.choose import rendered
from safetycase.tables.evidence import Evidence
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import LAYER, Tiny, plan_value

pytestmark = pytest.mark.run

PREFIX = "the guest is near . "
Opened = tuple[Plan, str, Evidence, Case]


def _value() -> dict[str, Any]:
    value = plan_value()
    value["statistics"]["alpha"] = 0.2
    value["controls"] |= {
        "random_live_features": 4,
        "random_directions": 4,
        "best_of": 1,
        "unrelated_contrasts": {"dataset": "contrast", "count": 4, "minimum_items": 3},
        "shuffled_labels": 4,
        "gaussian_directions": 2,
    }
    value["axes"][0]["baselines"] = {"difference_in_means": True, "prefix": PREFIX}
    value["axes"][0]["matched_degradation"] = {
        "damage": "likelihood",
        "tolerance": 0.1,
        "test": "regression",
    }
    return value


@pytest.fixture(scope="module")
def path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("controls"), value=_value())


@pytest.fixture(scope="module")
def case(path: Path) -> Opened:
    return opened(path)


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_every_arm_of_every_family_has_its_rows(case: Opened) -> None:
    plan, _, evidence, record = case
    [axis] = plan.axes
    assert [test.family for test in record.results.axes[0].controls] == [
        "random_live", "random_direction", "unrelated_contrast", "shuffled_label", "gaussian",
    ]  # fmt: skip
    for arm in grid.held_out_arms(plan, axis):
        assert len(evidence.cell("requests", "requests", arm, "held_out"))
    for test in record.results.axes[0].controls:
        assert test.silent == 0


def test_baselines_are_measured_where_side_effects_are(case: Opened) -> None:
    _, _, evidence, record = case
    for role in ("difference_in_means", "prompt"):
        assert len(evidence.cell("choices", "choices", f"context/{role}", "held_out"))
    found = record.results.axes[0].baselines
    assert found is not None
    assert [each.arm for each in found] == ["context/difference_in_means", "context/prompt"]


def test_means_are_those_of_the_plain_model(case: Opened, tiny: Tiny) -> None:
    _, _, evidence, _ = case
    means = evidence.tensor("context.means")
    items = evidence.items.of("contrast", "discovery")
    assert means.shape == (len(items), tiny.model.network.config.hidden_size)
    for row in (0, len(items) - 1):
        ids = tiny.model.tokenizer(items[row].prompt, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            hidden = tiny.model.network(
                input_ids=torch.tensor([[tiny.model.bos, *ids]]), output_hidden_states=True
            ).hidden_states[LAYER + 1][0, 1:]
        assert means[row] == pytest.approx(hidden.mean(0).numpy(), rel=1e-4, abs=1e-4)


def test_a_prompt_edits_nothing_and_stands_before_the_question(
    case: Opened, tiny: Tiny
) -> None:
    _, _, evidence, _ = case
    rows = evidence.cell("choices", "choices", "context/prompt", "held_out")
    assert not rows.edits.any()
    assert not rows.numbers("delta").any()
    yes, no = (tiny.model.tokenizer(letter)["input_ids"][-1] for letter in ("A", "B"))
    for number in (0, len(rows) - 1):
        item = evidence.items.named("choices", rows.item[number])
        assert item.target is not None
        assert item.other is not None
        text = rendered(PREFIX + item.prompt, item.target, item.other)
        ids = tiny.model.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = tiny.model.network(input_ids=torch.tensor([[tiny.model.bos, *ids]])).logits
        log_p = torch.log_softmax(logits[0, -1].float(), -1)
        assert rows.numbers("forward_matching")[number] == pytest.approx(
            float(log_p[yes]), abs=1e-3
        )
        assert rows.numbers("forward_other")[number] == pytest.approx(
            float(log_p[no]), abs=1e-3
        )


def test_damage_is_that_of_the_rows(case: Opened) -> None:
    _, _, evidence, record = case
    found = record.results.axes[0].degradation
    assert found is not None
    assert found.arms[0].arm == "context/target"
    assert len(found.arms) == 1 + 4 * 4

    def mean(arm: str) -> float:
        cell = evidence.cell("requests", "requests", arm, "held_out")
        return float(np.mean(cell.numbers("nll")))

    for arm in (found.arms[0], found.arms[-1]):
        assert arm.damage == pytest.approx(mean(arm.arm) - mean("baseline"), abs=1e-8)
    assert len({arm.damage for arm in found.arms}) > 10


def test_texts_under_a_prompt_are_as_likely_as_after_the_items_own(case: Opened) -> None:
    """Equal texts have one likelihood, whatever led to them."""
    _, _, evidence, _ = case
    one = evidence.cell("requests", "requests", "baseline", "held_out")
    two = evidence.cell("requests", "requests", "context/prompt", "held_out")
    said = zip(
        one.texts("output"), two.texts("output"), one.numbers("nll"), two.numbers("nll"),
        strict=True,
    )  # fmt: skip
    for first, second, before, after in said:
        if first == second:
            assert after == pytest.approx(before, rel=1e-3)
    assert np.isfinite(two.numbers("nll")).all()
