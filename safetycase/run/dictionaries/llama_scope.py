"""Llama Scope: JumpReLU dictionaries and transcoders of Llama 3.1 8B, trained on scaled input.

Files: hyperparams.json and checkpoints/final.safetensors; of R1-Distill, config.json and
sae_weights.safetensors. In training x and y have the mean norm sqrt(d): s_in = sqrt(d) divided
by the mean norm of what is read, s_out by that of what is written. Here both are as the model
has them, which is what the makers' code does for inference:

    d_i = s_in / s_out · W_D,i                        what a feature adds, W_D = decoder.weightᵀ
    h   = (x·W_E + b_E / s_in)·‖d_i‖                  no norm where the files leave it out
    f   = h·1[h > θ];   y = Σ f_i · d_i / ‖d_i‖ + b_D / s_out

`….llamascope`: θ is the one `jump_relu_threshold`, in the model's own units (over the layers it
grows as the mean norm does). `….llamascope_r1`: θ = exp(log_jumprelu_threshold), one a feature,
in training's units, and so divided by s_out.

SAELens has activations s_in times as large, and leaves the decoder's norms and s_out out.
Source: Language-Model-SAEs, its `sae.py` of December 2024 (`from_config`) and of April 2025;
He et al. 2024, arXiv 2410.20526. A file without the mean norms is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from safetycase import canonical
from safetycase.canonical import JsonValue, as_count, as_object, as_text
from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.run.dictionaries import hook_names
from safetycase.run.dictionaries.numbers import Constant, Numbers, read_safetensors
from safetycase.run.dictionaries.specification import (
    FLOATS,
    Form,
    Specification,
    Stated,
    as_positive,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = (
    "jumprelu.llamascope",
    "transcoder.jumprelu.llamascope",
    "jumprelu.llamascope_r1",
)

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"
R1_CONFIG, R1_WEIGHTS = "config.json", "sae_weights.safetensors"
MARKS = (
    ((CONFIG, "configuration"), (WEIGHTS, "weights")),
    ((R1_CONFIG, "configuration"), (R1_WEIGHTS, "weights")),
)

_FIXED: Mapping[str, JsonValue] = {
    "act_fn": "jumprelu",
    "norm_activation": "dataset-wise",
    "use_decoder_bias": True,
    "use_glu_encoder": False,
    "apply_decoder_bias_to_pre_encoder": False,
}
"""Keys of one known value; another would be another equation."""
_READ = ("hook_point_in", "hook_point_out", "d_model", "sparsity_include_decoder_norm", "top_k")
_REQUIRED = (*_READ, *(key for key in _FIXED if not key.startswith("apply")))
_OPTIONAL = (
    "apply_decoder_bias_to_pre_encoder",
    "bias_init_method",
    "d_sae",
    "dataset_average_activation_norm",
    "ddp_size",
    "decoder_exactly_fixed_norm",
    "device",
    "dtype",
    "expansion_factor",
    "force_unit_decoder_norm",
    "init_decoder_norm",
    "init_encoder_norm",
    "init_encoder_with_decoder_transpose",
    "initial_k",
    "jump_relu_threshold",
    "jumprelu_threshold_window",
    "k_warmup_steps",
    "l1_coefficient",
    "l1_coefficient_warmup_steps",
    "lp",
    "sae_pretrained_name_or_path",
    "sae_type",
    "seed",
    "sparsity_threshold_for_triton_spmm_kernel",
    "strict_loading",
    "tp_size",
    "use_batch_norm_mse",
    "use_ghost_grads",
    "use_triton_kernel",
)
_NORM = "dataset_average_activation_norm"
_LOG_THRESHOLD = "log_jumprelu_threshold"
_NAME = re.compile(r"Llama3_1-8B-Base-L\d+(?:R|A|M|TC)-\d+x")
_MODEL = "meta-llama/Llama-3.1-8B"


@dataclass(frozen=True)
class _Scales:
    """How much smaller the model's activations are than those of training: in, out."""

    given: float
    made: float


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder of either layout."""
    where = stated.where
    is_r1 = _is_r1(folder, stated)
    fields = _read_config(folder, R1_CONFIG if is_r1 else CONFIG, where)
    hooks = _hooks(fields, stated)
    equation = _equation(hooks, where, is_r1=is_r1)
    name = R1_WEIGHTS if is_r1 else WEIGHTS
    tensors = read_safetensors(folder.file(name, "weights"), where=where)
    depth = as_count(fields["d_model"], where=f"{where} d_model")
    scales = _scales(fields, tensors, depth, where, is_r1=is_r1)
    width = _width(fields, depth, where)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.weight": (width, depth),
        "encoder.bias": (width,),
        "decoder.weight": (depth, width),
        "decoder.bias": (depth,),
    }
    if is_r1:
        shapes[_LOG_THRESHOLD] = (width,)
    weights = {n: each for n, each in tensors.items() if not n.startswith(f"{_NORM}.")}
    require_tensors(weights, shapes, where=where, dtypes=FLOATS)
    reads, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=hooks[0],
        made_for=_MODEL if _NAME.search(folder.path) else None,
        l0=as_positive(fields["top_k"], where=f"{where} top_k"),
    )
    parts = {
        "encoder": weights["encoder.weight"].turned(),
        "b_enc": weights["encoder.bias"].scaled(1 / scales.given),
        "decoder": weights["decoder.weight"].turned().scaled(scales.given / scales.made),
        "b_dec": weights["decoder.bias"].scaled(1 / scales.made),
    }
    rescaled = _truth(fields, "sparsity_include_decoder_norm", where)
    if is_r1:
        unit = scales.made if rescaled else scales.given
        parts["threshold"] = weights[_LOG_THRESHOLD].exponentials().scaled(1 / unit)
    else:
        key = "jump_relu_threshold"
        value = as_positive(fields.get(key, 0.0), where=f"{where} {key}")
        parts["threshold"] = Constant(key, value)
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=reads,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=Form("jump_relu", rescaled=rescaled),
        tensors=parts,
    )


def _is_r1(folder: Folder, stated: Stated) -> bool:
    if stated.equation is not None:
        return stated.equation == "jumprelu.llamascope_r1"
    return folder.optional(CONFIG, "configuration") is None


def _read_config(folder: Folder, name: str, where: str) -> Mapping[str, JsonValue]:
    """The keys of a configuration, all known, of the one kind that there is an equation for."""
    place = f"{where} {name}"
    value = canonical.read(folder.file(name, "configuration").read_bytes(), where=where)
    fields = as_object(value, where=place, required=_REQUIRED, optional=_OPTIONAL)
    for key, known in _FIXED.items():
        if fields.get(key, known) != known:
            raise RunFailed(f"{where} {key}", str(known), found=str(fields[key]))
    return fields


def _hooks(fields: Mapping[str, JsonValue], stated: Stated) -> tuple[Place, Place]:
    """What is read, and what is written."""
    places = []
    for key in ("hook_point_in", "hook_point_out"):
        where = f"{stated.where} {key}"
        hook = as_text(fields[key], where=where)
        places.append(hook_names.place_of(hook, stated.architecture, where=where))
    return places[0], places[1]


def _equation(hooks: tuple[Place, Place], where: str, *, is_r1: bool) -> Equation:
    reads, writes = hooks
    if reads == writes and reads.site in {"resid_post", "attn_out", "mlp_out"}:
        return "jumprelu.llamascope_r1" if is_r1 else "jumprelu.llamascope"
    if (reads.site, writes) != ("mlp_in_ungained", Place(reads.layer, "mlp_out")) or is_r1:
        expected = "a dictionary of one place, or of what an MLP makes of its normalised input"
        raise RunFailed(where, expected, found=f"{reads} to {writes}")
    return "transcoder.jumprelu.llamascope"


def _width(fields: Mapping[str, JsonValue], depth: int, where: str) -> int:
    if "d_sae" in fields:
        return as_count(fields["d_sae"], where=f"{where} d_sae")
    factor = fields.get("expansion_factor", 0)
    return depth * as_count(factor, where=f"{where} expansion_factor")


def _truth(fields: Mapping[str, JsonValue], key: str, where: str) -> bool:
    value = fields[key]
    if not isinstance(value, bool):
        raise RunFailed(f"{where} {key}", "true or false", found=str(value))
    return value


def _scales(
    fields: Mapping[str, JsonValue],
    tensors: Mapping[str, Numbers],
    depth: int,
    where: str,
    *,
    is_r1: bool,
) -> _Scales:
    """Both factors, of mean norms that stand in the configuration or beside the weights."""
    if is_r1:
        names = [f"{_NORM}.{fields[key]}" for key in ("hook_point_in", "hook_point_out")]
        norms: list[JsonValue] = [_single(tensors.get(name), name, where) for name in names]
    else:
        held = fields.get(_NORM)
        both = held if isinstance(held, dict) else {}
        norms = [both.get("in"), both.get("out")]
    if None in norms:
        raise RunFailed(
            f"{where} {_NORM}",
            "the mean norm of what is read, and of what is written",
            found="none",
            remedy="Without them activations cannot be scaled as in training, and nothing "
            "stands in for them.",
        )
    given, made = (as_positive(norm, where=f"{where} {_NORM}") for norm in norms)
    root = float(depth) ** 0.5
    return _Scales(root / given, root / made)


def _single(numbers: Numbers | None, name: str, where: str) -> float | None:
    if numbers is None:
        return None
    values = numbers.whole().reshape(-1)
    if values.size != 1:
        raise RunFailed(f"{where} {name}", "one number", found=f"{values.size}")
    return float(values[0])
