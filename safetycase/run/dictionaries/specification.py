"""What the files of a dictionary say of it, before any of its numbers is read.

A family reads its own configuration and gives one of these; everything that computes with a
dictionary knows this form alone:

    x' = norm(x) - b_dec·[subtract_b_dec]
    f  = activation(x'·W_enc + b_enc)            pre-activations times ‖W_dec‖ if rescaled
    y  = norm⁻¹(f·W_dec + b_dec) + x·M·[skip]    f divided by ‖W_dec‖ if rescaled

A dictionary of several blocks is one of their activations side by side, made of sources: the
features that read one block, and add to it and to later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from safetycase.canonical import JsonValue
from safetycase.errors import RunFailed, SchemaViolation
from safetycase.methods.encode import ActivationName, Normalisation
from safetycase.methods.equations import written
from safetycase.methods.sites import Place, Span, Where
from safetycase.record.equations import Equation
from safetycase.record.sites import Architecture, Site
from safetycase.run.dictionaries.numbers import Numbers


@dataclass(frozen=True)
class Stated:
    """What a plan, or somebody who asks, says of a dictionary; none: as its files say.

    Where files are silent this decides; where both speak they must agree.
    """

    name: str
    equation: Equation | None = None
    site: Site | None = None
    layer: int | None = None
    layers: tuple[int, ...] | None = None
    l0: float | None = None
    made_for: str | None = None
    architecture: Architecture | None = None
    """That of the model in hand; some families name sites by a module's path."""

    @property
    def where(self) -> str:
        """The dictionary, as errors name it."""
        return f"dictionary {self.name}"


@dataclass(frozen=True)
class Form:
    """The equation in its parts; see the module."""

    activation: ActivationName
    k: int = 0
    """How many features a token keeps, or how many groups there are."""
    normalisation: Normalisation = "none"
    undone: bool = True
    """Whether what is decoded is scaled back as the input was scaled."""
    subtract_b_dec: bool = False
    rescaled: bool = False
    """Whether features are told apart by what they add, and not by their activation alone."""
    unit_rows: bool = False
    """Whether the decoder's rows have unit norm by the family's own account."""

    @property
    def compares_features(self) -> bool:
        """Whether one feature's activation depends on the others'."""
        return self.activation in {"top_k", "top_k_signed", "group_max"}


@dataclass(frozen=True)
class Source:
    """Features that read one of several blocks, and what they and it add.

    `encoder` [depth of a block, features], `b_enc` and `threshold` [features]; `decoder`: for
    this block and each later one, in their order, [features, depth]; `b_dec` [depth] and `skip`
    [depth, depth] make a part of this block alone. `before`: what the files hold of decoders
    to earlier blocks, which nothing is computed with.
    """

    encoder: Numbers
    b_enc: Numbers
    threshold: Numbers | None
    decoder: tuple[Numbers, ...]
    b_dec: Numbers
    skip: Numbers | None = None
    before: tuple[Numbers, ...] = ()


@dataclass(frozen=True)
class Specification:
    """A dictionary: what it is for, how it computes, and where its numbers are.

    `tensors` by part: encoder [depth, width], decoder [width, depth], b_dec [depth], and as the
    form needs them b_enc, threshold (or one for all), b_gate, b_mag, r_mag [width], skip
    [depth, depth]. Of several blocks there are none; `sources` has one for each, of equal
    width, and depth and width are those of all together.
    """

    equation: Equation
    made_for: str
    reads: Where
    declared_l0: float
    width: int
    depth: int
    form: Form
    tensors: Mapping[str, Numbers]
    sources: tuple[Source, ...] = ()

    @property
    def writes(self) -> Where:
        """Where it writes what it makes."""
        return written(self.equation, self.reads)

    @property
    def skips(self) -> bool:
        """Whether a linear map of what is read is part of what is made."""
        return "skip" in self.tensors or any(s.skip is not None for s in self.sources)


def settled(
    stated: Stated,
    *,
    equation: Equation,
    reads: Where | None,
    made_for: str | None,
    l0: float | None,
) -> tuple[Where, str, float]:
    """Where it reads, the model it was made for and its L0, of files and statement together.

    Refused: a statement that contradicts the files, and what neither says.
    """
    where = stated.where
    _require_same(where, "equation", stated.equation, equation)
    if reads is not None:
        layers = reads.layers if isinstance(reads, Span) else (reads.layer,)
        _require_same(where, "site", stated.site, reads.site)
        _require_same(where, "layer", stated.layer, layers[0])
        _require_same(where, "layers", stated.layers, layers)
    elif stated.site is not None and stated.layer is not None:
        reads = Place(stated.layer, stated.site)
    else:
        raise _silent(where, "site and layer")
    _require_same(where, "l0", stated.l0, l0)
    _require_same(where, "made_for", stated.made_for, made_for)
    declared, model = l0 or stated.l0, made_for or stated.made_for
    if declared is None:
        raise _silent(where, "l0, the mean number of active features a token")
    if model is None:
        raise _silent(where, "made_for, the name of the model")
    return reads, model, declared


def _require_same(where: str, what: str, stated: object, found: object) -> None:
    if stated is not None and found is not None and stated != found:
        raise RunFailed(
            f"{where} {what}", f"{stated}, as stated", found=f"{found} by its files"
        )


def _silent(where: str, what: str) -> RunFailed:
    return RunFailed(
        where, what, found="neither its files nor the statement say", remedy="State it."
    )


def require_tensors(
    tensors: Mapping[str, Numbers],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    where: str,
    dtypes: tuple[str, ...] = ("F32",),
) -> None:
    """Return only if the tensors are exactly these, of these shapes and formats."""
    if sorted(tensors) != sorted(shapes):
        raise RunFailed(where, ", ".join(sorted(shapes)), found=", ".join(sorted(tensors)))
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype not in dtypes:
            expected = f"{' or '.join(dtypes)} {shape}"
            found = f"{tensor.dtype} {tensor.shape}"
            raise RunFailed(f"{where} {name}", expected, found=found)


FLOATS = ("F32", "BF16", "F16", "F64")
"""Formats in which dictionaries are published."""


def one_of(value: JsonValue, known: Mapping[str, Equation], *, where: str) -> Equation:
    """The equation that a word of a configuration stands for; another word is refused."""
    if not isinstance(value, str) or value not in known:
        raise RunFailed(where, f"one of {', '.join(known)}", found=str(value))
    return known[value]


def as_positive(value: JsonValue, *, where: str) -> float:
    """A number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise SchemaViolation(where, "a number above 0", found=str(value))
    return float(value)
