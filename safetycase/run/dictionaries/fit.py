"""Whether a dictionary was made for a model: told by name, width and number of blocks.

Nothing of the weights is needed, so that a wrong pair is refused before anything is loaded.
"""

from __future__ import annotations

import re

from safetycase.errors import RunFailed
from safetycase.methods.equations import kind_of
from safetycase.methods.sites import places_of
from safetycase.run.dictionaries.specification import Specification
from safetycase.run.shape import ModelShape

_TUNED = {"it", "instruct", "chat"}
_SILENT = {"pt"}
_OTHER = "Name a dictionary that was trained on this model, or the model it was trained on."
_ALIASES = {"gpt2-small": "gpt2"}


def require_fit(dictionary: Specification, model: ModelShape, *, where: str) -> None:
    """Return only if the dictionary can be of this model, by its name and its sizes."""
    made_for, given = _name_parts(dictionary.made_for), _name_parts(model.name)
    if given[: len(made_for)] != made_for or not _TUNED.isdisjoint(set(given) ^ set(made_for)):
        expected = f"a dictionary of {model.name}"
        raise RunFailed(where, expected, found=f"one of {dictionary.made_for}", remedy=_OTHER)
    for place in {dictionary.reads, dictionary.writes}:
        last = places_of(place)[-1].layer
        if last >= model.blocks:
            expected = f"one of the {model.blocks} blocks"
            raise RunFailed(where, expected, found=f"block {last}", remedy=_OTHER)
        if kind_of(dictionary.equation) == "clt" and last + 1 != model.blocks:
            found = f"one of {last + 1}"
            raise RunFailed(where, f"a transcoder of all {model.blocks} blocks", found=found)
        if dictionary.depth != model.width_at(place):
            expected = f"activations of width {model.width_at(place)} at {place}"
            raise RunFailed(where, expected, found=str(dictionary.depth), remedy=_OTHER)


def _name_parts(name: str) -> list[str]:
    """The words of a model's name without its owner; `pt` and `v` of `v3` say nothing."""
    bare = name.rpartition("/")[2].lower().replace("-v3", "-3")
    words = re.split(r"[^a-z0-9]+", _ALIASES.get(bare, bare))
    return [part for part in words if part and part not in _SILENT]
