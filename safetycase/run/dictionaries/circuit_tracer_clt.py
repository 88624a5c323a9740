"""Cross-layer transcoders in the layout of circuit-tracer, as the published CLTs have it.

config.yaml (`model_kind: cross_layer_transcoder`) and for each block L `W_enc_L.safetensors`
(W_enc_L [features, depth], b_enc_L, b_dec_L, if there are any threshold_L and W_skip_L) and
`W_dec_L.safetensors` (W_dec_L [features, blocks - L, depth]: the second axis counts from the
source's own block). With a_L = relu(h), or h·1[h > threshold_L], h = x_L·W_enc_Lᵀ + b_enc_L:

    y_t = b_dec_t + Σ_{L ≤ t} a_L·W_dec_L[:, t - L] + x_t·W_skip_t

W_skip is not transposed, as it is in the layout's transcoders of one block. How many blocks
there are says W_dec_0. `feature_input_hook` names what is read; of the published ones it is
`hook_resid_mid`, the stream. Source: circuit-tracer, cross_layer_transcoder.py of 0.4.1 and,
for W_skip in these files, of later.
"""

from __future__ import annotations

from collections.abc import Mapping

from safetycase.canonical import as_text
from safetycase.errors import RunFailed
from safetycase.methods.sites import Span
from safetycase.record.equations import Equation
from safetycase.run.dictionaries.circuit_tracer import CONFIG, read_config, sites_of
from safetycase.run.dictionaries.numbers import Numbers, read_safetensors
from safetycase.run.dictionaries.specification import (
    FLOATS,
    Form,
    Source,
    Specification,
    Stated,
    require_tensors,
    settled,
)
from safetycase.run.folder import Folder

EQUATIONS: tuple[Equation, ...] = (
    "clt.relu.ct",
    "clt.relu.skip.ct",
    "clt.jumprelu.ct",
    "clt.jumprelu.skip.ct",
)

ENCODER, DECODER = "W_enc_{}.safetensors", "W_dec_{}.safetensors"
MARKS = (((CONFIG, "configuration"), (DECODER.format(0), "weights")),)


def specify(folder: Folder, stated: Stated) -> Specification:
    """The dictionary of a folder with config.yaml and two files for each block."""
    where = stated.where
    fields = read_config(folder, where, kind="cross_layer_transcoder")
    if "activation" in fields or "k" in fields:
        raise RunFailed(f"{where} activation", "none: thresholds tell", found="one stated")
    first = _tensors(folder, DECODER, 0, where)
    shape = first["W_dec_0"].shape if "W_dec_0" in first else ()
    if len(shape) != 3 or shape[1] < 2:
        expected = "decoders [features, blocks, depth] of several blocks"
        raise RunFailed(f"{where} W_dec_0", expected, found=str(shape))
    each, blocks, depth = shape
    encoders = [_tensors(folder, ENCODER, block, where) for block in range(blocks)]
    decoders = [first, *(_tensors(folder, DECODER, b, where) for b in range(1, blocks))]
    parts = {"W_enc": (each, depth), "b_enc": (each,), "b_dec": (depth,)}
    extra = {"threshold": (each,), "W_skip": (depth, depth)}
    held = {name: shape for name, shape in extra.items() if f"{name}_0" in encoders[0]}
    sources = []
    for block, (encoder, decoder) in enumerate(zip(encoders, decoders, strict=True)):
        shapes = {f"{name}_{block}": size for name, size in (parts | held).items()}
        require_tensors(
            encoder, shapes, where=f"{where} {ENCODER.format(block)}", dtypes=FLOATS
        )
        rest = {f"W_dec_{block}": (each, blocks - block, depth)}
        require_tensors(decoder, rest, where=f"{where} {DECODER.format(block)}", dtypes=FLOATS)
        sources.append(_source(encoder, decoder[f"W_dec_{block}"], block))
    kind = "jumprelu" if "threshold" in held else "relu"
    name = f"clt.{kind}{'.skip' if 'W_skip' in held else ''}.ct"
    equation = next(equation for equation in EQUATIONS if equation == name)
    reads, made_for, l0 = settled(
        stated,
        equation=equation,
        reads=Span(tuple(range(blocks)), sites_of(fields, stated)),
        made_for=as_text(fields["model_name"], where=f"{where} model_name"),
        l0=None,
    )
    return Specification(
        equation=equation,
        made_for=made_for,
        reads=reads,
        declared_l0=l0,
        width=each * blocks,
        depth=depth * blocks,
        form=Form("jump_relu" if kind == "jumprelu" else "relu"),
        tensors={},
        sources=tuple(sources),
    )


def _tensors(folder: Folder, name: str, block: int, where: str) -> dict[str, Numbers]:
    return read_safetensors(folder.file(name.format(block), "weights"), where=where)


def _source(encoder: Mapping[str, Numbers], decoder: Numbers, block: int) -> Source:
    return Source(
        encoder=encoder[f"W_enc_{block}"].turned(),
        b_enc=encoder[f"b_enc_{block}"],
        threshold=encoder.get(f"threshold_{block}"),
        decoder=tuple(decoder.plane(later) for later in range(decoder.shape[1])),
        b_dec=encoder[f"b_dec_{block}"],
        skip=encoder.get(f"W_skip_{block}"),
    )
