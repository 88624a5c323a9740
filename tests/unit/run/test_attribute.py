"""Attribution is what a small edit does, and a case of it verifies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.cli.as_written import require_verified
from safetycase.methods.identify import attributed, pooled
from safetycase.methods.sites import Place, places_of
from safetycase.run import attribute
from safetycase.run.attribute import batch_attributions, log_odds
from safetycase.run.choose import Question, question_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.stacked import StackedDictionary
from safetycase.run.model import LoadedModel, wrap
from safetycase.run.prompts import pad_left
from safetycase.run.sites import on_write
from safetycase.tables.rows import ItemRow
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import policy
from tests.unit.run.test_layered_runs import crosscoder
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.test_stacked_runs import LAYERS as PARTS
from tests.unit.run.test_stacked_runs import write_parts
from tests.unit.run.tiny_world import (
    DICTIONARY_CONFIG,
    Tiny,
    load_dictionary,
    plan_value,
    spanning_dictionary,
    tiny_network,
    tiny_tokenizer,
    write_dictionary,
)

pytestmark = pytest.mark.run

TEXTS = (
    "the audit comes and the drill . user : is a drill near ? assistant :",
    "the market comes and the harbor . near the garden . user : is a drill near ? assistant :",
    "the score comes .",
)


def _item(number: int) -> ItemRow:
    name = f"q{number}"
    return ItemRow("choices", name, name, "k", None, "discovery", "yes", "no", TEXTS[number])


def _asked(model: LoadedModel) -> list[Question]:
    return [question_of(model, _item(number), where="here") for number in range(len(TEXTS))]


def _measured(
    model: LoadedModel, asked: list[Question], edits: Mapping[Place, Any]
) -> torch.Tensor:
    """The measured quantity of each question, under edits of whole activations."""
    batch = pad_left([prompt for one in asked for prompt in (one.forward, one.swapped)], model)
    handles = [
        handle
        for place, edit in edits.items()
        for handle in on_write(model, place, partial(edit, batch))
    ]
    try:
        with torch.no_grad():
            logits = model.network(
                input_ids=batch.ids,
                attention_mask=batch.real,
                position_ids=batch.positions,
                use_cache=False,
            ).logits[:, -1]
    finally:
        for handle in handles:
            handle.remove()
    return log_odds(torch.log_softmax(logits, -1), asked)


def _differences(
    model: LoadedModel, dictionary: Dictionary, asked: list[Question], feature: int, step: float
) -> np.ndarray:
    """(M(h + step·z·d) - M(h - step·z·d)) / 2 step, at every token but the first."""

    def moved(by: float) -> Any:
        def edit(batch: Any, h: torch.Tensor) -> torch.Tensor:
            z = dictionary.encode_chosen(h, [feature]).to(h)
            d = torch.from_numpy(dictionary.decoder_rows([feature])).to(h)
            return h + by * batch.editable[..., None] * (z @ d)

        return {dictionary.writes: edit}

    up, down = (_measured(model, asked, moved(by)) for by in (step, -step))
    difference: np.ndarray = ((up - down) / (2 * step)).double().numpy()
    return difference


def _written(tmp_path: Path, site: str, network: Any) -> Dictionary:
    hook = {"resid_post": "output", "mlp_out": "post_feedforward_layernorm.output"}[site]
    config = DICTIONARY_CONFIG | {"hf_hook_point_in": f"model.layers.1.{hook}"}
    folder = write_dictionary(tmp_path / site, spanning_dictionary(network), config)
    return load_dictionary(folder)


@pytest.mark.parametrize("site", ["resid_post", "mlp_out"])
def test_attribution_is_what_a_small_edit_does(tmp_path: Path, site: str) -> None:
    """In float64, though norms of the network compute in float32: a smaller step is noisier."""
    network = tiny_network()
    dictionary = _written(tmp_path, site, network)
    model = wrap(network.double(), tiny_tokenizer())
    asked = _asked(model)
    found = np.stack(batch_attributions(model, dictionary, asked))
    fires = np.flatnonzero(np.abs(found).max(axis=0) > 0)
    assert len(fires) > 20
    largest = float(np.abs(found).max())
    assert largest > 1e-3
    for feature in fires[::6].tolist():
        wanted = _differences(model, dictionary, asked, feature, 1e-2)
        assert found[:, feature] == pytest.approx(wanted, rel=0.0, abs=1e-3 * largest)


def test_of_several_blocks_each_feature_counts_with_what_later_ones_make_of_it(
    tiny: Tiny,
) -> None:
    """Of a stack: as its part alone would have it, by small edits of the part's own block."""
    write_parts(tiny)
    model = wrap(tiny_network().double(), tiny_tokenizer())
    parts = [load_dictionary(tiny.folder / name) for name in PARTS]
    dictionary = StackedDictionary("both", parts)
    asked = _asked(model)
    found = np.stack(batch_attributions(model, dictionary, asked))
    assert found.shape[1] == sum(part.width for part in parts)
    largest = float(np.abs(found).max())
    for part, start in zip(parts, (0, parts[0].width), strict=True):
        own = found[:, start : start + part.width]
        assert np.stack(batch_attributions(model, part, asked)) == pytest.approx(
            own, rel=0.0, abs=1e-6 * largest
        )
        fires = np.flatnonzero(np.abs(own).max(axis=0) > 0.01 * largest)
        assert len(fires) > 10
        for feature in fires[::6].tolist():
            wanted = _differences(model, part, asked, feature, 1e-2)
            assert own[:, feature] == pytest.approx(wanted, rel=0.0, abs=1e-3 * largest)


