"""Gemma Scope 1: JumpReLU dictionaries and transcoders of Gemma 2, as npz without pickles.

`jumprelu.gs1`: z = x·W_enc + b_enc; f = relu(z)·1[z > threshold]; x̂ = f·W_dec + b_dec, at
resid_post, mlp_out (after the norm, what is added to the stream) or attn_heads.
`transcoder.jumprelu.gs1`: the same, from what the MLP reads *before* the norm's gain to what it
adds: the opposite convention to Gemma Scope 2, whose transcoders read behind the gain.

There is no configuration: repository and folder name model, kind, layer and L0, where the path
holds them (`…gemma-scope-2b-pt-res…/layer_20/width_16k/average_l0_71`); what it does not hold,
the plan must state. Dictionaries of embeddings are refused: no site of the table is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.record.sites import Site
from safetycase.run.dictionaries.numbers import Numbers, read_npz
from safetycase.run.dictionaries.specification import (
    Form,
    Specification,
    Stated,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = ("jumprelu.gs1", "transcoder.jumprelu.gs1")

PARAMETERS = "params.npz"
MARKS = (((PARAMETERS, "weights"),),)

_SITES: Mapping[str, Site] = {
    "res": "resid_post",
    "mlp": "mlp_out",
    "att": "attn_heads",
    "transcoders": "mlp_in_ungained",
}
_REPOSITORY = re.compile(r"gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)\b")
_LAYER = re.compile(r"(?:^|/)layer_(\d+)(?:/|$)")
_L0 = re.compile(r"(?:^|/)average_l0_(\d+)(?:/|$)")


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with params.npz."""
    where = stated.where
    if "embedding" in folder.path.split("/"):
        found = "one of embeddings"
        raise RunFailed(where, f"a dictionary at {', '.join(_SITES.values())}", found=found)
    repository = _REPOSITORY.search(folder.path)
    site = _SITES[repository.group(3)] if repository else stated.site
    layer, l0 = _number(_LAYER, folder.path), _number(_L0, folder.path)
    place, made_for, declared = settled(
        stated,
        equation=_equation(site, where),
        reads=None if site is None or layer is None else Place(layer, site),
        made_for=_model(repository) if repository else None,
        l0=None if l0 is None else float(l0),
    )
    tensors = _tensors(folder, where)
    shape = tensors["w_enc"].shape if "w_enc" in tensors else ()
    depth, width = shape if len(shape) == 2 else (0, 0)
    require_tensors(
        tensors,
        {
            "w_enc": (depth, width),
            "w_dec": (width, depth),
            "b_enc": (width,),
            "b_dec": (depth,),
            "threshold": (width,),
        },
        where=where,
        dtypes=("float32",),
    )
    names = {"w_enc": "encoder", "w_dec": "decoder"}
    return Specification(
        equation=_equation(place.site, where),
        made_for=made_for,
        reads=place,
        declared_l0=declared,
        width=width,
        depth=depth,
        form=Form("jump_relu"),
        tensors={names.get(part, part): tensor for part, tensor in tensors.items()},
    )


def _equation(site: Site | None, where: str) -> Equation:
    if site is None:
        raise RunFailed(
            where,
            "the site that it reads",
            found="neither its path nor the statement say",
            remedy="State the site.",
        )
    if site not in _SITES.values():
        raise RunFailed(where, f"a site of {', '.join(_SITES.values())}", found=site)
    return "transcoder.jumprelu.gs1" if site == "mlp_in_ungained" else "jumprelu.gs1"


def _model(repository: re.Match[str]) -> str:
    size, tuning, _ = repository.groups()
    return f"google/gemma-2-{size}" + ("-it" if tuning == "it" else "")


def _number(pattern: re.Pattern[str], path: str) -> int | None:
    found = pattern.search(path)
    return int(found.group(1)) if found else None


def _tensors(folder: Folder, where: str) -> dict[str, Numbers]:
    """The arrays by lower-case name; a factor of fine-tuning other than 1 is refused."""
    read = read_npz(folder.file(PARAMETERS, "weights"), where=where)
    tensors = {name.lower(): numbers for name, numbers in read.items()}
    factor = tensors.pop("scaling_factor", None)
    if factor is not None and not np.allclose(factor.whole(), 1):
        expected = "features as they are (ones)"
        raise RunFailed(f"{where} scaling_factor", expected, found="other factors")
    return tensors
