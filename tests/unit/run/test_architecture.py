"""The architecture is told by the files of a model, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safetycase.errors import MethodRefused, RunFailed
from safetycase.run.architecture import stated_architecture
from safetycase.run.sources import Source, locate_model

gguf = pytest.importorskip("gguf", reason="the run extra is not installed")


def configured(folder: Path, **config: object) -> Source:
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"x")
    return locate_model(".", "transformers", folder, where="here")


def archived(folder: Path, architecture: str) -> Source:
    writer = gguf.GGUFWriter(folder / "m.gguf", architecture)
    writer.add_block_count(3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return locate_model(".", "gguf", folder, where="here")


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"model_type": "gemma3_text"}, "gemma3"),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, "gemma3"),
        ({"model_type": "gemma3", "text_config": {"hidden_size": 5}}, "gemma3"),
        ({"model_type": "gpt_neox"}, "gpt_neox"),
    ],
)
def test_of_a_configuration(tmp_path: Path, config: dict[str, object], found: str) -> None:
    model = configured(tmp_path, **config)
    assert stated_architecture(model, "transformers", where="here") == found


@pytest.mark.parametrize(("name", "found"), [("gemma3", "gemma3"), ("gptneox", "gpt_neox")])
def test_of_a_gguf_file(tmp_path: Path, name: str, found: str) -> None:
    assert stated_architecture(archived(tmp_path, name), "gguf", where="here") == found


def test_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MethodRefused) as refused:
        stated_architecture(configured(tmp_path, model_type="mamba"), "transformers", where="p")
    assert (refused.value.where, refused.value.found) == ("p", "mamba")
    with pytest.raises(MethodRefused):
        stated_architecture(archived(tmp_path, "mamba"), "gguf", where="p")


@pytest.mark.parametrize(
    "data", [b"", b"GGUF", b"GGUF" + bytes(20), b"GGUF" + b"\3\0\0\0" + b"\xff" * 40]
)
def test_a_broken_gguf_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(data)
    model = locate_model(".", "gguf", tmp_path, where="here")
    with pytest.raises(RunFailed) as refused:
        stated_architecture(model, "gguf", where="here")
    assert refused.value.where == "m.gguf"


def test_keys_of_every_kind_are_passed_over(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.kv_data = [{}]
    writer.add_string("a.text", "x" * 40)
    writer.add_array("a.words", ["one", "two"])
    writer.add_array("a.numbers", [1, 2, 3])
    writer.add_bool("a.flag", val=True)
    writer.add_float64("a.number", 1.5)
    writer.add_string("general.architecture", "qwen3")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    model = locate_model(".", "gguf", tmp_path, where="here")
    assert stated_architecture(model, "gguf", where="here") == "qwen3"
