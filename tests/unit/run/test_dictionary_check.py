"""A dictionary is tried on a model: what passes, and which planted fault is told by what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from safetycase.cli.main import main
from safetycase.errors import MalformedInput, RunFailed
from safetycase.run import observe
from safetycase.run.dictionaries.specification import Stated
from safetycase.run.dictionary_check import (
    NamedModel,
    check_dictionary,
    explained_spread,
    l0_spread,
    load_subjects,
    read_prompts,
)
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import PaddedBatch, Prompt, pad_left
from safetycase.run.selftest import Fit, TextFit
from safetycase.run.texts import PLAIN, read_texts
from tests.unit.run.dictionaries.made import llama_scope, write_json
from tests.unit.run.test_selftest import TEXTS
from tests.unit.run.test_shrink import cpu_allocator
from tests.unit.run.tiny_world import (
    DICTIONARY_CONFIG,
    HIDDEN,
    LAYER,
    Tiny,
    write_dictionary,
)

NAME = "test/tiny-gemma-pt"
TOKENS = 40


def windows(tiny: Tiny) -> np.ndarray:
    rng = np.random.default_rng(3)
    tokens = rng.integers(4, tiny.model.vocabulary, size=(12, TOKENS))
    tokens[:, 0] = tiny.model.bos
    return tokens.astype(np.int32)


def stored(tiny: Tiny, *, layer: int = LAYER) -> dict[str, np.ndarray]:
    """The layout of Gemma Scope 2, computed by transformers' own hidden states and numpy."""
    tokens = windows(tiny)
    with torch.no_grad():
        hidden = tiny.model.network(
            input_ids=torch.from_numpy(tokens).long(), output_hidden_states=True
        ).hidden_states[layer + 1]
    x = hidden.double().numpy()
    z = x @ tiny.tensors["w_enc"].astype(np.float64) + tiny.tensors["b_enc"]
    f = z * (z > tiny.tensors["threshold"])
    f[:, 0] = 0.0
    flat = f.reshape(-1, f.shape[-1]).T
    best = np.argsort(-flat, axis=1)[:, :5]
    return {
        "tokens": tokens,
        "activations": np.take_along_axis(flat, best, 1).astype(np.float32),
        "seq_ids": best // TOKENS,
        "positions": best % TOKENS,
    }


def written(tiny: Tiny, folder: Path, examples: dict[str, np.ndarray] | None) -> Path:
    config: dict[str, Any] = {**DICTIONARY_CONFIG}
    write_dictionary(folder, tiny.tensors, config)
    if examples is not None:
        save_file(examples, folder / "examples.safetensors")
    return folder


def texts_file(folder: Path) -> str:
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n\n")
    return str(folder / "texts.txt")


def checked(tiny: Tiny, folder: Path, tmp_path: Path) -> int:
    command = ["dictionary", "check", str(folder), "--model", str(tiny.folder / "model")]
    return main([*command, "--name", NAME, "--texts", texts_file(tmp_path)])


def test_a_sound_dictionary_passes_and_stored_examples_come_out_again(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tiny, tmp_path / "d", stored(tiny))
    assert checked(tiny, folder, tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[0]
        == f"dictionary  jumprelu.gs2 at resid_post of block 1, {2 * HIDDEN - 2} features"
    )
    tests = {line.split()[1]: line.split() for line in said[2:-3]}
    assert list(tests) == [
        "hook_identity",
        "zero_dose_identity",
        "batch_parity",
        "error_term_identity",
        "dictionary_l0",
        "dictionary_fvu",
        "stored_activations",
    ]
    assert {words[0] for words in tests.values()} == {"PASS"}
    assert float(tests["stored_activations"][2]) < 1e-5


