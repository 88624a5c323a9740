"""Every site of every architecture holds what its name says, and can be edited there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch import nn

from safetycase.errors import RunFailed
from safetycase.methods.sites import HOOKS, READ_ONLY, SITES, Place, hook_path
from safetycase.record.sites import Site
from safetycase.run.model import LoadedModel
from safetycase.run.sites import Change, normalized, on_read, on_write, require_site
from tests.unit.run.tiny_networks import BLOCKS, HEADS, MAKERS, tiny_model

NAMES = sorted(MAKERS)
SEQUENTIAL = [name for name in NAMES if "parallel" not in name]
IDS = torch.tensor([[2, 5, 9, 11, 30, 7], [2, 8, 40, 12, 6, 21]])


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return tiny_model(request.param)


def sites_of(model: LoadedModel) -> list[Site]:
    parallel = getattr(model.block(0), "use_parallel_residual", False)
    return [site for site in SITES if site != "resid_mid" or not parallel]


def seen(model: LoadedModel, layer: int) -> dict[Site, torch.Tensor]:
    held: dict[Site, torch.Tensor] = {}
    with ExitStack() as stack:
        for site in sites_of(model):

            def keep(value: torch.Tensor, site: Site = site) -> None:
                held[site] = value.clone()

            stack.callback(on_read(model, Place(layer, site), keep).remove)
        model.network(input_ids=IDS, use_cache=False)
    return held


@contextmanager
def changed(model: LoadedModel, place: Place, change: Change) -> Iterator[None]:
    with ExitStack() as stack:
        for hook in on_write(model, place, change):
            stack.callback(hook.remove)
        yield


def logits(model: LoadedModel) -> torch.Tensor:
    return model.network(input_ids=IDS, use_cache=False).logits


@pytest.mark.parametrize("layer", range(BLOCKS))
def test_the_stream_is_the_sum_of_what_is_added_to_it(model: LoadedModel, layer: int) -> None:
    at = seen(model, layer)
    if "resid_mid" in at:
        torch.testing.assert_close(at["resid_mid"], at["resid_pre"] + at["attn_out"])
        torch.testing.assert_close(at["resid_post"], at["resid_mid"] + at["mlp_out"])
    torch.testing.assert_close(
        at["resid_post"], at["resid_pre"] + at["attn_out"] + at["mlp_out"]
    )


def test_a_block_reads_what_the_one_before_it_leaves(model: LoadedModel) -> None:
    for layer in range(1, BLOCKS):
        before, after = seen(model, layer - 1), seen(model, layer)
        assert torch.equal(after["resid_pre"], before["resid_post"])


def test_the_heads_go_through_the_output_projection(model: LoadedModel) -> None:
    """Computed from the weights; where a norm follows, it is applied."""
    at, block = seen(model, 1), model.block(1)
    hook = HOOKS[model.architecture]["attn_heads"]
    projection = block.get_submodule(hook.module)
    made = projection(at["attn_heads"])
    after = HOOKS[model.architecture]["attn_out"].module
    if "norm" in after:
        made = block.get_submodule(after)(made)
    torch.testing.assert_close(made, at["attn_out"])
    assert at["attn_heads"].shape[-1] == model.shape.width_at(Place(1, "attn_heads"))
    assert model.shape.heads_width % HEADS == 0


def test_the_mlp_makes_its_output_of_its_input(model: LoadedModel) -> None:
    at, block = seen(model, 1), model.block(1)
    made = block.mlp(at["mlp_in"])
    after = HOOKS[model.architecture]["mlp_out"].module
    if after != "mlp":
        made = block.get_submodule(after)(made)
    torch.testing.assert_close(made, at["mlp_out"])


def test_the_gain_is_all_that_lies_between_the_two_inputs_of_the_mlp(
    model: LoadedModel,
) -> None:
    at, block = seen(model, 1), model.block(1)
    norm = block.get_submodule(HOOKS[model.architecture]["mlp_in"].module)
    gain = 1 + norm.weight if model.architecture.startswith("gemma") else norm.weight
    bias = getattr(norm, "bias", None)
    made = at["mlp_in_ungained"] * gain + (0 if bias is None else bias)
    torch.testing.assert_close(made, at["mlp_in"])
    assert not torch.allclose(at["mlp_in_ungained"], at["mlp_in"], rtol=0.1)
    size = at["mlp_in_ungained"].square().mean(-1).sqrt()
    torch.testing.assert_close(size, torch.ones_like(size), rtol=1e-3, atol=1e-3)


def refuse_a_middle(model: LoadedModel, site: Site) -> None:
    """A block that runs attention and MLP side by side has no stream between the two."""
    assert site == "resid_mid"
    with pytest.raises(RunFailed, match="attention before the MLP"):
        require_site(model, Place(1, site))


@pytest.mark.parametrize("site", [site for site in SITES if site not in READ_ONLY])
def test_writing_back_what_was_read_changes_no_bit(model: LoadedModel, site: Site) -> None:
    if site not in sites_of(model):
        refuse_a_middle(model, site)
        return
    plain = logits(model)
    for layer in range(BLOCKS):
        with changed(model, Place(layer, site), torch.clone):
            assert torch.equal(logits(model), plain)
        assert torch.equal(logits(model), plain)


@pytest.mark.parametrize("site", [site for site in SITES if site not in READ_ONLY])
def test_an_edit_reaches_everything_behind_it(model: LoadedModel, site: Site) -> None:
    """What is added at a site arrives in the stream after the block, where it must."""
    if site not in sites_of(model):
        refuse_a_middle(model, site)
        return
    generator = torch.Generator().manual_seed(1)
    plain = seen(model, 1)
    step = 0.1 * torch.randn(plain[site].shape, generator=generator)
    with changed(model, Place(1, site), lambda value: value + step):
        edited = seen(model, 1)
    arrives = {"attn_out", "mlp_out", "resid_post"} & {site}
    if arrives and (site != "attn_out" or "resid_mid" not in plain):
        moved = edited["resid_post"] - plain["resid_post"]
        torch.testing.assert_close(moved, step, atol=1e-5, rtol=1e-4)
    if "resid_mid" in plain and site in {"attn_out", "resid_mid"}:
        moved = edited["resid_mid"] - plain["resid_mid"]
        torch.testing.assert_close(moved, step, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(edited["resid_post"], plain["resid_post"], atol=1e-4)
    earlier = [name for name in plain if SITES.index(name) < SITES.index(site)]
    if site == "resid_mid":
        earlier.remove("attn_out")  # where the edit is made
    for name in earlier:
        assert torch.equal(edited[name], plain[name]), name


def test_what_no_module_returns_cannot_be_edited(model: LoadedModel) -> None:
    with pytest.raises(RunFailed) as refused:
        on_write(model, Place(1, "mlp_in_ungained"), torch.clone)
    assert refused.value.where == "mlp_in_ungained of block 1"


def test_a_parallel_block_has_no_stream_in_between() -> None:
    model = tiny_model("gpt_neox parallel")
    with pytest.raises(RunFailed) as refused:
        require_site(model, Place(0, "resid_mid"))
    assert refused.value.found == "both side by side"


def test_a_block_that_is_not_there_is_refused(model: LoadedModel) -> None:
    with pytest.raises(RunFailed):
        require_site(model, Place(BLOCKS, "resid_post"))


def test_recorded_paths_are_those_of_the_network(model: LoadedModel) -> None:
    modules = dict(model.network.named_modules())
    for site in SITES:
        path = hook_path(model.architecture, Place(2, site))
        module, _, side = path.rpartition(".")
        assert module in modules, path
        assert side == HOOKS[model.architecture][site].side


def test_a_norm_of_another_kind_is_refused() -> None:
    with pytest.raises(RunFailed):
        normalized(nn.Linear(3, 3), torch.ones(2, 3), where="here")
