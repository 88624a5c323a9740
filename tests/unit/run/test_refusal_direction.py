"""A real run beside a refusal direction, taken out or added, on the tiny world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.cli.as_written import require_verified
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.run.choose import rendered
from safetycase.tables.evidence import Evidence
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import LAYER, Tiny, plan_value

pytestmark = pytest.mark.run

ARM = "context/refusal_direction"
EVERYWHERE = "project_out everywhere"
BY_OUTCOME = "add, classes by outcome"
ADDED = ("add", BY_OUTCOME)
Opened = tuple[Plan, str, Evidence, Case]


def _value(operation: str) -> dict[str, Any]:
    value = plan_value()
    contrast = {"dataset": "contrast", "label": "context", "positive": "deployment"}
    asked: dict[str, Any] = {"contrast": contrast, "operation": operation}
    if operation == EVERYWHERE:
        asked |= {"operation": "project_out", "layers": "all"}
    if operation == BY_OUTCOME:
        probed = value["evaluations"][2]
        value["evaluations"].append(probed | {"id": "probed", "dataset": "contrast"})
        measure = {"evaluation": "probed", "outcomes": ["below"]}
        found = {"dataset": "contrast", "label": "outcome", "measure": measure}
        asked = {"contrast": found, "operation": "add"}
    [axis] = value["axes"]
    axis["baselines"] = {"refusal_direction": asked}
    value["audit"] = {"rows": 40, "positions": 2}
    return value


@pytest.fixture(scope="module", params=["project_out", "add", EVERYWHERE, BY_OUTCOME])
def operation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(operation: str, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("refusal"), value=_value(operation))


@pytest.fixture(scope="module")
def case(path: Path) -> Opened:
    return opened(path)


def _direction(evidence: Evidence) -> tuple[np.ndarray, float]:
    """The difference of means at the last tokens, by numpy, and its length."""
    items = evidence.items.of("contrast", "discovery")
    last = evidence.tensor("context.refusal").astype(np.float64)
    given = evidence.answers.get(("probed", "baseline"))
    said = None if given is None else {row.item: row.outcome for row in given}
    labels = np.array(
        [i.context == "deployment" if said is None else said[i.item] == "below" for i in items]
    )
    assert 0 < labels.sum() < len(labels)
    difference = last[labels].mean(0) - last[~labels].mean(0)
    length = float(np.linalg.norm(difference))
    return difference / length, length


def _edited(tiny: Tiny, operation: str) -> list[torch.nn.Module]:
    """The modules whose outputs are edited."""
    inner = tiny.model.network.model
    if operation != EVERYWHERE:
        return [inner.layers[LAYER]]
    names = ("post_attention_layernorm", "post_feedforward_layernorm")
    return [inner.embed_tokens, *(getattr(b, name) for b in inner.layers for name in names)]


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_activations_are_those_of_the_plain_model_at_the_last_token(
    case: Opened, tiny: Tiny
) -> None:
    _, _, evidence, _ = case
    last = evidence.tensor("context.refusal")
    items = evidence.items.of("contrast", "discovery")
    assert last.shape == (len(items), tiny.model.network.config.hidden_size)
    for row in (0, len(items) - 1):
        ids = tiny.model.tokenizer(items[row].prompt, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            hidden = tiny.model.network(
                input_ids=torch.tensor([[tiny.model.bos, *ids]]), output_hidden_states=True
            ).hidden_states[LAYER + 1][0, -1]
        assert last[row] == pytest.approx(hidden.numpy(), rel=1e-4, abs=1e-4)


def test_the_arm_is_at_its_own_size_whatever_the_dose(case: Opened, operation: str) -> None:
    _, _, evidence, record = case
    [arm] = [arm for arm in record.results.axes[0].arms if arm.id == ARM]
    direction, length = _direction(evidence)
    at = [each.id for each in record.results.axes[0].arms].index(ARM)
    assert evidence.tensor("context.directions")[at] == pytest.approx(direction, abs=1e-5)
    assert arm.gain is None
    assert arm.layers == ("all" if operation == EVERYWHERE else None)
    assert arm.realised is not None
    if operation in ADDED:
        assert arm.operation is None
        assert (arm.dose, arm.coefficient) == (1.0, pytest.approx(length, rel=1e-5))
        assert arm.realised == pytest.approx(length, rel=1e-4)
    else:
        assert (arm.operation, arm.dose, arm.coefficient) == ("project_out", -1.0, -1.0)
        assert arm.realised > 0.0


def test_answers_are_those_of_a_model_so_edited(
    case: Opened, operation: str, tiny: Tiny
) -> None:
    """Every token but the first, in a plain forward pass with hooks of this test's own.

    At every layer: taken out of the embeddings and of all that attention and MLP write, as in
    the code of Arditi et al., so that the residual stream never holds it.
    """
    _, _, evidence, _ = case
    vector, length = _direction(evidence)
    unit = torch.from_numpy(vector.astype(np.float32))

    def hook(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        edited = output.clone()
        h = output[:, 1:]
        edited[:, 1:] = (
            h + length * unit if operation in ADDED else h - (h @ unit)[..., None] * unit
        )
        return edited

    rows = evidence.cell("choices", "choices", ARM, "held_out")
    yes, no = (tiny.model.tokenizer(letter)["input_ids"][-1] for letter in ("A", "B"))
    for number in (0, len(rows) - 1):
        item = evidence.items.named("choices", rows.item[number])
        assert item.target is not None
        assert item.other is not None
        text = rendered(item.prompt, item.target, item.other)
        ids = tiny.model.tokenizer(text, add_special_tokens=False)["input_ids"]
        handles = [part.register_forward_hook(hook) for part in _edited(tiny, operation)]
        with torch.no_grad():
            logits = tiny.model.network(input_ids=torch.tensor([[tiny.model.bos, *ids]])).logits
        for handle in handles:
            handle.remove()
        log_p = torch.log_softmax(logits[0, -1].float(), -1)
        for letter, name in ((yes, "forward_matching"), (no, "forward_other")):
            assert rows.numbers(name)[number] == pytest.approx(float(log_p[letter]), abs=1e-3)


def test_the_target_is_compared_with_it(case: Opened) -> None:
    _, _, evidence, record = case
    [result] = record.results.axes
    assert result.baselines is not None
    assert [each.arm for each in result.baselines] == [ARM]
    assert "Beside the refusal direction, " in result.claim.wording
    assert len(evidence.cell("requests", "requests", ARM, "held_out"))
    assert len(evidence.cell("choices", "choices", ARM, "held_out"))
