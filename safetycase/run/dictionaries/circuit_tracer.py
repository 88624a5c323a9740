"""Transcoders in the layout of circuit-tracer: config.yaml and layer_N.safetensors.

h = x·W_encᵀ + b_enc; f = relu(h), h·1[h > threshold] if there are thresholds, or the k largest
of h as they are (`topk`: negative ones stay); y = f·W_dec + b_dec, plus x·W_skipᵀ with `skip`.
b_dec is never subtracted. `feature_input_hook` names what is read: `mlp.hook_in` behind the
norm's gain, `ln2.hook_normalized` before it, `hook_resid_mid` the stream.

A set whose config.yaml lists files of other repositories is refused: name the folder that holds
the layer. Source: circuit-tracer 0.4.1 and its fork 0.5.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from safetycase.canonical import JsonValue, as_count, as_object, as_text
from safetycase.errors import RunFailed
from safetycase.methods.encode import ActivationName
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.record.sites import Site
from safetycase.record.yaml_text import read_yaml
from safetycase.run.dictionaries import hook_names
from safetycase.run.dictionaries.numbers import Numbers, read_safetensors
from safetycase.run.dictionaries.specification import (
    FLOATS,
    Form,
    Specification,
    Stated,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = (
    "transcoder.relu.ct",
    "transcoder.relu.skip.ct",
    "transcoder.jumprelu.ct",
    "transcoder.jumprelu.skip.ct",
    "transcoder.topk.ct",
    "transcoder.topk.skip.ct",
)

CONFIG = "config.yaml"
MARKS = (((CONFIG, "configuration"),),)

_REQUIRED = ("model_name", "model_kind", "feature_input_hook", "feature_output_hook")
_OPTIONAL = ("activation", "k", "scan", "transcoders", "revision")
_THRESHOLD = "activation_function.threshold"
_ACTIVATIONS: Mapping[str, ActivationName] = {
    "relu": "relu",
    "jumprelu": "jump_relu",
    "topk": "top_k_signed",
}


def specify(folder: Folder, stated: Stated) -> Specification:
    """The transcoder of one layer of a set; the layer must be stated."""
    where = stated.where
    fields = read_config(folder, where, kind="transcoder_set")
    if stated.layer is None:
        raise RunFailed(where, "the layer", found="none stated", remedy="State the layer.")
    name = f"layer_{stated.layer}.safetensors"
    tensors = read_safetensors(folder.file(name, "weights"), where=where)
    shape = tensors["W_enc"].shape if "W_enc" in tensors else ()
    width, depth = shape if len(shape) == 2 else (0, 0)
    kind = _kind(fields, tensors, where)
    skips = "W_skip" in tensors
    require_tensors(
        tensors, _shapes(width, depth, kind, skips=skips), where=where, dtypes=FLOATS
    )
    equation = _equation(kind, skips=skips)
    k = as_count(fields.get("k"), where=f"{where} k") if kind == "topk" else 0
    place, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=Place(stated.layer, sites_of(fields, stated)),
        made_for=as_text(fields["model_name"], where=f"{where} model_name"),
        l0=float(k) or None,
    )
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=place,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=Form(_ACTIVATIONS[kind], k=k),
        tensors=_parts(tensors),
    )


def read_config(
    folder: Folder, where: str, *, kind: Literal["transcoder_set", "cross_layer_transcoder"]
) -> Mapping[str, JsonValue]:
    """The keys of config.yaml, all known, of transcoders of a kind that lie in this folder."""
    place = f"{where} {CONFIG}"
    text = folder.file(CONFIG, "configuration").read_text("utf-8")
    fields = as_object(
        read_yaml(text, where=place), where=place, required=_REQUIRED, optional=_OPTIONAL
    )
    if fields["model_kind"] != kind:
        raise RunFailed(f"{where} model_kind", kind, found=str(fields["model_kind"]))
    if fields.get("transcoders"):
        raise RunFailed(
            place,
            "transcoders in this folder",
            found="a list of files elsewhere",
            remedy="Name the folder that holds the layer.",
        )
    return fields


def _kind(fields: Mapping[str, JsonValue], tensors: Mapping[str, Numbers], where: str) -> str:
    """Thresholds make a JumpReLU; else the configuration says, and its silence means ReLU.

    So the loader has it whose layout this is.
    """
    stated = fields.get("activation", "jumprelu" if _THRESHOLD in tensors else "relu")
    word = str(stated).replace("_", "").lower()
    if word not in _ACTIVATIONS or (word == "jumprelu") != (_THRESHOLD in tensors):
        held = "thresholds" if _THRESHOLD in tensors else "no thresholds"
        raise RunFailed(
            f"{where} activation",
            f"one of {', '.join(_ACTIVATIONS)}, the second with thresholds",
            found=f"{stated} with {held}",
        )
    return word


def _equation(kind: str, *, skips: bool) -> Equation:
    name = f"transcoder.{kind}{'.skip' if skips else ''}.ct"
    return next(equation for equation in EQUATIONS if equation == name)


def sites_of(fields: Mapping[str, JsonValue], stated: Stated) -> Site:
    """The site that is read; refused unless what MLPs add is written."""
    sites = {}
    for key in ("feature_input_hook", "feature_output_hook"):
        where = f"{stated.where} {key}"
        hook = as_text(fields[key], where=where)
        sites[key] = hook_names.site_of(hook, stated.architecture, where=where)
    if sites["feature_output_hook"] != "mlp_out":
        found = str(fields["feature_output_hook"])
        raise RunFailed(f"{stated.where} feature_output_hook", "hook_mlp_out", found=found)
    return sites["feature_input_hook"]


def _shapes(width: int, depth: int, kind: str, *, skips: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (width, depth),
        "W_dec": (width, depth),
        "b_enc": (width,),
        "b_dec": (depth,),
    }
    if kind == "jumprelu":
        shapes[_THRESHOLD] = (width,)
    if skips:
        shapes["W_skip"] = (depth, depth)
    return shapes


def _parts(tensors: Mapping[str, Numbers]) -> dict[str, Numbers]:
    parts = {
        "encoder": tensors["W_enc"].turned(),
        "decoder": tensors["W_dec"],
        "b_enc": tensors["b_enc"],
        "b_dec": tensors["b_dec"],
    }
    if _THRESHOLD in tensors:
        parts["threshold"] = tensors[_THRESHOLD]
    return parts if "W_skip" not in tensors else parts | {"skip": tensors["W_skip"].turned()}
