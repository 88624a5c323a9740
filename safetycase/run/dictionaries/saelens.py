"""SAELens's own folders: cfg.json and sae_weights.safetensors, of version 6 and of older ones.

With x' the input, normalised as cfg.json says and less b_dec if `apply_b_dec_to_input`:
`standard`: relu(x'·W_enc + b_enc); `jumprelu`: relu(h)·1[h > threshold]; `gated`:
1[x'·W_enc + b_gate > 0]·relu(x'·(W_enc·e^r_mag) + b_mag); `topk`: the k largest, those above 0,
told apart by h·‖W_dec‖ if `rescale_acts_by_decoder_norm`; `batchtopk`: a training checkpoint,
whose `topk_threshold` is that of a JumpReLU. Transcoders never subtract b_dec and never scale
their output back; `skip` adds x·W_skipᵀ.

Version 6 (`….saelens`) states everything, and what it leaves out is refused. Before that
(`….saelens5`) a missing `apply_b_dec_to_input` meant that b_dec is subtracted, a missing
`architecture` a standard one, missing normalisation none: that is part of those equations.
Source: SAELens 6.54.12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from safetycase import canonical
from safetycase.canonical import JsonValue, as_count, as_object, as_text
from safetycase.errors import RunFailed
from safetycase.methods.encode import ActivationName, Normalisation
from safetycase.methods.equations import has_skip, kind_of
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.run.dictionaries import gemma_scope_2, hook_names
from safetycase.run.dictionaries.numbers import Numbers, read_safetensors
from safetycase.run.dictionaries.specification import (
    FLOATS,
    Form,
    Specification,
    Stated,
    as_positive,
    one_of,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SPARSITY = "sparsity.safetensors"
MARKS = (((CONFIG, "configuration"), (WEIGHTS, "weights")),)

_SIX: Mapping[str, Equation] = {
    "standard": "standard.saelens",
    "gated": "gated.saelens",
    "jumprelu": "jumprelu.saelens",
    "topk": "topk.saelens",
    "batchtopk": "batchtopk.saelens",
    "matryoshka_batchtopk": "batchtopk.saelens",
    "transcoder": "transcoder.relu.saelens",
    "skip_transcoder": "transcoder.relu.skip.saelens",
    "jumprelu_transcoder": "transcoder.jumprelu.saelens",
    "jumprelu_skip_transcoder": "transcoder.jumprelu.skip.saelens",
}
_OLDER: Mapping[str, Equation] = {
    "standard": "standard.saelens5",
    "gated": "gated.saelens5",
    "jumprelu": "jumprelu.saelens5",
    "topk": "topk.saelens5",
}
EQUATIONS: tuple[Equation, ...] = (*dict.fromkeys([*_SIX.values(), *_OLDER.values()]),)

_NORMALISATIONS: Mapping[str, Normalisation] = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "constant_norm",
}
_CHANGES_THE_MODEL = ("center_writing_weights", "fold_ln", "fold_value_biases")
_RENAMED = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
_VERSION = re.compile(r"(\d+)\.")


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with cfg.json and sae_weights.safetensors."""
    where = stated.where
    fields = _fields(folder, where)
    equation = fields.equation
    path = folder.file(WEIGHTS, "weights")
    width, depth = (
        as_count(fields.of(key), where=f"{where} {key}") for key in ("d_sae", "d_in")
    )
    tensors = _tensors(path, equation, width, depth, where)
    form = _form(fields, where)
    place, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=_reads(fields, stated),
        made_for=as_text(fields.metadata("model_name"), where=f"{where} model_name"),
        l0=float(form.k) or _batch_k(fields, where) or _measured_l0(folder, where),
    )
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=place,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=form,
        tensors=_parts(tensors),
    )


class _Fields:
    """cfg.json of either version, asked by the names of version 6."""

    def __init__(self, value: dict[str, JsonValue], where: str) -> None:
        metadata = value.get("metadata")
        self._where = where
        self._metadata = metadata if isinstance(metadata, dict) else value
        version = self._metadata.get("sae_lens_version") or value.get("sae_lens_version")
        major = _VERSION.match(str(version))
        self.older = major is None or int(major.group(1)) < 6
        self._value = value
        if self.older:
            self._value = self._metadata = {
                _RENAMED.get(key, key): part for key, part in value.items()
            }
        place = f"{where} architecture"
        known = _OLDER if self.older else _SIX
        self.equation = one_of(self._architecture(), known, where=place)

    def _architecture(self) -> JsonValue:
        if not self.older:
            return self.of("architecture")
        kind = self._value.get("activation_fn", "relu")
        named = self._value.get("architecture", "standard")
        if kind not in ("relu", "topk"):
            raise RunFailed(f"{self._where} activation_fn", "relu or topk", found=str(kind))
        return "topk" if kind == "topk" and named == "standard" else named

    def of(self, key: str) -> JsonValue:
        """A value that is there; refused if it is not."""
        if key not in self._value:
            raise RunFailed(
                f"{self._where} {CONFIG}",
                f"a key {key}",
                found="none",
                remedy="What a file leaves out is not guessed.",
            )
        return self._value[key]

    def get(self, key: str, default: JsonValue) -> JsonValue:
        """A value that older versions may leave out, with what that meant to them."""
        return self._value.get(key, default) if self.older else self.of(key)

    def maybe(self, key: str) -> JsonValue:
        """A value that means nothing where it is not."""
        return self._value.get(key)

    def metadata(self, key: str) -> JsonValue:
        """What is said of the model and its hooks."""
        return self._metadata.get(key)