def test_of_a_crosscoder_a_feature_counts_in_all_blocks_that_it_writes(
    tiny: Tiny, tmp_path: Path
) -> None:
    dictionary = load_dictionary(crosscoder(tiny, tmp_path / "crosscoder"))
    model = wrap(tiny_network().double(), tiny_tokenizer())
    asked = _asked(model)
    found = np.stack(batch_attributions(model, dictionary, asked))
    largest = float(np.abs(found).max())
    first, later = places_of(dictionary.writes)
    of_first = np.abs(found[:, : dictionary.width // 2]).max(axis=0)
    chosen = np.flatnonzero(of_first > 0.1 * largest)[::4].tolist()
    assert len(chosen) > 3
    for feature in chosen:
        row = torch.from_numpy(dictionary.decoder_rows([feature])).double()
        rows = dict(zip((first, later), torch.chunk(row, 2, -1), strict=True))

        def moved(by: float, rows: Any = rows, feature: int = feature) -> Any:
            active: list[torch.Tensor] = []

            def edit(place: Place, batch: Any, h: torch.Tensor) -> torch.Tensor:
                if place == first:
                    active[:] = [dictionary.chosen_at({first: h.float()}, [feature]).to(h)]
                return h + by * batch.editable[..., None] * (active[0] @ rows[place])

            return {place: partial(edit, place) for place in rows}

        up, down = (_measured(model, asked, moved(by)) for by in (1e-2, -1e-2))
        wanted = ((up - down) / 2e-2).numpy()
        assert found[:, feature] == pytest.approx(wanted, rel=0.0, abs=1e-3 * largest)


def test_a_batch_changes_nothing_and_no_weight_has_a_gradient(tiny: Tiny) -> None:
    asked = _asked(tiny.model)
    modules = list(tiny.model.network.modules())
    before = [list(m._forward_hooks) for m in modules]
    together = batch_attributions(tiny.model, tiny.dictionary, asked)
    for one, row in zip(asked, together, strict=True):
        [alone] = batch_attributions(tiny.model, tiny.dictionary, [one])
        assert row == pytest.approx(alone, abs=1e-5)
        assert np.abs(row).max() > 0
    weights = tiny.model.network.parameters()
    assert all(w.grad is None and not w.requires_grad for w in weights)
    assert [list(m._forward_hooks) for m in modules] == before


def _value(tiny: Tiny) -> dict[str, Any]:
    """The contrast's prompts as questions, and features that lower the log-odds of yes."""
    folder = tiny.folder / "items"
    lines = (folder / "contrast.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"target": "yes", "other": "no"} for line in lines]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    value = plan_value()
    made = "made for this test"
    value["datasets"].append({"id": "asked", "path": "../items/asked.jsonl", "source": made})
    value["datasets"] = [one for one in value["datasets"] if one["id"] != "contrast"]
    measure = {"kind": "choice"}
    value["evaluations"] += [
        {"id": "asked", "dataset": "asked", "title": "Asked", "measure": measure}
    ]
    value["evaluations"][2]["measure"]["contrast"] = "asked"
    [axis] = value["axes"]
    axis["selection"] |= {
        "statistic": "attribution",
        "attribution": {"evaluation": "asked", "direction": "down"},
    }
    axis["selection"]["contrast"]["dataset"] = "asked"
    value["controls"] |= {"random_live_features": 19, "random_directions": 19, "best_of": 1}
    return value


@pytest.fixture(scope="module")
def path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("attributed"), value=_value(tiny))


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_features_of_several_blocks_are_ranked_together(tiny: Tiny, tmp_path: Path) -> None:
    value = _value(tiny)
    write_parts(tiny)
    [dictionary] = value["dictionaries"]
    value["dictionaries"] = [
        dictionary | {"id": name, "path": f"../{name}", "layer": layer}
        for name, layer in PARTS.items()
    ]
    value["stacks"] = [{"id": "both", "parts": list(PARTS)}]
    value["axes"][0] |= {"dictionary": "both"}
    case = make(tiny, tmp_path, value=value)
    require_verified(case, at="2026-03-01T00:00:00Z")
    _, _, _, record = opened(case)
    kept = record.results.axes[0].identification.features
    assert {one.of_part.part for one in kept if one.of_part} == {0, 1}
    means = [one.attribution for one in kept if one.attribution is not None]
    assert len(means) == len(kept)
    assert means == sorted(means)


def test_the_run_publishes_what_it_ranked_by(path: Path, tiny: Tiny) -> None:
    plan, _, evidence, case = opened(path)
    [axis], [result] = plan.axes, case.results.axes
    found = attributed(axis, evidence)
    assert found.shape == pooled(axis, evidence).shape
    items = evidence.items.of("asked", "discovery")
    asked = [question_of(tiny.model, item, where="here") for item in items]
    for number in (0, len(items) - 1):
        [again] = batch_attributions(tiny.model, tiny.dictionary, [asked[number]])
        fires = found[number] != 0
        assert fires.any()
        assert found[number][fires] == pytest.approx(again[fires], abs=1e-5)
    kept = result.identification.features
    assert kept
    means = [one.attribution for one in kept]
    assert means == sorted(means)
    assert all(mean < 0.0 for mean in means)


def test_where_memory_runs_out_fewer_questions_share_a_batch(
    path: Path, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the forward pass, after the hooks are set: none stays behind, and the record tells."""
    seen: list[int] = []

    def small(log_p: torch.Tensor, asked: Sequence[Question]) -> torch.Tensor:
        seen.append(len(asked))
        if len(asked) > 3:
            torch.empty(2**60, dtype=torch.uint8)
        return log_odds(log_p, asked)

    monkeypatch.setattr(attribute, "log_odds", small)
    again = make(tiny, tmp_path, value=_value(tiny))
    assert seen[:3] == [8, 4, 2]
    assert set(seen[3:-1]) == {2}
    plan, _, evidence, case = opened(again)
    [told] = case.deviations
    assert told.what.startswith("The attribution of context was measured in smaller batches")
    assert ", at last of 2 questions;" in told.what
    [axis] = plan.axes
    _, _, before, whole = opened(path)
    assert whole.deviations == ()
    assert attributed(axis, evidence) == pytest.approx(attributed(axis, before), abs=1e-5)
    outcomes = verify(again, policy(must_hold="none"), at="2026-03-01T00:00:00Z").outcomes()
    assert outcomes["ORD-002"] is Outcome.UNKNOWN
