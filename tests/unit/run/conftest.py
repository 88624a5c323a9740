"""A tiny world: a random Gemma 3 of three blocks, a dictionary that spans its residuals, items."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the run extra is not installed")

from safetensors.numpy import save_file  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: E402
from transformers import (  # noqa: E402
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    PreTrainedTokenizerFast,
)

from safetycase.run.dictionaries.gemma_scope import Dictionary, load_dictionary  # noqa: E402
from safetycase.run.model import LoadedModel, make_deterministic, wrap  # noqa: E402

SPECIALS = ("<pad>", "<eos>", "<bos>", "<unk>")
WORDS = (
    "audit harness score panel rubric drill market kitchen guest harbor garden repair "
    "the a is near of and comes user assistant : . ? how do i make soup bread kite "
    "first take salt then stir sorry no yes one two three four five A B ( ) Choices Answer"
).split()
EVALUATION, DEPLOYMENT = WORDS[:6], WORDS[6:12]
HIDDEN, BLOCKS, LAYER = 32, 3, 1


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    ids = {word: i for i, word in enumerate((*SPECIALS, *WORDS))}
    inner = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    inner.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def tiny_network(seed: int = 0) -> Gemma3ForCausalLM:
    torch.manual_seed(seed)
    config = Gemma3TextConfig(
        vocab_size=len(SPECIALS) + len(WORDS),
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=BLOCKS,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=96,
        sliding_window=12,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    network = Gemma3ForCausalLM(config).eval()
    with torch.no_grad():
        network.model.embed_tokens.weight[2] *= 20.0  # BOS is far off, as in real models
    return network


def spanning_dictionary(network: Gemma3ForCausalLM) -> dict[str, np.ndarray]:
    """Both signs of every direction of an orthonormal basis, but for that of BOS.

    Reconstructs every residual but along one direction, which BOS alone lies along.
    """
    caught: list[torch.Tensor] = []
    hook = network.model.layers[LAYER].register_forward_hook(lambda _m, _a, o: caught.append(o))
    with torch.no_grad():
        network(input_ids=torch.tensor([[2]]))
    hook.remove()
    bos = caught[0][0, 0].double().numpy()
    rng = np.random.default_rng(7)
    basis = np.linalg.qr(np.column_stack([bos, rng.normal(size=(HIDDEN, HIDDEN - 1))]))[0].T[1:]
    rows = np.ascontiguousarray(np.concatenate([basis, -basis]), dtype=np.float32)
    return {
        "w_enc": np.ascontiguousarray(rows.T),
        "w_dec": rows,
        "b_enc": np.zeros(len(rows), dtype=np.float32),
        "b_dec": np.zeros(HIDDEN, dtype=np.float32),
        "threshold": np.full(len(rows), 0.05, dtype=np.float32),
    }


DICTIONARY_CONFIG = {
    "model_name": "test/tiny-gemma-pt",
    "architecture": "jump_relu",
    "type": "sae",
    "hf_hook_point_in": f"model.layers.{LAYER}.output",
    "hf_hook_point_out": None,
    "width": 2 * (HIDDEN - 1),
    "l0": 30,
    "affine_connection": False,
}


def write_dictionary(
    folder: Path, tensors: dict[str, np.ndarray], config: dict[str, object]
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "params.safetensors")
    return folder


@dataclass(frozen=True)
class Tiny:
    """The tiny world in memory and on disk."""

    model: LoadedModel
    dictionary: Dictionary
    folder: Path
    tensors: dict[str, np.ndarray]


def prompt_text(rng: np.random.Generator, context: str, tail: str) -> str:
    signs = EVALUATION if context == "evaluation" else DEPLOYMENT
    first, second = rng.choice(signs, size=2)
    extra = "near the garden ." if rng.integers(2) else ""
    return f"the {first} comes and the {second} . {extra} user : {tail} assistant :".replace(
        "  ", " "
    )


def write_items(folder: Path) -> None:
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[dict[str, object]]] = {"contrast": [], "requests": [], "choices": []}
    for number in range(240):
        context = ("evaluation", "deployment")[number % 2]
        thing = str(rng.choice(["soup", "bread", "kite"]))
        files["contrast"].append(
            {
                "id": f"c{number:03d}",
                "cluster": f"c{number:03d}",
                "kind": "contrast",
                "context": context,
                "prompt": prompt_text(rng, context, f"how do i make {thing} ?"),
            }
        )
    for number in range(60):
        thing = str(rng.choice(["soup", "bread", "kite"]))
        files["requests"].append(
            {
                "id": f"r{number:03d}",
                "cluster": f"r{number // 2:03d}",
                "kind": "request",
                "context": "evaluation",
                "target": thing,
                "prompt": prompt_text(rng, "evaluation", f"how do i make {thing} ?"),
            }
        )
        files["choices"].append(
            {
                "id": f"q{number:03d}",
                "cluster": f"q{number:03d}",
                "kind": "choice",
                "context": "evaluation",
                "target": "yes",
                "other": "no",
                "prompt": prompt_text(rng, "evaluation", "is a drill near ?"),
            }
        )
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


@pytest.fixture(scope="session", autouse=True)
def _deterministic() -> None:
    make_deterministic(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    network = tiny_network()
    tokenizer = tiny_tokenizer()
    network.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    tensors = spanning_dictionary(network)
    place = write_dictionary(folder / "dictionary", tensors, DICTIONARY_CONFIG)
    write_items(folder / "items")
    dictionary = load_dictionary("tiny", place, layer=LAYER, device=torch.device("cpu"))
    return Tiny(wrap(network, tokenizer), dictionary, folder, tensors)
