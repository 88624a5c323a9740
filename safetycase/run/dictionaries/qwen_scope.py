"""Qwen Scope: top-k dictionaries of Qwen 3 and 3.5, of the stream after a block.

h = x·W_encᵀ + b_enc; f = the k largest of h, as they are; x̂ = f·W_decᵀ + b_dec. W_enc
[width, depth], W_dec [depth, width]; b_dec is not subtracted. Width, k and model stand in the
repository's name (`SAE-Res-MODEL-W64K-L0_50`) and, where there is one, in config.json; the
layer in the file's name.

Published are `layerN.sae.pt`: pickles, which are never opened here. Read is a copy in
safetensors with the same four tensors, `layerN.sae.safetensors`; how to make one, where it does
no harm, says docs/howto/dictionaries.md. Source: the model cards' own code; SAELens 6.54 takes
what is below zero among the k largest out, which on published dictionaries is nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from safetycase import canonical
from safetycase.canonical import as_count, as_object, as_text
from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.run.dictionaries.numbers import read_safetensors
from safetycase.run.dictionaries.specification import (
    FLOATS,
    Form,
    Specification,
    Stated,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = ("topk.qwenscope",)
MARKS = ()
"""No file of it has a name of its own; its folder has."""

NAME = re.compile(r"SAE-Res-(Qwen[\w.-]+)-W(\d+)K-L0_(\d+)")
CONFIG = "config.json"
_REQUIRED = ("model_type", "base_model", "d_sae", "k", "hook_point")
_OPTIONAL = ("d_model", "num_layers", "dtype")
_FILE = re.compile(r"layer(\d+)\.sae\.safetensors$")
_SOURCE = "layer{}.sae.pt"
_COPY = "layer{}.sae.safetensors"


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of one layer of a folder; the path or the statement says which."""
    where, named = stated.where, _named(folder, stated.where)
    file = _FILE.search(folder.path)
    layer = int(file.group(1)) if file else stated.layer
    if layer is None:
        raise RunFailed(where, "the layer", found="none stated", remedy="State the layer.")
    k = _k(named, stated)
    reads, made_for, l0 = settled(
        stated,
        equation="topk.qwenscope",
        reads=Place(layer, "resid_post"),
        made_for=named.model if named else None,
        l0=float(k),
    )
    tensors = read_safetensors(_copy(folder, layer, where), where=where)
    shape = tensors["W_enc"].shape if "W_enc" in tensors else ()
    width, depth = shape if len(shape) == 2 else (0, 0)
    require_tensors(
        tensors,
        {
            "W_enc": (width, depth),
            "W_dec": (depth, width),
            "b_enc": (width,),
            "b_dec": (depth,),
        },
        where=where,
        dtypes=FLOATS,
    )
    if named and width != named.width:
        raise RunFailed(where, f"{named.width} features, as named", found=f"{width} features")
    if not 0 < k <= width:
        raise RunFailed(f"{where} l0", f"a part of {width} features", found=str(k))
    return Specification(
        equation="topk.qwenscope",
        made_for=made_for,
        reads=reads,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=Form("top_k_signed", k=k),
        tensors={
            "encoder": tensors["W_enc"].turned(),
            "decoder": tensors["W_dec"].turned(),
            "b_enc": tensors["b_enc"],
            "b_dec": tensors["b_dec"],
        },
    )


@dataclass(frozen=True)
class _Named:
    """What the name of a repository or a configuration says of all its files."""

    model: str
    width: int
    k: int

    @override
    def __str__(self) -> str:
        """What it is, in words."""
        return f"{self.k} of {self.width} features, of {self.model}"


def _named(folder: Folder, where: str) -> _Named | None:
    """By the folder's name and by its config.json, which must agree; none without either."""
    name, said = NAME.search(folder.path), _configured(folder, where)
    if name is None:
        return said
    model, width, k = name.groups()
    named = _Named(f"Qwen/{model}", 1024 * int(width), int(k))
    if said not in (None, named):
        expected = f"{named}, as the folder is named"
        raise RunFailed(f"{where} {CONFIG}", expected, found=str(said))
    return named


def _configured(folder: Folder, where: str) -> _Named | None:
    path = folder.optional(CONFIG, "configuration")
    if path is None:
        return None
    place = f"{where} {CONFIG}"
    value = canonical.read(path.read_bytes(), where=where)
    fields = as_object(value, where=place, required=_REQUIRED, optional=_OPTIONAL)
    for key, known in (("model_type", "topk_sae"), ("hook_point", "resid_post")):
        if fields[key] != known:
            raise RunFailed(f"{where} {key}", known, found=str(fields[key]))
    return _Named(
        as_text(fields["base_model"], where=f"{where} base_model"),
        as_count(fields["d_sae"], where=f"{where} d_sae"),
        as_count(fields["k"], where=f"{where} k"),
    )


def _k(named: _Named | None, stated: Stated) -> int:
    """How many features a token keeps: by what is named, else the stated L0."""
    if named is not None:
        return named.k
    if stated.l0 is None or stated.l0 != int(stated.l0):
        raise RunFailed(
            f"{stated.where} l0",
            "the whole number of features that a token keeps",
            found=str(stated.l0),
            remedy="State it: neither the files nor the folder's name say.",
        )
    return int(stated.l0)


def _copy(folder: Folder, layer: int, where: str) -> Path:
    """The file of a layer in safetensors; refused if there is but the pickle, or none."""
    name, source = _COPY.format(layer), _SOURCE.format(layer)
    found = folder.optional(name, "weights")
    if found is None:
        is_there = folder.here(source) is not None or folder.path.startswith("hf://")
        raise RunFailed(
            where,
            f"a file {name} in {folder.path}",
            found=f"{source}, a pickle, which is never opened" if is_there else "none",
            remedy=f"Make {name} of {source} where running its code does no harm "
            "(docs/howto/dictionaries.md), and name the folder that holds it.",
        )
    return found
