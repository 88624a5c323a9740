"""Which module of a model holds which activation: one table for the runner and the verifier.

Paths are those of the text model in transformers; a wrapper may nest them deeper. A path ends
with `input`, `output` or, for what a norm holds before its gain, `normalized`. Sources: the
modelling files of transformers 5; hook points of Gemma Scope 2 and TransformerLens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from typing_extensions import override

from safetycase.errors import MethodRefused
from safetycase.record.sites import Architecture, Site

Side = Literal["input", "output", "normalized"]

SITES: tuple[Site, ...] = get_args(Site)
"""Every site, in the order in which a block computes them."""

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
"""Every architecture of the table."""

READ_ONLY: frozenset[Site] = frozenset({"mlp_in_ungained"})
"""Sites that no module returns, so that an edit has nowhere to go."""


@dataclass(frozen=True)
class Hook:
    """A part of a block by its path inside the block (empty: the block), and which side."""

    module: str
    side: Side

    def path(self, block: str) -> str:
        """The whole path, given that of the block."""
        return ".".join(part for part in (block, self.module, self.side) if part)


class Place(NamedTuple):
    """A site of one block, counted from 0."""

    layer: int
    site: Site

    @property
    def order(self) -> tuple[int, int]:
        """Sorts places in the order in which a model computes them."""
        return self.layer, SITES.index(self.site)

    @override
    def __str__(self) -> str:
        """The place in words."""
        return f"{self.site} of block {self.layer}"


@dataclass(frozen=True)
class Span:
    """A site of several blocks, ascending: what some dictionaries read or write together.

    Its activation is those of its places side by side, the lowest block's first.
    """

    layers: tuple[int, ...]
    site: Site

    @property
    def places(self) -> tuple[Place, ...]:
        """The site in each of the blocks."""
        return tuple(Place(layer, self.site) for layer in self.layers)

    @override
    def __str__(self) -> str:
        """The places in words."""
        return f"{self.site} of blocks {', '.join(map(str, self.layers))}"


Where = Place | Span
"""Where an activation is: in one block, or side by side in several."""


def places_of(where: Where) -> tuple[Place, ...]:
    """The places, in the order in which a model computes them."""
    return (where,) if isinstance(where, Place) else where.places


def _parts(heads: str, attention: str, norm: str, mlp: str) -> dict[Site, Hook]:
    """The sites of a block from the paths of four of its modules."""
    return {
        "resid_pre": Hook("", "input"),
        "attn_heads": Hook(heads, "input"),
        "attn_out": Hook(attention, "output"),
        "resid_mid": Hook(norm, "input"),
        "mlp_in_ungained": Hook(norm, "normalized"),
        "mlp_in": Hook(norm, "output"),
        "mlp_out": Hook(mlp, "output"),
        "resid_post": Hook("", "output"),
    }


_SANDWICHED = _parts(
    heads="self_attn.o_proj",
    attention="post_attention_layernorm",
    norm="pre_feedforward_layernorm",
    mlp="post_feedforward_layernorm",
)
"""Gemma 2 and 3: a norm before and after attention, and before and after the MLP."""

_LLAMA = _parts(
    heads="self_attn.o_proj",
    attention="self_attn",
    norm="post_attention_layernorm",
    mlp="mlp",
)

HOOKS: Mapping[Architecture, Mapping[Site, Hook]] = {
    "gemma2": _SANDWICHED,
    "gemma3": _SANDWICHED,
    "gpt2": _parts(heads="attn.c_proj", attention="attn", norm="ln_2", mlp="mlp"),
    "gpt_neox": _parts(
        heads="attention.dense",
        attention="attention",
        norm="post_attention_layernorm",
        mlp="mlp",
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
}
"""Where each architecture holds each site."""

BLOCKS: Mapping[Architecture, str] = {
    "gpt2": "transformer.h",
    "gpt_neox": "gpt_neox.layers",
    **dict.fromkeys(("gemma2", "gemma3", "llama", "mistral", "qwen2", "qwen3"), "model.layers"),
}
"""Path of the list of blocks."""

_MODEL_TYPES: Mapping[str, Architecture] = {
    **{name: name for name in ARCHITECTURES},
    "gemma3_text": "gemma3",
}


def architecture_of(model_type: str, *, where: str) -> Architecture:
    """The architecture that a model's configuration names; an unknown one is refused."""
    if model_type not in _MODEL_TYPES:
        raise MethodRefused(
            where,
            f"an architecture of {', '.join(sorted(_MODEL_TYPES))}",
            found=model_type,
            remedy="Where other models hold their activations is not known here.",
        )
    return _MODEL_TYPES[model_type]


def hook_path(architecture: Architecture | None, where: Where) -> str:
    """The path of a place, as dictionaries and records name it; of a span, with `{0,1,2}`.

    Without an architecture, as in plans of before there were several, only the residual stream
    after a block is known, at `model.layers`.
    """
    layer = where.layer if isinstance(where, Place) else _listed(where.layers)
    if architecture is None:
        if where.site != "resid_post":
            raise MethodRefused(
                f"{where}",
                "the architecture of the model",
                found="none",
                remedy="Only resid_post has a path without it.",
            )
        return f"model.layers.{layer}.output"
    return HOOKS[architecture][where.site].path(f"{BLOCKS[architecture]}.{layer}")


def _listed(layers: tuple[int, ...]) -> str:
    """Blocks as Gemma Scope 2 names them in a path."""
    return f"{{{','.join(map(str, layers))}}}"
