"""EleutherAI sparsify: a folder a hook point, with cfg.json and sae.safetensors.

With x' = x - b_dec, or x for a transcoder, and h = x'·Wᵀ + b: `topk`: the k largest of
relu(h); `groupmax`: the largest of each of k runs of neighbours; y = f·W_dec + b_dec, plus
x·W_skipᵀ with `skip`.

The hook point is the name of the folder: `layers.10` the stream after block 10, `layers.10.mlp`
what goes into that module (transcoders) or comes out of it (dictionaries). Where a norm stands
between a module and the stream, as in Gemma, its output is no site of the table. What older
files leave out (activation, transcode, skip_connection) the plan's equation says; the model is
the plan's to say. Source: sparsify 1.3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from safetycase import canonical
from safetycase.canonical import JsonValue, as_count, as_object
from safetycase.errors import RunFailed
from safetycase.methods.encode import ActivationName
from safetycase.methods.equations import has_skip, kind_of
from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.record.sites import Architecture, Site
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
    "topk.sparsify",
    "groupmax.sparsify",
    "transcoder.topk.sparsify",
    "transcoder.groupmax.sparsify",
    "transcoder.topk.skip.sparsify",
    "transcoder.groupmax.skip.sparsify",
)

CONFIG = "cfg.json"
WEIGHTS = "sae.safetensors"
MARKS = (((CONFIG, "configuration"), (WEIGHTS, "weights")),)

_KNOWN = (
    "activation",
    "expansion_factor",
    "normalize_decoder",
    "num_latents",
    "multi_topk",
    "skip_connection",
    "transcode",
    "signed",
)
_ACTIVATIONS: Mapping[str, ActivationName] = {"topk": "top_k", "groupmax": "group_max"}
_HOOK = re.compile(r"(?:[\w.]*\.)?(?:layers|h)\.(\d+)(?:\.(mlp|self_attn|attention|attn))?")
_SANDWICHED: frozenset[Architecture] = frozenset({"gemma2", "gemma3"})


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with cfg.json and sae.safetensors."""
    where = stated.where
    value = canonical.read(folder.file(CONFIG, "configuration").read_bytes(), where=where)
    place = f"{where} {CONFIG}"
    fields = as_object(value, where=place, required=("d_in", "k"), optional=_KNOWN)
    equation = _equation(fields, stated)
    tensors = read_safetensors(folder.file(WEIGHTS, "weights"), where=where)
    depth = as_count(fields["d_in"], where=f"{where} d_in")
    width = _width(fields, depth, where)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.weight": (width, depth),
        "encoder.bias": (width,),
        "W_dec": (width, depth),
        "b_dec": (depth,),
    }
    if has_skip(equation):
        shapes["W_skip"] = (depth, depth)
    require_tensors(tensors, shapes, where=where, dtypes=FLOATS)
    k = as_count(fields["k"], where=f"{where} k")
    if not 0 < k <= width or (width % k and "groupmax" in equation):
        raise RunFailed(f"{where} k", f"a part of {width} features", found=str(k))
    reads, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=_reads(folder, equation, stated),
        made_for=None,
        l0=float(k),
    )
    word = equation.split(".")[1 if kind_of(equation) == "transcoder" else 0]
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=reads,
        declared_l0=l0,
        width=width,
        depth=depth,
        form=Form(_ACTIVATIONS[word], k=k, subtract_b_dec=kind_of(equation) == "sae"),
        tensors=_parts(tensors),
    )


def _equation(fields: Mapping[str, JsonValue], stated: Stated) -> Equation:
    """By the configuration, and by the statement where an older one is silent."""
    where = stated.where
    if fields.get("signed"):
        raise RunFailed(f"{where} signed", "the largest features", found="the farthest from 0")
    given = stated.equation
    kind = fields.get("activation", next((w for w in _ACTIVATIONS if w in (given or "")), None))
    if not isinstance(kind, str) or kind not in _ACTIVATIONS:
        expected = f"one of {', '.join(_ACTIVATIONS)}"
        raise RunFailed(f"{where} activation", expected, found=str(kind))
    transcodes = fields.get("transcode", given is not None and kind_of(given) == "transcoder")
    skips = fields.get("skip_connection", given is not None and has_skip(given))
    name = f"{'transcoder.' if transcodes else ''}{kind}{'.skip' if skips else ''}.sparsify"
    for equation in EQUATIONS:
        if equation == name:
            return equation
    raise RunFailed(where, f"one of {', '.join(EQUATIONS)}", found=name)


def _width(fields: Mapping[str, JsonValue], depth: int, where: str) -> int:
    stated = as_count(fields.get("num_latents", 0), where=f"{where} num_latents")
    if stated:
        return stated
    factor = as_count(fields.get("expansion_factor", 0), where=f"{where} expansion_factor")
    return depth * factor


def _reads(folder: Folder, equation: Equation, stated: Stated) -> Place | None:
    """The place of a hook point, if the folder's name is one."""
    named = _HOOK.fullmatch(folder.path.rstrip("/").rpartition("/")[2])
    if named is None:
        return None
    layer, module = int(named.group(1)), named.group(2)
    if kind_of(equation) == "transcoder":
        if module != "mlp":
            expected = "a transcoder of an MLP"
            raise RunFailed(stated.where, expected, found=f"one of {module or 'a block'}")
        return Place(layer, "mlp_in")
    site: Site = "resid_post" if not module else "mlp_out" if module == "mlp" else "attn_out"
    if module and (stated.architecture is None or stated.architecture in _SANDWICHED):
        raise RunFailed(
            stated.where,
            f"a module {module} whose output is added to the stream as it is",
            found=f"one of {stated.architecture or 'an unknown architecture'}",
        )
    return Place(layer, site)


def _parts(tensors: Mapping[str, Numbers]) -> dict[str, Numbers]:
    parts = {
        "encoder": tensors["encoder.weight"].turned(),
        "b_enc": tensors["encoder.bias"],
        "decoder": tensors["W_dec"],
        "b_dec": tensors["b_dec"],
    }
    return parts if "W_skip" not in tensors else parts | {"skip": tensors["W_skip"].turned()}
