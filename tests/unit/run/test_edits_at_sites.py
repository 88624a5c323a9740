"""Edits at every site of every architecture, in batches of items x arms, are those alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safetycase.methods.sites import READ_ONLY, SITES, Place
from safetycase.record.plan import Sampling
from safetycase.record.sites import Site
from safetycase.run.arm_run import ArmRun
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.generate import GenerationSettings, generate
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import encode
from safetycase.run.sites import on_write
from tests.unit.run.test_sites import refuse_a_middle
from tests.unit.run.tiny_networks import MAKERS, tiny_model

SETTINGS = GenerationSettings(Sampling(temperature=1.0, top_k=20), 5)
TEXTS = (
    "the audit comes .",
    "the market is near the garden and the guest . how do i make soup ?",
    "a kite near the harbor .",
)
EDITABLE = [site for site in SITES if site not in READ_ONLY]


@pytest.fixture(scope="module", params=sorted(MAKERS))
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return tiny_model(request.param)


def arms_at(model: LoadedModel, *places: Place) -> list[ArmEdit]:
    rng = np.random.default_rng(2)
    arms = [BASELINE_EDIT]
    for number, place in enumerate(places):
        width = model.shape.width_at(place)
        arms.append(ArmEdit(f"sham{number}", place, np.zeros(width, np.float32), None))
        vector = rng.normal(size=width).astype(np.float32)
        arms.append(ArmEdit(f"dose{number}", place, vector, None))
    return arms


@pytest.mark.parametrize("site", EDITABLE)
def test_a_batch_gives_what_each_pair_gives_alone(model: LoadedModel, site: Site) -> None:
    if site == "resid_mid" and getattr(model.block(0), "use_parallel_residual", False):
        refuse_a_middle(model, site)
        return
    prompts = [encode(model, text, where="test") for text in TEXTS]
    arms = arms_at(model, Place(1, site))
    run = ArmRun(model, prompts, arms, {})
    with run.editing():
        together = run.prefill(use_cache=False)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            alone = ArmRun(model, [prompt], [arm], {})
            with alone.editing():
                logits = alone.prefill(use_cache=False)
            found = together[i * len(arms) + a]
            torch.testing.assert_close(found, logits[0], rtol=1e-4, atol=1e-4)
    rows = together.reshape(len(prompts), len(arms), -1)
    torch.testing.assert_close(rows[:, 1], rows[:, 0], rtol=1e-5, atol=1e-5)
    assert (rows[:, 2] - rows[:, 0]).abs().amax() > 1e-2


@pytest.mark.parametrize("site", EDITABLE)
def test_generation_with_the_cache_is_generation_without_it(
    model: LoadedModel, site: Site
) -> None:
    """The oracle recomputes the whole text at every token, edited by a plain hook."""
    if site == "resid_mid" and getattr(model.block(0), "use_parallel_residual", False):
        refuse_a_middle(model, site)
        return
    greedy = GenerationSettings(Sampling(temperature=0.0, top_k=1), 5)
    place = Place(1, site)
    arms = arms_at(model, place)
    prompts = [encode(model, text, where="test") for text in TEXTS]
    answers = generate(model, prompts, [1, 2, 3], arms, {}, greedy)
    vector = torch.from_numpy(arms[2].vector)

    def add(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        value[:, 1:] += vector
        return value

    for prompt, given in zip(prompts, answers, strict=True):
        ids, said = torch.tensor([prompt.ids]), []
        hooks = on_write(model, place, add)
        for _ in range(5):
            logits = model.network(input_ids=ids, use_cache=False).logits[0, -1]
            said.append(int(logits.argmax()))
            if said[-1] in model.stops:
                break
            ids = torch.cat([ids, logits.argmax().view(1, 1)], 1)
        for hook in hooks:
            hook.remove()
        assert given[2].tokens == tuple(said)


def test_edits_at_several_places_stand_in_one_batch(model: LoadedModel) -> None:
    places = [Place(0, "mlp_out"), Place(1, "attn_heads"), Place(2, "resid_post")]
    prompts = [encode(model, text, where="test") for text in TEXTS]
    arms = arms_at(model, *places)
    together = generate(model, prompts, [4, 5, 6], arms, {}, SETTINGS)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            [[alone]] = generate(model, [prompt], [4 + i], [arm], {}, SETTINGS)
            assert together[i][a].tokens == alone.tokens
            assert together[i][a].realised.edits == alone.realised.edits
