"""Which columns of a table are withheld, and what reading one of their cells gives: a refusal.

A redacted table says so itself: its first line names a withheld column `output:withheld`, a
column of keyed ids `item:keyed`. The cells there are 64 hexadecimal digits
(`tables/commitment.py`); all others are as they were. Columns are withheld whole: open cells
among closed ones would tell which are the hazardous ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NoReturn, get_type_hints

import msgspec
from msgspec import Meta

from safetycase.errors import Withheld
from safetycase.tables.rows import TABLES, columns, path_of

Disclosure = Literal["withheld", "keyed"]
"""How a column is not disclosed; a column of which nothing is said is public."""

Classes = Mapping[str, str]
"""How the columns of a table that are not public are disclosed, by name, in table order."""

_Digits = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

_PROMPT = "items.prompt"
GRAPHS = "circuits/"
"""Where attribution graphs stand, which spell out prompts."""
_EDITED = ("edits", "delta", "residual")
_ITEMS = tuple(f"{kind}.item" for kind in TABLES if "item" in columns(kind))

KEYED = frozenset(_ITEMS)
"""Columns that are keyed instead of withheld: rows must find each other by them."""

ALWAYS_PUBLIC = frozenset(
    {"arm", "axis", "cause", "dataset", "dictionary", "evaluation", "feature", "outcome",
     "sample", "split", "verdict"}
)  # fmt: skip
"""Columns that no table withholds: what was asked how often, and what came of it."""

FOLLOWS: Mapping[str, tuple[str, ...]] = {
    _PROMPT: (
        *_ITEMS, "items.cluster", "items.target", "items.other",
        "generations.output",
        *(f"choices.{order}_{side}" for order in ("forward", "swapped")
          for side in ("matching", "other")),
        *(f"choices.{name}" for name in _EDITED),
        "probes.score", *(f"probes.{name}" for name in _EDITED),
        "likelihoods.tokens", "likelihoods.nll",
        *(f"likelihoods.{name}" for name in _EDITED),
        "label_words.word", "label_words.count", "label_words.activation",
        "label_checks.position", "label_checks.activation", "label_checks.predicted",
        "dictionary_texts.tokens", "dictionary_texts.active", "dictionary_texts.error",
        "dictionary_texts.spread",
        "evidence/pooled.safetensors", "evidence/activations.safetensors",
        "evidence/directions.safetensors", "evidence/means.safetensors",
        "evidence/probes.safetensors",
    ),
    "generations.output": (
        "generations.tokens", "generations.stop", "generations.nll",
        *(f"generations.{name}" for name in _EDITED),
        "judgements.prompt", "judgements.raw", "traces.position",
        "evidence/traces.safetensors",
    ),
    "items.target": ("items.other",),
    "items.other": ("items.target",),
    "items.item": (*_ITEMS, "items.cluster"),
}  # fmt: skip
"""What is withheld with a column, as `table.column` or a file: words of the same text, and
deterministic functions of it row by row, each a test of a guess for whoever has the weights."""


def withheld_with(names: Iterable[str], files: Iterable[str] = ()) -> dict[str, str]:
    """Columns and files that these columns take with them, themselves included.

    By name; the value is the column for whose sake each is withheld. Of the `files` of a case,
    its attribution graphs spell out prompts.
    """
    follows = dict(FOLLOWS)
    follows[_PROMPT] += tuple(name for name in files if name.startswith(GRAPHS))
    reached = {name: name for name in names}
    waiting = list(reached)
    while waiting:
        cause = waiting.pop(0)
        new = [name for name in follows.get(cause, ()) if name not in reached]
        reached |= dict.fromkeys(new, cause)
        waiting += new
    return reached


def class_of(name: str) -> Disclosure:
    """How a column `table.column` is disclosed once it is withheld."""
    return "keyed" if name in KEYED else "withheld"


def may_be_withheld(kind: str, column: str) -> bool:
    """Whether there is such a column that a case may withhold."""
    return column in columns(kind) and column not in ALWAYS_PUBLIC


def header_names(kind: str, classes: Classes) -> list[str]:
    """The first line of a table: its columns, each that is not public with its class."""
    return [f"{n}:{classes[n]}" if n in classes else n for n in columns(kind)]


def classes_in(kind: str, names: object) -> Classes | None:
    """What the first line says of its columns; none if it is that of no table of this kind."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    parts = [name.partition(":") for name in names]
    classes = {name: disclosed for name, mark, disclosed in parts if mark}
    known = all(
        may_be_withheld(kind, name) and disclosed == class_of(f"{kind}.{name}")
        for name, disclosed in classes.items()
    )
    return classes if known and header_names(kind, classes) == names else None


def row_type(kind: str, classes: Classes) -> type[msgspec.Struct]:
    """Rows of a table with these classes; asked for a withheld cell, they refuse."""
    return _row_type(kind, tuple(classes.items())) if classes else TABLES[kind]


def cell_types(kind: str, classes: Classes) -> tuple[Any, ...]:
    """The types of a row's cells in a table with these classes, in order."""
    hints = _hints(kind)
    return tuple(_Digits if name in classes else hints[name] for name in columns(kind))


@cache
def _hints(kind: str) -> Mapping[str, Any]:
    return get_type_hints(TABLES[kind], include_extras=True)


@cache
def _row_type(kind: str, classes: tuple[tuple[str, str], ...]) -> type[msgspec.Struct]:
    types = cell_types(kind, dict(classes))
    hidden = {name for name, disclosed in classes if disclosed == "withheld"}

    def refuse(_: msgspec.Struct, name: str) -> NoReturn:
        if name in hidden:
            raise closed(path_of(kind), name)
        raise AttributeError(name)

    return msgspec.defstruct(
        f"Redacted{TABLES[kind].__name__}",
        [
            (f"{name}_withheld" if name in hidden else name, cell)
            for name, cell in zip(columns(kind), types, strict=True)
        ],
        namespace={"__getattr__": refuse},
        frozen=True,
        array_like=True,
        forbid_unknown_fields=True,
    )


class Held(dict[str, Any]):
    """Columns or tensors by name; asked for a withheld one, it refuses."""

    def __init__(self, held: Mapping[str, Any], withheld: Mapping[str, str]) -> None:
        """Hold these; of the withheld ones, the file in which each would stand."""
        super().__init__(held)
        self._withheld = withheld

    def __missing__(self, name: str) -> NoReturn:
        """Refuse what is withheld; what was never there is not known."""
        if name in self._withheld:
            raise closed(self._withheld[name], name)
        raise KeyError(name)


def closed(path: str, name: str) -> Withheld:
    """The refusal of a withheld cell, tensor or file."""
    remedy = "Its escrow opens it: verify --escrow FILE."
    return Withheld(f"{path}: {name}", "its value", found="a commitment", remedy=remedy)