def test_a_check_that_needs_smaller_batches_says_so(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    def limited(prompts: Sequence[Prompt], model: LoadedModel) -> PaddedBatch:
        if len(prompts) > 2:
            cpu_allocator()
        return pad_left(prompts, model)

    folder = written(tiny, tmp_path / "d", stored(tiny))
    assert checked(tiny, folder, tmp_path) == 0
    before = capsys.readouterr()
    monkeypatch.setattr(observe, "pad_left", limited)
    assert checked(tiny, folder, tmp_path) == 0
    said = capsys.readouterr()
    assert "memory ran out" not in before.err
    assert "memory ran out: at most 2 texts share a batch from here on\n" in said.err
    fits = [line for line in said.out.splitlines() if "dictionary_l0" in line]
    assert fits
    assert fits[0] in before.out


def test_examples_of_another_block_are_told(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tiny, tmp_path / "d", stored(tiny, layer=LAYER - 1))
    assert checked(tiny, folder, tmp_path) == 1
    failing = [line for line in capsys.readouterr().out.splitlines() if line[:4] == "FAIL"]
    assert [line.split()[1] for line in failing] == ["stored_activations"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda held: held | {"tokens": held["tokens"][:, 1:]}, "windows that begin with BOS"),
        (lambda held: held | {"activations": held["activations"][:5]}, "features"),
        (lambda held: {n: a for n, a in held.items() if n != "seq_ids"}, "seq_ids"),
        (lambda held: held | {"activations": 0 * held["activations"]}, "above zero"),
        (lambda held: held | {"seq_ids": held["seq_ids"] + 99}, "token windows"),
    ],
)
def test_a_file_of_examples_that_is_none_is_refused(
    tiny: Tiny, tmp_path: Path, change: Any, expected: str
) -> None:
    folder = written(tiny, tmp_path / "d", change(stored(tiny)))
    subjects = _loaded(tiny, folder)
    prompts = read_prompts(subjects, TEXTS)
    with pytest.raises(RunFailed) as refused:
        list(check_dictionary(subjects, prompts, dtype="float32", smaller=print))
    assert expected in refused.value.expected


def _loaded(tiny: Tiny, folder: Path) -> Any:
    named = NamedModel(str(tiny.folder / "model"), "transformers", NAME)
    return load_subjects(str(folder), Stated("d"), named, "float32", folder / "cache")


def _mlp(tiny: Tiny) -> tuple[np.ndarray, np.ndarray]:
    """What the MLP of a block reads and what it adds, by hooks of torch alone."""
    block = tiny.model.network.model.layers[LAYER]
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        block.pre_feedforward_layernorm.register_forward_hook(
            lambda _m, _a, out: seen.update(read=out)
        ),
        block.post_feedforward_layernorm.register_forward_hook(
            lambda _m, _a, out: seen.update(added=out)
        ),
    ]
    with torch.no_grad():
        tiny.model.network(input_ids=torch.from_numpy(windows(tiny)).long())
    for hook in hooks:
        hook.remove()
    read, added = (
        seen[n][:, 1:].reshape(-1, HIDDEN).double().numpy() for n in ("read", "added")
    )
    return read, added


@pytest.mark.parametrize("turned", [False, True])
def test_a_transposed_skip_term_is_told(tiny: Tiny, tmp_path: Path, turned: bool) -> None:
    read, added = _mlp(tiny)
    skip = np.linalg.lstsq(read, added, rcond=None)[0].astype(np.float32)
    tensors = dict(tiny.tensors) | {
        "threshold": np.full_like(tiny.tensors["threshold"], 1e6),
        "affine_skip_connection": np.ascontiguousarray(skip.T if turned else skip),
    }
    config = dict(DICTIONARY_CONFIG) | {
        "type": "transcoder",
        "affine_connection": True,
        "hf_hook_point_in": f"model.layers.{LAYER}.pre_feedforward_layernorm.output",
        "hf_hook_point_out": f"model.layers.{LAYER}.post_feedforward_layernorm.output",
    }
    subjects = _loaded(tiny, write_dictionary(tmp_path / "d", tensors, config))
    prompts = read_prompts(subjects, TEXTS)
    answers = {
        t.id: (t, v)
        for t, v in check_dictionary(subjects, prompts, dtype="float32", smaller=print)
    }
    test, value = answers["skip_orientation"]
    assert test.keeps(value) is not turned
    assert (value < 0.9) is not turned