def _fields(folder: Folder, where: str) -> _Fields:
    value = canonical.read(folder.file(CONFIG, "configuration").read_bytes(), where=where)
    fields = _Fields(dict(as_object(value, where=f"{where} {CONFIG}", optional=None)), where)
    for key in ("hook_head_index", "hook_head_index_out"):
        if fields.metadata(key) is not None:
            raise RunFailed(f"{where} {key}", "all heads", found=str(fields.metadata(key)))
    if fields.maybe("finetuning_scaling_factor"):
        raise RunFailed(f"{where} finetuning_scaling_factor", "none", found="one")
    arguments = fields.metadata("model_from_pretrained_kwargs")
    for key in _CHANGES_THE_MODEL if isinstance(arguments, dict) else ():
        if isinstance(arguments, dict) and arguments.get(key):
            raise RunFailed(
                f"{where} model_from_pretrained_kwargs",
                "activations of the model as it is",
                found=key,
                remedy="It was trained on a model with other weights of the same function.",
            )
    return fields


def _reads(fields: _Fields, stated: Stated) -> Place:
    """Where it reads: by the path in transformers if there is one, else by the hook's name."""
    where = stated.where
    place = _place(fields, "hook_name", "hf_hook_name", stated)
    is_transcoder = kind_of(fields.equation) == "transcoder"
    if is_transcoder:
        written = _place(fields, "hook_name_out", "hf_hook_name_out", stated)
        if written != Place(place.layer, "mlp_out"):
            expected = f"a transcoder to mlp_out of block {place.layer}"
            raise RunFailed(f"{where} hook_name_out", expected, found=str(written))
    return place


def _place(fields: _Fields, name: str, hf_name: str, stated: Stated) -> Place:
    where = f"{stated.where} {name}"
    path = fields.metadata(hf_name)
    if isinstance(path, str) and path.startswith("model.layers.") and "." in path[13:]:
        return gemma_scope_2.place_of(path, where=f"{stated.where} {hf_name}")
    hook = as_text(fields.metadata(name), where=where)
    return hook_names.place_of(hook, stated.architecture, where=where)


def _form(fields: _Fields, where: str) -> Form:
    equation = fields.equation
    normalisation = fields.get("normalize_activations", "none") or "none"
    if not isinstance(normalisation, str) or normalisation not in _NORMALISATIONS:
        raise RunFailed(
            f"{where} normalize_activations",
            f"one of {', '.join(_NORMALISATIONS)}",
            found=str(normalisation),
            remedy="A scale that only training knew must be folded into the weights first.",
        )
    is_transcoder = kind_of(equation) == "transcoder"
    subtracted = fields.get("apply_b_dec_to_input", default=True)
    if not isinstance(subtracted, bool) or (is_transcoder and subtracted):
        expected = "false for a transcoder, else true or false"
        raise RunFailed(f"{where} apply_b_dec_to_input", expected, found=str(subtracted))
    word = equation.split(".")[1 if is_transcoder else 0]
    return Form(
        _ACTIVATIONS[word],
        k=_k(fields, where) if word == "topk" else 0,
        normalisation=_NORMALISATIONS[normalisation],
        undone=not is_transcoder,
        subtract_b_dec=subtracted,
        rescaled=bool(fields.maybe("rescale_acts_by_decoder_norm")),
    )


_ACTIVATIONS: Mapping[str, ActivationName] = {
    "standard": "relu",
    "relu": "relu",
    "gated": "gated",
    "jumprelu": "jump_relu",
    "batchtopk": "jump_relu",
    "topk": "top_k",
}


def _k(fields: _Fields, where: str) -> int:
    arguments = fields.maybe("activation_fn_kwargs")
    held = arguments.get("k") if isinstance(arguments, dict) else fields.maybe("k")
    return as_count(held, where=f"{where} k")


def _batch_k(fields: _Fields, where: str) -> float | None:
    if fields.equation != "batchtopk.saelens":
        return None
    return as_positive(fields.of("k"), where=f"{where} k")


def _measured_l0(folder: Folder, where: str) -> float | None:
    """The sum of the features' frequencies, where their logarithms are beside the weights."""
    path = folder.optional(SPARSITY, "other")
    if path is None:
        return None
    tensors = read_safetensors(path, where=f"{where} {SPARSITY}")
    require_tensors(
        tensors, {"sparsity": tensors["sparsity"].shape}, where=where, dtypes=FLOATS
    )
    return float(np.power(10.0, tensors["sparsity"].whole().astype(np.float64)).sum())


def _tensors(
    path: Path, equation: Equation, width: int, depth: int, where: str
) -> dict[str, Numbers]:
    tensors = read_safetensors(path, where=where)
    factor = tensors.pop("scaling_factor", None)
    if factor is not None and not np.allclose(factor.whole(), 1):
        raise RunFailed(f"{where} scaling_factor", "ones", found="other factors")
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (depth, width),
        "W_dec": (width, depth),
        "b_dec": (depth,),
    }
    if equation.startswith("gated."):
        shapes |= dict.fromkeys(("b_gate", "b_mag", "r_mag"), (width,))
    else:
        shapes["b_enc"] = (width,)
    if "jumprelu" in equation.split("."):
        shapes["threshold"] = (width,)
    if equation == "batchtopk.saelens":
        shapes["topk_threshold"] = ()
    if has_skip(equation):
        shapes["W_skip"] = (depth, depth)
    require_tensors(tensors, shapes, where=where, dtypes=FLOATS)
    return tensors


def _parts(tensors: Mapping[str, Numbers]) -> dict[str, Numbers]:
    names = {"W_enc": "encoder", "W_dec": "decoder", "topk_threshold": "threshold"}
    parts = {names.get(name, name): tensor for name, tensor in tensors.items()}
    if "W_skip" in parts:
        parts["skip"] = parts.pop("W_skip").turned()
    return parts
