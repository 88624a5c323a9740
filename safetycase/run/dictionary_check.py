"""Whether a dictionary is what it says, on the model in hand: asked before a plan is written.

The same tests that a run makes of its instruments, all of them whatever the first ones say,
and two that need what a plan does not have: the skip term turned round, and the makers' own
stored activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetycase.digest import manifest_digest
from safetycase.errors import RunFailed
from safetycase.methods.instruments import InstrumentTest, skip_test, stored_test
from safetycase.methods.sites import places_of
from safetycase.record.case import ModelFile
from safetycase.run.answers import six_digits
from safetycase.run.device import device_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.fit import require_fit
from safetycase.run.dictionaries.layered import load
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.sound import require_sound
from safetycase.run.dictionaries.specification import Specification, Stated
from safetycase.run.dictionaries.stored_examples import FILE, stored_error
from safetycase.run.environment import default_batch_rows
from safetycase.run.gguf_model import converted
from safetycase.run.model import LoadedModel, load_model, make_deterministic, read_shape
from safetycase.run.prompts import Prompt, encode, sequences
from safetycase.run.selftest import (
    DICTIONARY_PROMPTS,
    Fit,
    Subject,
    answered,
    dictionary_fit,
)
from safetycase.run.shrink import Batches
from safetycase.run.sites import require_site
from safetycase.run.sources import Source, digests, locate_model, open_dictionary

NAME = "dictionary"


@dataclass(frozen=True)
class Subjects:
    """A dictionary and a model, loaded, that fit each other by their files."""

    specification: Specification
    files: tuple[ModelFile, ...]
    examples: Path | None
    model: LoadedModel
    dictionary: Dictionary

    @property
    def digest(self) -> str:
        """Digest of the list of the dictionary's files."""
        return manifest_digest(digests(self.files))


@dataclass(frozen=True)
class NamedModel:
    """Where a model's files are, of which format, and its public name."""

    path: str
    format: str
    name: str


def load_subjects(
    path: str,
    stated: Stated,
    named: NamedModel,
    dtype: str,
    cache: Path,
    *,
    device: str = "cpu",
) -> Subjects:
    """Both, loaded; refused as a run would refuse them, the dictionary first."""
    make_deterministic()
    here, on = Path(), device_of(device)
    source = locate_model(named.path, named.format, here, where=named.path)
    folder = _folder(source, named.format, cache)
    shape = read_shape(folder, named.name)
    opened = open_dictionary(path, here, where=path)
    specification = specify(opened, replace(stated, architecture=shape.architecture))
    require_fit(specification, shape, where=path)
    files, paths = opened.files, opened.paths
    require_sound(specification, files, paths, where=path)
    model = load_model(folder, dtype=dtype, device=on)
    dictionary = load(NAME, specification, model.device)
    for where in (dictionary.reads, dictionary.writes):
        for place in places_of(where):
            require_site(model, place)
    # how the examples of several blocks are numbered is not published
    examples = None if specification.sources else opened.here(FILE)
    return Subjects(specification, files, examples, model, dictionary)


def _folder(source: Source, model_format: str, cache: Path) -> Path:
    if model_format != "gguf":
        return source.folder
    digest = manifest_digest(digests(source.files))
    return converted(source.path_of("weights")[0], cache, digest=digest)


def read_prompts(
    subjects: Subjects, texts: Sequence[str], *, context: int | None = None
) -> list[Prompt]:
    """What is read of the texts: each as it is, or cut into sequences of `context` tokens.

    Refuses an empty list of texts, and what is no prompt.
    """
    if not texts:
        raise RunFailed("texts", "at least one text", found="none")
    model = subjects.model
    named = [(text, f"text {i}") for i, text in enumerate(texts, 1)]
    if context is None:
        return [encode(model, text, where=where) for text, where in named]
    return [
        prompt
        for text, where in named
        for prompt in sequences(model, text, where=where, length=context)
    ]


def check_dictionary(
    subjects: Subjects,
    prompts: Sequence[Prompt],
    *,
    dtype: str,
    smaller: Callable[[int], None],
    fits: dict[str, Fit] | None = None,
) -> Iterator[tuple[InstrumentTest, float]]:
    """Every test with what was measured on the prompts; L0 and FVU are those of all of them.

    `smaller` is told how many prompts share a batch where memory runs out for more; `fits` is
    filled with the fit, by `NAME`.
    """
    model, dictionary = subjects.model, subjects.dictionary
    rows = min(default_batch_rows(model.parameters), DICTIONARY_PROMPTS)
    batches = Batches(rows, smaller, "the fit of the dictionary")
    subject = Subject(model, dictionary, prompts)
    yield from answered(
        {NAME: subject}, dtype=dtype, batches=batches, fits=fits, fit_prompts=None
    )
    if subjects.specification.skips:
        turned = dictionary.transposed_skip()
        as_read, other = (
            dictionary_fit(model, each, prompts[:DICTIONARY_PROMPTS], batches=batches).fvu
            for each in (dictionary, turned)
        )
        yield skip_test(NAME), six_digits(as_read / other)
    if subjects.examples is not None:
        value = stored_error(model, dictionary, subjects.examples, batches=batches)
        yield stored_test(NAME), six_digits(value)


@dataclass(frozen=True)
class Spread:
    """A mean or share over tokens, and its standard error where texts are drawn."""

    value: float
    error: float | None
    """None of a single text, which says nothing about others."""


def l0_spread(fit: Fit) -> Spread:
    """Mean number of active features a token."""
    return _ratio([t.active for t in fit.texts], [t.tokens for t in fit.texts])


def explained_spread(fit: Fit) -> Spread:
    """Explained variance, 1 - FVU; that the mean is one of the same tokens is neglected."""
    missed = _ratio([t.error for t in fit.texts], [t.spread for t in fit.texts])
    return Spread(1 - missed.value, missed.error)


def _ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Σa / Σb and √(n / (n - 1) Σ(a - rb)²) / Σb (Cochran 1977, Sampling Techniques, ch. 6)."""
    n, total = len(above), sum(below)
    value = sum(above) / total
    if n < 2:
        return Spread(value, None)
    left = sum((a - value * b) ** 2 for a, b in zip(above, below, strict=True))
    return Spread(value, math.sqrt(n / (n - 1) * left) / total)
