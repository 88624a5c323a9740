"""Gemma Scope 2: JumpReLU dictionaries and transcoders of Gemma 3, pt and it, all sizes.

`jumprelu.gs2`: z = x·W_enc + b_enc; f = relu(z)·1[z > threshold]; x̂ = f·W_dec + b_dec.
`transcoder.jumprelu.gs2`: the same, from what the MLP reads to what it adds to the stream;
`….affine.gs2`: plus x·M, M = affine_skip_connection as it lies in the file.

Inputs are not scaled, and b_dec is not taken off before encoding; decoder rows have unit norm.
Source: the Gemma Scope 2 tutorial and its published files. A folder without config.json is
refused: what would be inferred from names is no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from safetycase import canonical
from safetycase.canonical import JsonValue, as_count, as_object, as_text
from safetycase.errors import RunFailed
from safetycase.methods.sites import HOOKS, Place
from safetycase.record.equations import Equation
from safetycase.record.sites import Site
from safetycase.run.dictionaries.numbers import read_safetensors
from safetycase.run.dictionaries.specification import (
    Form,
    Specification,
    Stated,
    as_positive,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = (
    "jumprelu.gs2",
    "transcoder.jumprelu.gs2",
    "transcoder.jumprelu.affine.gs2",
)

CONFIG = "config.json"
PARAMETERS = "params.safetensors"
MARKS = (((CONFIG, "configuration"), (PARAMETERS, "weights")),)
REQUIRED = ("model_name", "architecture", "type", "hf_hook_point_in", "width", "l0")
OPTIONAL = ("hf_hook_point_out", "affine_connection")

_SAE_SITES: tuple[Site, ...] = ("resid_post", "attn_heads", "mlp_out")
_HOOK = re.compile(r"model\.(?:language_model\.)?layers\.(\d+)\.(.+)")
_SITE_OF_PATH: Mapping[str, Site] = {
    hook.path(""): site for site, hook in HOOKS["gemma3"].items()
}


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with config.json and params.safetensors."""
    where = stated.where
    fields = read_config(folder, where)
    reads = _reads(fields, where)
    equation = _equation(fields, reads, where)
    place, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=reads,
        made_for=as_text(fields["model_name"], where=f"{where} model_name"),
        l0=as_positive(fields["l0"], where=f"{where} l0"),
    )
    width = as_count(fields["width"], where=f"{where} width")
    tensors = read_safetensors(folder.file(PARAMETERS, "weights"), where=where)
    depth = tensors["b_dec"].shape[-1] if "b_dec" in tensors else 0
    shapes: dict[str, tuple[int, ...]] = {
        "w_enc": (depth, width),
        "w_dec": (width, depth),
        "b_enc": (width,),
        "b_dec": (depth,),
        "threshold": (width,),
    }
    if equation == "transcoder.jumprelu.affine.gs2":
        shapes["affine_skip_connection"] = (depth, depth)
    require_tensors(tensors, shapes, where=where)
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=place,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=Form("jump_relu", unit_rows=True),
        tensors={_PARTS[name]: tensor for name, tensor in tensors.items()},
    )


_PARTS = {
    "w_enc": "encoder",
    "w_dec": "decoder",
    "b_enc": "b_enc",
    "b_dec": "b_dec",
    "threshold": "threshold",
    "affine_skip_connection": "skip",
}


def read_config(folder: Folder, where: str) -> dict[str, JsonValue]:
    """The keys of config.json, all known, of the only architecture there is."""
    value = canonical.read(folder.file(CONFIG, "configuration").read_bytes(), where=where)
    place = f"{where} {CONFIG}"
    fields = as_object(value, where=place, required=REQUIRED, optional=OPTIONAL)
    if fields["architecture"] != "jump_relu":
        found = str(fields["architecture"])
        raise RunFailed(f"{where} architecture", "jump_relu", found=found)
    return fields


def place_of(hook: str, *, where: str) -> Place:
    """The place that a hook path names; one that the table lacks is refused."""
    parts = _HOOK.fullmatch(hook)
    site = _SITE_OF_PATH.get(parts.group(2)) if parts else None
    if parts is None or site is None:
        expected = f"model.layers.N. and one of {', '.join(_SITE_OF_PATH)}"
        raise RunFailed(where, expected, found=hook)
    return Place(int(parts.group(1)), site)


def _reads(fields: Mapping[str, JsonValue], where: str) -> Place:
    place = f"{where} hf_hook_point_in"
    return place_of(as_text(fields["hf_hook_point_in"], where=place), where=place)


def _equation(fields: Mapping[str, JsonValue], reads: Place, where: str) -> Equation:
    """The equation by type and affine term; sites that do not go with the type are refused."""
    kind, affine = fields["type"], fields.get("affine_connection") or False
    out = fields.get("hf_hook_point_out")
    written = None if out is None else place_of(str(out), where=f"{where} hf_hook_point_out")
    if kind == "sae" and affine is False:
        if reads.site not in _SAE_SITES:
            found = f"one at {reads.site}"
            raise RunFailed(where, f"a dictionary at {', '.join(_SAE_SITES)}", found=found)
        if written not in (None, reads):
            raise RunFailed(f"{where} hf_hook_point_out", str(reads), found=str(out))
        return "jumprelu.gs2"
    if kind != "transcoder":
        expected = "sae or transcoder (an affine connection goes with a transcoder)"
        raise RunFailed(f"{where} type", expected, found=f"{kind}, affine: {affine}")
    if reads.site != "mlp_in" or written != Place(reads.layer, "mlp_out"):
        raise RunFailed(
            where,
            "a transcoder from mlp_in to mlp_out of one block",
            found=f"{reads} to {written}",
        )
    return "transcoder.jumprelu.affine.gs2" if affine is True else "transcoder.jumprelu.gs2"
