"""Paths of activations, by architecture and site, as plans and records name them."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.equations import has_skip, kind_of, recorded, written_place
from safetycase.methods.sites import (
    ARCHITECTURES,
    BLOCKS,
    HOOKS,
    SITES,
    Place,
    Span,
    architecture_of,
    hook_path,
    places_of,
)
from tests.unit.methods.plans import plan_data, plan_of


@pytest.mark.parametrize(
    ("architecture", "site", "path"),
    [
        ("gemma3", "resid_post", "model.layers.12.output"),
        ("gemma3", "attn_heads", "model.layers.12.self_attn.o_proj.input"),
        ("gemma3", "mlp_in", "model.layers.12.pre_feedforward_layernorm.output"),
        ("gemma2", "mlp_out", "model.layers.12.post_feedforward_layernorm.output"),
        ("gemma2", "mlp_in_ungained", "model.layers.12.pre_feedforward_layernorm.normalized"),
        ("llama", "resid_mid", "model.layers.12.post_attention_layernorm.input"),
        ("qwen3", "mlp_out", "model.layers.12.mlp.output"),
        ("gpt2", "resid_pre", "transformer.h.12.input"),
        ("gpt2", "attn_heads", "transformer.h.12.attn.c_proj.input"),
        ("gpt_neox", "attn_out", "gpt_neox.layers.12.attention.output"),
        (None, "resid_post", "model.layers.12.output"),
    ],
)
def test_paths(architecture: Any, site: Any, path: str) -> None:
    assert hook_path(architecture, Place(12, site)) == path
    several = hook_path(architecture, Span((5, 9, 12), site))
    assert several == path.replace(".12.", ".{5,9,12}.")
    assert places_of(Span((5, 9), site)) == (Place(5, site), Place(9, site))
    assert places_of(Place(5, site)) == (Place(5, site),)


def test_every_architecture_has_every_site_once() -> None:
    assert set(HOOKS) == set(BLOCKS) == set(ARCHITECTURES)
    for architecture in ARCHITECTURES:
        paths = {hook_path(architecture, Place(0, site)) for site in SITES}
        assert len(paths) == len(SITES)


def test_a_site_inside_a_block_needs_the_architecture() -> None:
    with pytest.raises(MethodRefused):
        hook_path(None, Place(1, "mlp_out"))


def test_configurations_name_their_architecture() -> None:
    assert architecture_of("gemma3_text", where="here") == "gemma3"
    assert architecture_of("qwen2", where="here") == "qwen2"
    with pytest.raises(MethodRefused) as refused:
        architecture_of("mamba", where="here")
    assert (refused.value.where, refused.value.found) == ("here", "mamba")


def test_places_are_ordered_as_a_model_computes_them() -> None:
    first = [Place(0, site) for site in SITES]
    second = [Place(1, site) for site in SITES]
    assert sorted([*second, *first], key=lambda place: place.order) == [*first, *second]
    assert str(Place(3, "mlp_in")) == "mlp_in of block 3"


@pytest.mark.parametrize(
    ("equation", "site", "fields"),
    [
        (
            "jumprelu.gs2",
            "mlp_out",
            {"hook": "model.layers.1.post_feedforward_layernorm.output", "hook_out": None},
        ),
        (
            "transcoder.jumprelu.affine.gs2",
            "mlp_in",
            {
                "hook": "model.layers.1.pre_feedforward_layernorm.output",
                "hook_out": "model.layers.1.post_feedforward_layernorm.output",
                "declared_l0": 12.5,
            },
        ),
    ],
)
def test_a_record_repeats_what_the_plan_says(
    equation: str, site: str, fields: dict[str, Any]
) -> None:
    data = plan_data()
    data["model"]["architecture"] = "gemma3"
    data["dictionaries"][0] |= {"equation": equation, "site": site}
    if "declared_l0" in fields:
        data["dictionaries"][0]["l0"] = fields["declared_l0"]
    plan = plan_of(data)
    assert recorded(plan, plan.dictionaries[0]) == {"equation": equation, **fields}
    assert written_place(plan.dictionaries[0]) == Place(1, "mlp_out")


def test_names_of_equations_say_their_kind() -> None:
    assert (kind_of("jumprelu.gs2"), kind_of("transcoder.jumprelu.gs2")) == (
        "sae",
        "transcoder",
    )
    assert has_skip("transcoder.jumprelu.affine.gs2")
    assert not has_skip("transcoder.jumprelu.gs2")
