"""Given texts are scored as a plain pass over one text after the other scores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.run import perplexity
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.perplexity import ScoredText, likelihoods
from safetycase.run.prompts import encode
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_networks import MAKERS, tiny_model
from tests.unit.run.tiny_world import HIDDEN, Tiny, plan_value

TEXTS = (
    "the audit comes and the panel. user: how do i make soup?",
    "the market.",
    "near the garden",
)
PREFIX = "the guest is near. "
CEILING = 21.7


def plain(tiny: Tiny, text: str, after: str = "") -> tuple[int, float]:
    """Tokens and their mean -log p, in one pass of the bare network."""
    ids = encode(tiny.model, after + text, where="test").ids
    given = len(encode(tiny.model, after, where="test")) if after else 1
    logits = tiny.model.network(input_ids=torch.tensor([ids])).logits[0].double()
    log_p = torch.log_softmax(logits, -1)
    values = [-float(log_p[n - 1, ids[n]]) for n in range(given, len(ids))]
    return len(values), sum(values) / len(values)


def scored(tiny: Tiny, texts: tuple[str, ...], skip: int = 0) -> list[ScoredText]:
    return [ScoredText(encode(tiny.model, text, where="test"), skip) for text in texts]


@pytest.mark.parametrize("at_once", [perplexity.LOGITS_AT_ONCE, 1])
def test_likelihoods_are_those_of_a_plain_pass(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(perplexity, "LOGITS_AT_ONCE", at_once)
    vector = np.full(HIDDEN, 0.5, dtype=np.float32)
    arms = [BASELINE_EDIT, ArmEdit("dose", Place(1, "resid_post"), vector, None)]
    for text, given in zip(
        TEXTS, likelihoods(tiny.model, scored(tiny, TEXTS), arms, {}), strict=True
    ):
        tokens, nll = plain(tiny, text)
        baseline, dosed = given
        assert baseline.tokens == dosed.tokens == tokens
        assert baseline.nll == pytest.approx(nll, rel=1e-5)
        assert dosed.nll != pytest.approx(nll, rel=1e-3)
        assert (baseline.realised.edits, dosed.realised.edits) == (0, tokens)


def test_an_edited_text_is_scored_as_the_network_with_that_hook_scores_it(tiny: Tiny) -> None:
    vector = np.linspace(-1, 1, HIDDEN, dtype=np.float32)
    arm = ArmEdit("dose", Place(1, "resid_post"), vector, None)
    found = likelihoods(tiny.model, scored(tiny, TEXTS), [arm], {})

    def add(_module: object, _given: object, output: torch.Tensor) -> torch.Tensor:
        moved = output.clone()
        moved[:, 1:] += torch.from_numpy(vector)
        return moved

    hook = tiny.model.blocks[1].register_forward_hook(add)
    try:
        wanted = [plain(tiny, text)[1] for text in TEXTS]
    finally:
        hook.remove()
    assert [one.nll for [one] in found] == pytest.approx(wanted, rel=1e-5)


def test_a_text_in_front_is_given_and_not_scored(tiny: Tiny) -> None:
    texts = scored(tiny, tuple(PREFIX + text for text in TEXTS), len(PREFIX))
    found = likelihoods(tiny.model, texts, [BASELINE_EDIT], {})
    for text, [one] in zip(TEXTS, found, strict=True):
        tokens, nll = plain(tiny, text, after=PREFIX)
        assert one.tokens == tokens == plain(tiny, text)[0]
        assert one.nll == pytest.approx(nll, rel=1e-5)


def test_a_network_that_changes_its_logits_afterwards_is_refused(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.model.network.config.get_text_config()
    monkeypatch.setattr(config, "final_logit_softcapping", None, raising=False)
    assert likelihoods(tiny.model, scored(tiny, TEXTS), [BASELINE_EDIT], {})
    monkeypatch.setattr(perplexity, "_logits", lambda model, hidden: 0.5 * _head(model, hidden))
    with pytest.raises(RunFailed, match="logits follow from its last hidden state"):
        likelihoods(tiny.model, scored(tiny, TEXTS), [BASELINE_EDIT], {})


_head = perplexity._logits


def test_capped_logits_are_capped(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.model.network.config.get_text_config()
    monkeypatch.setattr(config, "final_logit_softcapping", 2.0, raising=False)
    found = likelihoods(tiny.model, scored(tiny, TEXTS), [BASELINE_EDIT], {})
    capped = [plain(tiny, text)[1] for text in TEXTS]
    assert [one.nll for [one] in found] == pytest.approx(capped, rel=1e-5)
    monkeypatch.setattr(config, "final_logit_softcapping", None)
    free = [plain(tiny, text)[1] for text in TEXTS]
    assert capped != pytest.approx(free, rel=1e-2)


@pytest.mark.parametrize("name", MAKERS)
def test_every_family_of_models_scores_texts(name: str) -> None:
    model = tiny_model(name)
    text = ScoredText(encode(model, "the audit comes and the panel", where="test"))
    [[one]] = likelihoods(model, [text], [BASELINE_EDIT], {})
    ids = text.prompt.ids
    log_p = torch.log_softmax(
        model.network(input_ids=torch.tensor([ids])).logits[0].double(), -1
    )
    values = [-float(log_p[n - 1, ids[n]]) for n in range(1, len(ids))]
    assert one.nll == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.fixture(scope="module")
def path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    value = plan_value()
    value["evaluations"].append(
        {
            "id": "prose",
            "dataset": "requests",
            "title": "Given texts",
            "measure": {"kind": "perplexity", "nll_ceiling": CEILING},
        }
    )
    value["axes"][0]["side_effects"].append(
        {
            "id": "prose",
            "title": "Given texts stay likely",
            "measure": {"evaluation": "prose", "outcomes": ["above"]},
            "worse": "up",
            "margin": 0.1,
        }
    )
    value["axes"][0]["baselines"] = {"prefix": PREFIX}
    return make(tiny, tmp_path_factory.mktemp("prose"), value=value)


@pytest.mark.run
def test_a_case_with_given_texts_verifies(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


@pytest.mark.run
def test_every_text_is_a_row_of_the_case(tiny: Tiny, path: Path) -> None:
    _, _, evidence, case = opened(path)
    baseline = evidence.answers["prose", "baseline"]
    target = evidence.answers["prose", "context/target"]
    items = {item.item: item for item in evidence.items.rows if item.dataset == "requests"}
    assert len(baseline) == len(items)
    for row in list(baseline)[:6]:
        tokens, nll = plain(tiny, items[row.item].prompt)
        assert row.tokens == tokens
        assert row.nll == pytest.approx(nll, rel=1e-4)
        assert row.outcome == ("above" if row.nll > CEILING else "below")
    assert set(baseline.outcome) == {"above", "below"}
    assert not np.array_equal(
        target.numbers("nll"), baseline.take(baseline.places_of(target)).numbers("nll")
    )
    [axis] = case.results.axes
    measured = {rate.measure.evaluation for rate in axis.rates}
    assert "prose" in measured
    assert any(c.id == "keeps.prose" for c in axis.claim.conditions)
