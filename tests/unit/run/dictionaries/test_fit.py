"""A dictionary of another model is refused by name, width or depth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safetycase.errors import RunFailed
from safetycase.run.dictionaries.fit import require_fit
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.specification import Specification, Stated
from safetycase.run.folder import open_folder
from safetycase.run.shape import ModelShape
from tests.unit.run.dictionaries.made import DEPTH, LAYER, gs2
from tests.unit.run.dictionaries.made_layers import gs2_layers

SHAPE = ModelShape("google/gemma-3-270m", "gemma3", blocks=18, width=DEPTH, heads_width=DEPTH)


def of(folder: Path, **kind: Any) -> Specification:
    gs2(folder, **{"site": "resid_post", "skip": None, **kind})
    return specify(open_folder(".", folder, where="d", remedy="None."), Stated("d"))


@pytest.mark.parametrize(
    ("made_for", "model", "fits"),
    [
        ("google/gemma-3-270m-pt", "google/gemma-3-270m", True),
        ("google/gemma-3-270m-pt", "Gemma 3 270M (PT, 4 bits)", True),
        ("google/gemma-v3-1b-it", "google/gemma-3-1b-it", True),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", True),
        ("gpt2-small", "openai-community/gpt2", True),
        ("google/gemma-3-1b-pt", "google/gemma-3-1b-it", False),
        ("google/gemma-3-1b-it", "google/gemma-3-1b", False),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", False),
        ("google/gemma-3-4b-pt", "google/gemma-3-1b", False),
    ],
)
def test_the_name_of_the_model(tmp_path: Path, made_for: str, model: str, fits: bool) -> None:
    dictionary = replace(of(tmp_path), made_for=made_for)
    shape = replace(SHAPE, name=model)
    if fits:
        require_fit(dictionary, shape, where="here")
        return
    with pytest.raises(RunFailed) as refused:
        require_fit(dictionary, shape, where="here")
    assert refused.value.where == "here"
    assert made_for in str(refused.value.found)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("crosscoder", {"width": 33}, "activations of width 66 at resid_post of blocks 0, 2"),
        ("crosscoder", {"blocks": 2}, "one of the 2 blocks"),
        ("clt", {"blocks": 2}, "one of the 2 blocks"),
        ("clt", {"blocks": 4}, "a transcoder of all 4 blocks"),
    ],
)
def test_the_sizes_of_a_model_of_several_blocks(
    tmp_path: Path, kind: str, changes: dict[str, int], expected: str
) -> None:
    gs2_layers(tmp_path, kind=kind)
    found = specify(open_folder(".", tmp_path, where="d", remedy="None."), Stated("d"))
    dictionary, shape = replace(found, made_for=SHAPE.name), replace(SHAPE, blocks=3)
    require_fit(dictionary, shape, where="here")
    with pytest.raises(RunFailed) as refused:
        require_fit(dictionary, replace(shape, **changes), where="here")
    assert refused.value.expected.startswith(expected)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ({}, {"width": 33}, "activations of width 33 at resid_post of block 1"),
        ({"site": "attn_heads"}, {"heads_width": 64}, "activations of width 64 at attn_heads"),
        ({"site": "mlp_in", "skip": True}, {"width": 33}, "activations of width 33 at mlp_"),
        ({}, {"blocks": LAYER}, "one of the 1 blocks"),
    ],
)
def test_the_sizes_of_the_model(
    tmp_path: Path, kind: Any, changes: dict[str, int], expected: str
) -> None:
    dictionary = replace(of(tmp_path, **kind), made_for=SHAPE.name)
    require_fit(dictionary, SHAPE, where="here")
    with pytest.raises(RunFailed) as refused:
        require_fit(dictionary, replace(SHAPE, **changes), where="here")
    assert refused.value.expected.startswith(expected)
