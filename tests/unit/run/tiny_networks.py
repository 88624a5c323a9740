"""One tiny random network of every architecture in the table of sites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from safetycase.run.model import LoadedModel, wrap
from tests.unit.run.tiny_world import SPECIALS, WORDS, tiny_tokenizer

HIDDEN, BLOCKS, HEADS, HEAD_WIDTH = 24, 3, 2, 16
"""Two heads of 16 are wider than the stream of 24: what is as wide as what shows."""

_COMMON: dict[str, Any] = {
    "vocab_size": len(SPECIALS) + len(WORDS),
    "hidden_size": HIDDEN,
    "intermediate_size": 40,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
    "initializer_range": 0.3,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 1, "head_dim": HEAD_WIDTH}
_MIXED = ["sliding_attention", "full_attention", "sliding_attention"]


def _gpt2() -> PreTrainedModel:
    names = {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
        "intermediate_size": "n_inner",
    }
    return GPT2LMHeadModel(GPT2Config(**{names.get(k, k): v for k, v in _COMMON.items()}))


def _neox(*, parallel: bool) -> PreTrainedModel:
    config = GPTNeoXConfig(**_COMMON, use_parallel_residual=parallel)
    return GPTNeoXForCausalLM(config)


MAKERS: dict[str, Callable[[], PreTrainedModel]] = {
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**_GROUPED, query_pre_attn_scalar=16, sliding_window=8)
    ),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **_GROUPED, query_pre_attn_scalar=16, sliding_window=8, layer_types=_MIXED
        )
    ),
    "gpt2": _gpt2,
    "gpt_neox": lambda: _neox(parallel=False),
    "gpt_neox parallel": lambda: _neox(parallel=True),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_GROUPED)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**_GROUPED, sliding_window=8)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**_COMMON, num_key_value_heads=1)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_GROUPED)),
}


def tiny_model(name: str, device: str = "cpu") -> LoadedModel:
    """Every weight is drawn, norms and biases too, so that a gain left out shows."""
    torch.manual_seed(3)
    network = MAKERS[name]().eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.3 * noise)
    return wrap(network, tiny_tokenizer(), device=device)
