"""A model on hand: network, tokenizer, blocks, special tokens, and one strict way to run it.

Nothing random, nothing trained; the same machine gives the same numbers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerFast as FastTokenizer

from safetycase.errors import RunFailed
from safetycase.methods.sites import architecture_of
from safetycase.record.sites import Architecture
from safetycase.run.device import DeviceMap, spelled_map
from safetycase.run.shape import ModelShape
from safetycase.run.vocabulary import require_words

if TYPE_CHECKING:
    from safetycase.run.chat import Frame

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_BLOCK_LISTS = ("model.language_model.layers", "model.layers", "layers", "transformer.h")


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model whose residual stream can be read and edited."""

    network: PreTrainedModel
    tokenizer: FastTokenizer
    shape: ModelShape
    blocks: tuple[nn.Module, ...]
    blocks_path: str
    context: int
    vocabulary: int
    bos: int | None
    """The token in front of every prompt; none: the prompt's own first token stands there."""
    pad: int
    stops: frozenset[int]
    attention: str
    device: torch.device
    """Where tokens go in and logits come out; all weights are there, but for a device map."""
    device_map: dict[str, str] | None = None
    """The device of every part, where they are on several."""
    frame: Frame | None = None
    """What stands around every prompt; none: nothing does."""

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return self.shape.width

    @property
    def architecture(self) -> Architecture:
        """Which modules hold which activations."""
        return self.shape.architecture

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return sum(weight.numel() for weight in self.network.parameters())

    def block(self, layer: int) -> nn.Module:
        """The block of that number, from 0; refused if the model is shallower."""
        if layer >= len(self.blocks):
            raise RunFailed(
                f"layer {layer}", f"one of the {len(self.blocks)} blocks", found=str(layer)
            )
        return self.blocks[layer]


def make_deterministic() -> None:
    """From here on equal inputs give equal numbers, on this machine with as many threads."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    # This kernel is reported to be silently wrong on some lengths of padded batches
    # (https://github.com/pytorch/pytorch/issues/191937): plain products take its place.
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=False)
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def read_shape(folder: Path, name: str) -> ModelShape:
    """The sizes of the model of a folder, by its configuration; no weight is read."""
    try:
        config = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise RunFailed(
            name, "a configuration that transformers knows", found=str(error)
        ) from None
    return shape_of(config, name)


def shape_of(config: PreTrainedConfig, name: str) -> ModelShape:
    """The sizes that a configuration states."""
    text = config.get_text_config()
    heads, width = int(text.num_attention_heads), int(text.hidden_size)
    return ModelShape(
        name=name,
        architecture=architecture_of(text.model_type, where=f"model {name}"),
        blocks=int(text.num_hidden_layers),
        width=width,
        heads_width=heads * int(getattr(text, "head_dim", None) or width // heads),
    )


def load_model(
    folder: Path,
    *,
    dtype: str,
    attention: str | None = None,
    device: str = "cpu",
    device_map: DeviceMap | None = None,
) -> LoadedModel:
    """The model of a folder of safetensors, in evaluation mode; nothing is downloaded.

    Attention: none is scaled dot products where the architecture has them, as Gemma 2 has not.
    On one device, or spread over several by a map: accelerate then moves what blocks are given,
    and reads from disk what is to stay there.
    """
    where = folder.name
    scratch = None if device_map is None else tempfile.mkdtemp(prefix="safetycase-offload-")
    try:
        network = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=_DTYPES[dtype],
            attn_implementation=attention,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            device_map=device_map,
            offload_folder=scratch,
        )
        if scratch is not None:
            weakref.finalize(network, shutil.rmtree, scratch, ignore_errors=True)
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise RunFailed(where, "a model that transformers can load", found=str(error)) from None
    if not isinstance(tokenizer, FastTokenizer) or not tokenizer.is_fast:
        raise RunFailed(where, "a fast tokenizer, which tells offsets of tokens")
    require_words(tokenizer, where=where)
    return wrap(network, tokenizer, device=device)


def wrap(
    network: PreTrainedModel, tokenizer: FastTokenizer, *, device: str = "cpu"
) -> LoadedModel:
    """A network and its tokenizer as the runner uses them; one that is spread stays so."""
    placed = getattr(network, "hf_device_map", None)
    if placed is None:
        nn.Module.to(network, torch.device(device))
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    blocks_path, blocks = _find_blocks(network)
    config = network.config.get_text_config()
    shape = shape_of(network.config, "in memory")
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        shape=shape,
        blocks=blocks,
        blocks_path=blocks_path,
        context=int(config.max_position_embeddings),
        vocabulary=int(config.vocab_size),
        bos=None if tokenizer.bos_token_id is None else int(tokenizer.bos_token_id),
        pad=_token("pad", _first(tokenizer.pad_token_id, tokenizer.eos_token_id)),
        stops=_stops(network, tokenizer),
        attention=str(network.config._attn_implementation),  # noqa: SLF001  # its only name
        device=_entrance(network),
        device_map=None if placed is None else spelled_map(placed),
    )


def _entrance(network: PreTrainedModel) -> torch.device:
    """Where tokens are embedded, also if those weights are elsewhere between two passes."""
    embedding = network.get_input_embeddings()
    hook = getattr(embedding, "_hf_hook", None)
    for one in getattr(hook, "hooks", [hook]):
        device = getattr(one, "execution_device", None)
        if device is not None:
            return (
                torch.device("cuda", device)
                if isinstance(device, int)
                else torch.device(device)
            )
    return next(embedding.parameters()).device


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _token(name: str, value: int | None) -> int:
    if value is None:
        raise RunFailed("tokenizer", f"a {name} token", found="none")
    return int(value)


def _stops(network: PreTrainedModel, tokenizer: FastTokenizer) -> frozenset[int]:
    """Every token that ends a text, by the generation configuration and the tokenizer."""
    generation = getattr(network, "generation_config", None)
    named = getattr(generation, "eos_token_id", None)
    stops = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    known = frozenset(int(stop) for stop in stops if stop is not None)
    if not known:
        raise RunFailed("tokenizer", "a token that ends a text", found="none")
    return known


def _find_blocks(network: PreTrainedModel) -> tuple[str, tuple[nn.Module, ...]]:
    """The decoder's list of blocks, by the end of its path, whatever wraps it."""
    count = int(network.config.get_text_config().num_hidden_layers)
    lists = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    }
    for suffix in _BLOCK_LISTS:
        for name, module in lists.items():
            if name == suffix or name.endswith(f".{suffix}"):
                return name, tuple(module)
    raise RunFailed(
        "model",
        f"a list of {count} blocks at {' or '.join(_BLOCK_LISTS)}",
        found=", ".join(lists) or "none",
    )


def residual_of(output: object, where: str) -> torch.Tensor:
    """The residual stream [rows, positions, width] in a block's output, whichever form it has.

    Newer transformers give the tensor itself, older ones a tuple that begins with it; taking
    `output[0]` of a tensor would drop a row in silence.
    """
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, tuple) and output and isinstance(output[0], torch.Tensor):
        return output[0]
    raise RunFailed(where, "a tensor, or a tuple that begins with one", found=str(type(output)))


def with_residual(output: object, residual: torch.Tensor) -> object:
    """The same output with another residual stream."""
    return (residual, *output[1:]) if isinstance(output, tuple) else residual
