"""Gemma Scope 2 of several blocks: weakly causal crosscoders, and cross-layer transcoders.

`crosscoder.jumprelu.gs2`: of the stream after four blocks. `clt.jumprelu.gs2`: from what every
MLP reads to what it adds to the stream; `….affine.gs2`: plus x_t·M_t, M the same block's
`affine_skip_connection` as it lies in the file. With files numbered by their place s among the
blocks, and not by the block's number:

    f_s = relu(h)·1[h > threshold_s], h = x_s·w_enc_s + b_enc_s
    y_t = b_dec_t + Σ_{s ≤ t} f_s·w_dec_s[:, t]

The second axis of `w_dec` counts the blocks from the first one of all, not from the source's
own; what lies there of earlier blocks is next to nothing, and is not computed with. `width` and
`l0` are those of all sources together. Source: the Gemma Scope 2 paper, section 2.6, its
tutorial and its published files; circuit-tracer 0.4.1, which cuts the earlier blocks off too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from safetycase.canonical import JsonValue, as_count, as_text
from safetycase.errors import RunFailed
from safetycase.methods.sites import Span
from safetycase.record.equations import Equation
from safetycase.record.sites import Site
from safetycase.run.dictionaries.gemma_scope_2 import CONFIG, place_of, read_config
from safetycase.run.dictionaries.numbers import Numbers, read_safetensors
from safetycase.run.dictionaries.specification import (
    Form,
    Source,
    Specification,
    Stated,
    as_positive,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = (
    "crosscoder.jumprelu.gs2",
    "clt.jumprelu.gs2",
    "clt.jumprelu.affine.gs2",
)

PARAMETERS = "params_layer_{}.safetensors"
MARKS = (((CONFIG, "configuration"), (PARAMETERS.format(0), "weights")),)

_ALL = "all"
_HOOK = re.compile(r"(model\.(?:language_model\.)?layers)\.\{([0-9, ]+|all)\}\.(.+)")
_SKIP = "affine_skip_connection"


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with config.json and one file for each of its blocks."""
    where = stated.where
    fields = read_config(folder, where)
    equation, named, site = _equation(fields, where)
    first = _tensors(folder, 0, where)
    shape = first["w_dec"].shape if "w_dec" in first else ()
    blocks = shape[1] if len(shape) == 3 else 0
    layers = tuple(range(blocks)) if named is None else named
    if len(layers) < 2:
        expected = "decoders [features, blocks, depth] of several blocks"
        raise RunFailed(f"{where} w_dec", expected, found=str(shape))
    reads, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=Span(layers, site),
        made_for=as_text(fields["model_name"], where=f"{where} model_name"),
        l0=as_positive(fields["l0"], where=f"{where} l0"),
    )
    width = as_count(fields["width"], where=f"{where} width")
    if width % len(layers):
        expected = f"features in equal parts of {len(layers)} blocks"
        raise RunFailed(f"{where} width", expected, found=str(width))
    depth = first["b_dec"].shape[-1] if "b_dec" in first else 0
    each = width // len(layers)
    shapes: dict[str, tuple[int, ...]] = {
        "w_enc": (depth, each),
        "w_dec": (each, len(layers), depth),
        "b_enc": (each,),
        "b_dec": (depth,),
        "threshold": (each,),
    }
    if equation == "clt.jumprelu.affine.gs2":
        shapes[_SKIP] = (depth, depth)
    sources = []
    for number in range(len(layers)):
        tensors = first if number == 0 else _tensors(folder, number, where)
        require_tensors(tensors, shapes, where=f"{where} {PARAMETERS.format(number)}")
        sources.append(_source(tensors, number, len(layers)))
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=reads,
        declared_l0=l0,
        width=width,
        depth=depth * len(layers),
        form=Form("jump_relu"),
        tensors={},
        sources=tuple(sources),
    )


def _tensors(folder: Folder, number: int, where: str) -> dict[str, Numbers]:
    return read_safetensors(folder.file(PARAMETERS.format(number), "weights"), where=where)


def _source(tensors: Mapping[str, Numbers], number: int, blocks: int) -> Source:
    planes = [tensors["w_dec"].plane(block) for block in range(blocks)]
    return Source(
        encoder=tensors["w_enc"],
        b_enc=tensors["b_enc"],
        threshold=tensors["threshold"],
        decoder=tuple(planes[number:]),
        b_dec=tensors["b_dec"],
        skip=tensors.get(_SKIP),
        before=tuple(planes[:number]),
    )


def _equation(
    fields: Mapping[str, JsonValue], where: str
) -> tuple[Equation, tuple[int, ...] | None, Site]:
    """The equation, the blocks that are named (none: all of the files), and what is read."""
    kind, affine = fields["type"], fields.get("affine_connection") or False
    layers, given = _hook(fields, "hf_hook_point_in", where)
    made_in, made = layers, given
    if fields.get("hf_hook_point_out") is not None:
        made_in, made = _hook(fields, "hf_hook_point_out", where)
    found = f"{kind} from {given} to {made}, affine: {affine}"
    if made_in != layers:
        raise RunFailed(where, "the same blocks in and out", found=found)
    if kind == "crosscoder" and affine is False and given == made == "resid_post":
        return "crosscoder.jumprelu.gs2", layers, given
    if kind != "clt" or (given, made) != ("mlp_in", "mlp_out"):
        expected = "a crosscoder of the stream, or a clt from mlp_in to mlp_out"
        raise RunFailed(f"{where} type", expected, found=found)
    is_affine = affine is True
    return "clt.jumprelu.affine.gs2" if is_affine else "clt.jumprelu.gs2", layers, given


def _hook(
    fields: Mapping[str, JsonValue], key: str, where: str
) -> tuple[tuple[int, ...] | None, Site]:
    """Blocks, in braces, and site of a path; `{all}` names none."""
    path = as_text(fields[key], where=f"{where} {key}")
    parts = _HOOK.fullmatch(path)
    if parts is None:
        expected = "model.layers.{N,M,…}. or {all}. and a site"
        raise RunFailed(f"{where} {key}", expected, found=path)
    site = place_of(f"{parts.group(1)}.0.{parts.group(3)}", where=f"{where} {key}").site
    if parts.group(2) == _ALL:
        return None, site
    layers = tuple(int(layer) for layer in parts.group(2).split(",") if layer.strip())
    if len(layers) < 2 or list(layers) != sorted(set(layers)):
        raise RunFailed(f"{where} {key}", "several blocks, ascending", found=path)
    return layers, site