def test_texts_are_lines_or_the_prompts_of_items(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n two\n")
    (tmp_path / "a.jsonl").write_text('{"id":"1","prompt":"one"}\n')
    (tmp_path / "b.jsonl").write_text('{"id":"1"}\n')
    assert read_texts(tmp_path / "a.txt") == ["one", " two"]
    assert read_texts(tmp_path / "a.jsonl") == ["one"]
    with pytest.raises(MalformedInput):
        read_texts(tmp_path / "b.jsonl")
    assert len(set(PLAIN)) == len(PLAIN) >= 24
    assert read_texts(tmp_path / "a.txt", whole=True) == ["one\n\n two\n"]
    assert read_texts(tmp_path / "a.jsonl", whole=True) == ["one"]
    (tmp_path / "empty.txt").write_text("\n \n")
    assert read_texts(tmp_path / "empty.txt", whole=True) == []


def test_the_fit_is_that_of_every_sequence_of_a_long_text(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than the 64 prompts that a run reads, against one pass of plain torch a sequence."""
    document = "\n".join(TEXTS * 40)
    (tmp_path / "document.txt").write_text(document)
    command = ["dictionary", "check", str(written(tiny, tmp_path / "d", None)), "--name", NAME]
    command += ["--model", str(tiny.folder / "model"), "--context", "12"]
    assert main([*command, "--texts", str(tmp_path / "document.txt")]) == 0
    said = capsys.readouterr().out.splitlines()

    ids = tiny.model.tokenizer(document, add_special_tokens=False)["input_ids"]
    parts = [ids[i : i + 11] for i in range(0, len(ids), 11)]
    assert len(parts) > 64
    states: list[torch.Tensor] = []
    hook = tiny.model.blocks[LAYER].register_forward_hook(lambda _m, _a, o: states.append(o))
    for part in parts:
        tiny.model.network(input_ids=torch.tensor([[tiny.model.bos, *part]]))
    hook.remove()
    x = torch.cat([state[0, 1:].double() for state in states])
    t = {name: torch.from_numpy(array).double() for name, array in tiny.tensors.items()}
    z = x @ t["w_enc"] + t["b_enc"]
    f = z * (z > t["threshold"]) * (z > 0)
    missed = ((x - f @ t["w_dec"] - t["b_dec"]) ** 2).sum()
    explained = 1 - float(missed / ((x - x.mean(0)) ** 2).sum())

    assert said[-3] == (
        f"read        {len(ids)} tokens of {len(parts)} sequences, the first of each apart"
    )
    l0, variance = said[-2].split(), said[-1].split()
    assert l0[0] == "L0"
    assert float(l0[1]) == pytest.approx(float((f > 0).sum(1).double().mean()), abs=6e-3)
    assert said[-2].endswith(f"declared: {tiny.dictionary.declared_l0:g}")
    assert variance[0] == "explained"
    assert float(variance[1]) == pytest.approx(explained, abs=1e-4)
    tested = {line.split()[1]: float(line.split()[2]) for line in said[2:-3]}
    assert 1 - tested["dictionary_fvu"] == pytest.approx(explained, abs=1e-5)


def test_texts_are_cut_behind_a_bos_of_their_own(tiny: Tiny, tmp_path: Path) -> None:
    subjects = _loaded(tiny, written(tiny, tmp_path / "d", None))
    whole = [prompt.ids[1:] for prompt in read_prompts(subjects, TEXTS)]
    cut = read_prompts(subjects, TEXTS, context=5)
    assert {prompt.ids[0] for prompt in cut} == {tiny.model.bos}
    assert max(map(len, cut)) == 5
    assert [i for prompt in cut for i in prompt.ids[1:]] == [i for ids in whole for i in ids]
    first = cut[0]
    assert TEXTS[0][first.offsets[1][0] : first.offsets[-1][1]] == " ".join(
        TEXTS[0].split()[:4]
    )


@pytest.mark.parametrize(
    ("texts", "context", "expected"),
    [
        ([], 5, "at least one text"),
        (["the audit"], 1, "2 to "),
        (["the audit"], 10**9, "2 to "),
        (["the audit <bos> comes"], 5, "a text without BOS"),
        ([""], 5, "a text with tokens that are read"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    tiny: Tiny, tmp_path: Path, texts: list[str], context: int, expected: str
) -> None:
    subjects = _loaded(tiny, written(tiny, tmp_path / "d", None))
    with pytest.raises(RunFailed) as refused:
        read_prompts(subjects, texts, context=context)
    assert expected in refused.value.expected


def test_standard_errors_are_those_of_redrawn_texts() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(20, 60, size=200)
    active = rng.poisson(9.0, size=200) * tokens
    spread = rng.uniform(1.0, 3.0, size=200) * tokens
    error = spread * rng.uniform(0.05, 0.3, size=200)
    texts = tuple(map(TextFit, tokens, active, error, spread))
    fit = Fit(active.sum() / tokens.sum(), error.sum() / spread.sum(), texts)
    drawn = rng.integers(200, size=(4000, 200))
    l0 = active[drawn].sum(1) / tokens[drawn].sum(1)
    explained = 1 - error[drawn].sum(1) / spread[drawn].sum(1)
    assert l0_spread(fit).value == pytest.approx(fit.l0)
    assert l0_spread(fit).error == pytest.approx(l0.std(), rel=0.05)
    assert explained_spread(fit).value == pytest.approx(1 - fit.fvu)
    assert explained_spread(fit).error == pytest.approx(explained.std(), rel=0.05)
    assert l0_spread(Fit(fit.l0, fit.fvu, texts[:1])).error is None


def test_a_dictionary_of_another_model_is_refused_before_the_model_is_loaded(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tiny, tmp_path / "d", None)
    command = ["dictionary", "check", str(folder), "--model", str(tiny.folder / "model")]
    assert main([*command, "--name", "google/gemma-3-270m"]) == 2
    assert "expected a dictionary of google/gemma-3-270m" in capsys.readouterr().err


def llama_scope_of(tiny: Tiny, folder: Path) -> list[str]:
    """The tiny dictionary as Llama Scope has one, trained on activations of another size."""
    rows = tiny.tensors["w_dec"]
    config = llama_scope(folder, site="resid_post").config
    config |= {
        "d_sae": len(rows),
        "jump_relu_threshold": 0.05,
        "top_k": 30,
        "dataset_average_activation_norm": {"in": 3.5, "out": 3.5},
    }
    write_json(folder / "hyperparams.json", config)
    tensors = {
        "encoder.weight": rows,
        "encoder.bias": tiny.tensors["b_enc"],
        "decoder.weight": np.ascontiguousarray(rows.T),
        "decoder.bias": tiny.tensors["b_dec"],
    }
    save_file(tensors, folder / "checkpoints/final.safetensors")
    return ["--made-for", NAME]


def qwen_scope_of(tiny: Tiny, folder: Path) -> list[str]:
    """The same as Qwen Scope has one: half of its features, those above 0, are kept."""
    rows = tiny.tensors["w_dec"]
    folder.mkdir()
    tensors = {
        "W_enc": rows,
        "W_dec": np.ascontiguousarray(rows.T),
        "b_enc": tiny.tensors["b_enc"],
        "b_dec": tiny.tensors["b_dec"],
    }
    save_file(tensors, folder / f"layer{LAYER}.sae.safetensors")
    stated = ["--equation", "topk.qwenscope", "--layer", str(LAYER), "--l0", str(HIDDEN - 1)]
    return [*stated, "--made-for", NAME]


@pytest.mark.parametrize(
    ("written_as", "equation"),
    [(llama_scope_of, "jumprelu.llamascope"), (qwen_scope_of, "topk.qwenscope")],
)
def test_a_dictionary_of_another_family_passes(
    tiny: Tiny,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    written_as: Callable[[Tiny, Path], list[str]],
    equation: str,
) -> None:
    stated = written_as(tiny, tmp_path / "d")
    command = ["dictionary", "check", str(tmp_path / "d"), "--name", NAME, *stated]
    command += ["--model", str(tiny.folder / "model"), "--texts", texts_file(tmp_path)]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert (
        said[0] == f"dictionary  {equation} at resid_post of block 1, {2 * HIDDEN - 2} features"
    )
    assert {line.split()[0] for line in said[2:-3]} == {"PASS"}
    fvu = next(float(line.split()[2]) for line in said if "dictionary_fvu" in line)
    assert fvu < 0.05  # along one direction, that of BOS, nothing is explained


def test_a_device_that_is_not_here_is_refused(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["dictionary", "check", str(tiny.folder / "dictionary")]
    command += ["--model", str(tiny.folder / "model"), "--name", NAME, "--device", "cuda:99"]
    assert main(command) == 2
    assert "--device: expected a device that is here" in capsys.readouterr().err
