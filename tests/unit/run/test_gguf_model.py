"""A GGUF file is converted once, to the numbers it holds, and loaded like any other model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from safetycase.digest import tensor_root
from safetycase.errors import RunFailed
from safetycase.run import gguf_model
from safetycase.run.gguf_model import converted
from safetycase.run.model import load_model
from safetycase.run.prompts import encode
from tests.unit.run.tiny_world import SPECIALS, WORDS, Tiny

gguf = pytest.importorskip("gguf", reason="the run extra is not installed")

DIGEST = "ab" * 32
NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def gguf_name(name: str) -> str:
    if name.startswith("model.embed_tokens"):
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, block, rest = name.split(".", 3)
    return f"blk.{block}.{NAMES[rest.removesuffix('.weight')]}.weight"


@pytest.fixture(scope="module")
def file(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as llama.cpp would write it: gains as 1 + weight."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    config = tiny.model.network.config
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_freq_base(1e6)
    pieces = [*SPECIALS, *(f"\N{LOWER ONE EIGHTH BLOCK}{word}" for word in WORDS)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([-float(i) for i in range(len(pieces))])
    writer.add_token_types([3] * 4 + [1] * len(WORDS))
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(3)
    for name, weight in tiny.model.network.state_dict().items():
        if name != "lm_head.weight":
            array = weight.numpy().astype(np.float32)
            writer.add_tensor(gguf_name(name), array + 1 if "norm" in name else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(file, tmp_path_factory.mktemp("cache"), digest=DIGEST)


def test_the_converted_model_holds_the_numbers_of_the_file(folder: Path, tiny: Tiny) -> None:
    loaded = load_model(folder, dtype="float32")
    original = tiny.model.network.state_dict()
    for name, weight in loaded.network.state_dict().items():
        torch.testing.assert_close(weight, original[name], rtol=0, atol=1e-6)
    assert (loaded.bos, loaded.pad, loaded.stops) == (2, 0, frozenset({1}))


def test_the_tokenizer_comes_along(folder: Path) -> None:
    loaded = load_model(folder, dtype="float32")
    prompt = encode(loaded, "audit near the panel", where="test")
    assert prompt.ids[0] == 2
    known = loaded.tokenizer.convert_ids_to_tokens(range(len(SPECIALS) + len(WORDS)))
    assert [piece.strip("\N{LOWER ONE EIGHTH BLOCK}") for piece in known] == [*SPECIALS, *WORDS]


def test_it_is_done_once_and_a_changed_copy_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converted(file, tmp_path, digest=DIGEST)
    root = tensor_root(folder / "model.safetensors")
    monkeypatch.setattr(gguf_model, "_convert", None)
    assert converted(file, tmp_path, digest=DIGEST) == folder
    assert [entry.name for entry in tmp_path.iterdir()] == [f"gguf-{DIGEST[:16]}"]
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(RunFailed) as refused:
        converted(file, tmp_path, digest=DIGEST)
    assert root not in (refused.value.found or "")


@pytest.mark.parametrize("data", [b"GGUF cut off", b"PK\x03\x04", b""])
def test_what_is_no_gguf_file_leaves_nothing_behind(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(RunFailed):
        converted(tmp_path / "bad.gguf", tmp_path / "cache", digest=DIGEST)
    assert not list((tmp_path / "cache").iterdir())
