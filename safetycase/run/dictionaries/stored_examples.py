"""What the makers of a dictionary saw it do: `examples.safetensors` of Gemma Scope 2.

The file holds token windows and, for every feature, its largest activations with window and
position. Somebody else made it, with the right model and the right hook: a wrong site, a
missing gain, BOS treated otherwise or another dictionary shows as a relative error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from safetycase.errors import RunFailed
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.model import LoadedModel
from safetycase.run.observe import activations
from safetycase.run.prompts import Prompt
from safetycase.run.shrink import Batches

FILE = "examples.safetensors"
FEATURES = 16
"""Features looked at, evenly spaced; a window of each is run through the model."""
_NAMES = ("activations", "positions", "seq_ids", "tokens")


@dataclass(frozen=True)
class Example:
    """A feature, its stored activation, and the tokens and position it was seen at."""

    feature: int
    activation: float
    tokens: tuple[int, ...]
    position: int


def stored_error(
    model: LoadedModel, dictionary: Dictionary, file: Path, *, batches: Batches
) -> float:
    """Median of |recomputed - stored| / stored over the largest activation of some features.

    Windows are run as they were stored, BOS included. Refuses a file of another layout, tokens
    that the model does not have, and a file that stores nothing above zero.
    """
    examples = list(_examples(file, dictionary.width))
    if not examples:
        raise RunFailed(file.name, "activations above zero", found="none")
    errors = [
        abs(value - example.activation) / example.activation
        for example, value in _again(model, dictionary, examples, batches)
    ]
    return median(errors)


def _again(
    model: LoadedModel, dictionary: Dictionary, examples: list[Example], batches: Batches
) -> Iterator[tuple[Example, float]]:
    prompts = [_prompt(model, example) for example in examples]
    place = dictionary.reads

    def keep(number: int, x: torch.Tensor) -> float:
        example = examples[number]
        row = x[example.position - 1 : example.position]
        return float(dictionary.encode_chosen(row, [example.feature])[0, 0])

    for number, value in activations(model, prompts, place, keep=keep, batches=batches):
        yield examples[number], value


def _prompt(model: LoadedModel, example: Example) -> Prompt:
    begins = model.bos is None or example.tokens[0] == model.bos
    if max(example.tokens) >= model.vocabulary or not begins:
        start = "" if model.bos is None else f" that begin with BOS ({model.bos})"
        expected = f"windows{start}, of {model.vocabulary} tokens"
        found = f"one from {example.tokens[0]}, up to {max(example.tokens)}"
        raise RunFailed(f"{FILE} tokens", expected, found=found)
    return Prompt(example.tokens, ((0, 0),) * len(example.tokens))


def _examples(file: Path, width: int) -> Iterator[Example]:
    try:
        with safe_open(file, framework="np") as held:
            absent = sorted(set(_NAMES) - set(held.keys()))
            if absent:
                raise RunFailed(FILE, ", ".join(_NAMES), found=f"no {', '.join(absent)}")
            parts = {name: held.get_slice(name) for name in _NAMES}
            shape = parts["activations"].get_shape()
            if shape[0] != width:
                raise RunFailed(f"{FILE} activations", f"{width} features", found=str(shape))
            for feature in np.linspace(0, width - 1, min(FEATURES, width)).astype(int).tolist():
                top = {name: parts[name][feature : feature + 1] for name in _NAMES[:3]}
                best = int(np.argmax(top["activations"][0]))
                value, position, window = (float(top[name][0, best]) for name in _NAMES[:3])
                if value > 0.0 and position >= 1:
                    tokens = parts["tokens"][int(window) : int(window) + 1][0].tolist()
                    yield Example(feature, value, tuple(tokens), int(position))
    except (OSError, SafetensorError, IndexError) as error:
        raise RunFailed(
            FILE, "token windows and stored activations", found=str(error)
        ) from None
