"""The names of architectures, and of the places in a block where activations are read."""

from __future__ import annotations

from typing import Literal

Architecture = Literal[
    "gemma2", "gemma3", "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3"
]
"""A family of models whose blocks have the same parts in the same order."""

Site = Literal[
    "resid_pre",
    "attn_heads",
    "attn_out",
    "resid_mid",
    "mlp_in_ungained",
    "mlp_in",
    "mlp_out",
    "resid_post",
]
"""An activation of a block, in the order in which a block computes them.

`resid_pre`, `resid_mid`, `resid_post`: the residual stream before the block, after its
attention, after the block. `attn_heads`: the heads' results side by side, before the output
projection. `attn_out`, `mlp_out`: what attention and MLP add to the stream, after the norm that
some architectures put there. `mlp_in`: what the MLP reads, normalised and with the norm's gain;
`mlp_in_ungained`: the same before the gain.
"""
