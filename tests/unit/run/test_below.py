"""Blocks below the edit run once for several parts of the arms; no number moves by a bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from safetycase.methods.grid import evaluation_named
from safetycase.methods.sites import Place
from safetycase.record.plan import Plan
from safetycase.run.answers import Bench
from safetycase.run.arm_run import ArmRun
from safetycase.run.below import BlocksBelow
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.environment import environment
from safetycase.run.freeze import freeze
from safetycase.run.items import read_items
from safetycase.run.measure import units_of
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, encode
from tests.unit.run.test_pipeline import write_plan
from tests.unit.run.tiny_networks import BLOCKS, HIDDEN, MAKERS, tiny_model
from tests.unit.run.tiny_world import Tiny

TEXTS = ("the audit comes .", "the market is near the garden and the guest .")
SITES = ("resid_pre", "resid_post", "mlp_out")


def prompts_of(model: LoadedModel, texts: Sequence[str] = TEXTS) -> list[Prompt]:
    return [encode(model, text, where="test") for text in texts]


def parts_at(place: Place) -> list[list[ArmEdit]]:
    """Two parts of the arms, the baseline in both."""
    vectors = np.random.default_rng(7).normal(size=(4, HIDDEN)).astype(np.float32)
    edits = [ArmEdit(f"arm{n}", place, vector, None) for n, vector in enumerate(vectors)]
    return [[BASELINE_EDIT, *edits[:2]], [BASELINE_EDIT, *edits[2:]]]


def logits_of(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    arms: Sequence[ArmEdit],
    below: BlocksBelow | None,
    *,
    use_cache: bool = False,
) -> torch.Tensor:
    run = ArmRun(model, prompts, arms, {})
    with run.editing():
        return run.prefill(use_cache=use_cache, below=below)


@contextmanager
def counted(model: LoadedModel) -> Iterator[list[int]]:
    """Inside, counts how often something of each block is computed."""
    calls = [0] * len(model.blocks)
    hooks = []
    for number, block in enumerate(model.blocks):

        def count(*_: object, number: int = number) -> None:
            calls[number] += 1

        inside = next(m for name, m in block.named_modules() if name.endswith("mlp"))
        hooks.append(inside.register_forward_hook(count))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("layer", range(BLOCKS))
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_second_part_is_the_same_without_those_blocks(
    name: str, layer: int, site: str
) -> None:
    model, below = tiny_model(name), BlocksBelow()
    prompts, place = prompts_of(model), Place(layer, site)
    unedited = layer + (site == "resid_post")
    for number, arms in enumerate(parts_at(place)):
        plain = logits_of(model, prompts, arms, None)
        with counted(model) as calls:
            assert torch.equal(logits_of(model, prompts, arms, below), plain)
        lower = 0 if number else 1
        assert calls == [lower] * unedited + [1] * (BLOCKS - unedited)
    assert below.spared == (1 if unedited else 0)


def test_other_prompts_layers_and_models_are_computed() -> None:
    model, below = tiny_model("gemma3"), BlocksBelow()
    first, second = (parts_at(Place(layer, "resid_post"))[0] for layer in (1, 0))
    other = tiny_model("llama")
    prompts = prompts_of(model)
    asked = [
        (model, prompts, first),
        (model, prompts[::-1], first),
        (model, prompts[:1], first),
        (model, prompts, first),
        (model, prompts, second),
        (other, prompts, second),
    ]
    for network, put, arms in asked:
        plain = logits_of(network, put, arms, None)
        assert torch.equal(logits_of(network, put, arms, below), plain)
    assert below.spared == 0


def test_a_pass_that_fills_a_cache_runs_every_block() -> None:
    model, below = tiny_model("gemma3"), BlocksBelow()
    one, two = parts_at(Place(1, "resid_post"))
    logits_of(model, prompts_of(model), one, below)
    logits_of(model, prompts_of(model), two, below, use_cache=True)
    assert below.spared == 0


def test_blocks_that_a_dictionary_reads_in_run(tiny: Tiny) -> None:
    """Written at the second block, read in the first: nothing there may be left out."""

    class Elsewhere:
        id, device = "d", torch.device("cpu")
        reads, writes = Place(0, "mlp_out"), Place(1, "resid_post")

        def made_of(self, given: dict[Place, torch.Tensor], _: object) -> torch.Tensor:
            return given[self.reads] + 1.0

    arms = [BASELINE_EDIT, ArmEdit("made", Place(1, "resid_post"), None, "d")]
    below = BlocksBelow()
    found = []
    for _ in range(2):
        run = ArmRun(tiny.model, prompts_of(tiny.model), arms, {"d": Elsewhere()})
        with run.editing():
            found.append(run.prefill(use_cache=False, below=below))
    assert torch.equal(*found)
    assert below.spared == 0


def test_blocks_are_themselves_again_also_after_a_failure() -> None:
    model, below = tiny_model("gemma3"), BlocksBelow()
    arms = parts_at(Place(1, "resid_post"))[0]
    prompts = prompts_of(model)
    plain = logits_of(model, prompts, arms, below)

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    hook = model.blocks[2].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="broken"):
        logits_of(model, prompts, arms, below)
    hook.remove()
    assert below.spared == 1
    assert not any("forward" in vars(block) for block in model.blocks)
    assert torch.equal(logits_of(model, prompts, arms, None), plain)


def bench_of(tiny: Tiny, plan: Plan, rows: int) -> Bench:
    made = environment(tiny.model, batch_rows=rows)
    return Bench(plan, tiny.model, {"tiny": tiny.dictionary}, made)


@pytest.mark.parametrize("arms", [7, 8])
def test_units_of_two_parts_take_turns(tiny: Tiny, arms: int) -> None:
    """Parts of 4 and 4 arms hold one item each; a third of 2 holds two, and shares none."""
    frozen = freeze(write_plan(tiny))
    evaluation = evaluation_named(frozen.plan, "choices")
    rows = read_items(frozen.plan, frozen.digest, frozen.datasets)
    items = rows.of(evaluation.dataset, "held_out")[:4]
    vectors = np.random.default_rng(7).normal(size=(arms - 1, 32)).astype(np.float32)
    place = Place(1, "resid_post")
    edits = [ArmEdit(f"arm{n}", place, vector, None) for n, vector in enumerate(vectors)]
    given = [BASELINE_EDIT, *edits]
    bench = bench_of(tiny, frozen.plan, 8)
    results = {u.key: u.work() for u in units_of(bench, evaluation, items, given, None)}
    assert bench.below.spared == len(items)
    other = bench_of(tiny, frozen.plan, 8)
    for unit in reversed(units_of(other, evaluation, items, given, None)[::2]):
        assert results[unit.key] == unit.work()
    assert other.below.spared == 0
