"""Which columns of a table are withheld, and what reading one of their cells gives: a refusal.

A redacted table says so itself: its first line names a withheld column `output:withheld:ROOT`,
one of coarse numbers `tokens:coarse:ROOT`, one of keyed ids `item:keyed:ROOT`. ROOT commits to
its exact cells (`tables/commitment.py`). In their place stand null, the coarser number or the
id; all else is as it was. Columns are closed whole: open cells among closed ones would tell
which are the hazardous ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NoReturn, get_args, get_type_hints

import msgspec
from msgspec import Meta

from safetycase.errors import Withheld
from safetycase.tables.rows import TABLES, columns, path_of

Disclosure = Literal["withheld", "coarse", "keyed"]
"""How a column is not disclosed; a column of which nothing is said is public."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How a column is disclosed that is not public."""

    disclosure: Disclosure
    root: str
    """RFC 6962 root over the commitments to its exact cells, in hexadecimal."""

    @property
    def unreadable(self) -> bool:
        """Whether no check may read what stands there; ids may be compared."""
        return self.disclosure != "keyed"


Classes = Mapping[str, Closed]
"""The columns of a table that are not public, by name, in table order."""

_Id = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
_ROOT_DIGITS = frozenset("0123456789abcdef")

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


def class_of(name: str, coarse: Iterable[str] = ()) -> Disclosure:
    """How a column `table.column` is disclosed once it is closed; `coarse` names some."""
    if name in KEYED:
        return "keyed"
    return "coarse" if name in coarse else "withheld"


def may_be_withheld(kind: str, column: str) -> bool:
    """Whether there is such a column that a case may withhold."""
    return column in columns(kind) and column not in ALWAYS_PUBLIC


def may_be_coarse(kind: str, column: str) -> bool:
    """Whether there is such a column of numbers, of which a case may publish coarser ones."""
    return may_be_withheld(kind, column) and _plain_hints(kind)[column] in {int, float}


def header_names(kind: str, classes: Classes) -> list[str]:
    """The first line of a table: its columns, each that is not public with class and root."""
    marks = {name: f"{name}:{one.disclosure}:{one.root}" for name, one in classes.items()}
    return [marks.get(name, name) for name in columns(kind)]


def classes_in(kind: str, names: object) -> Classes | None:
    """What the first line says of its columns; none if it is that of no table of this kind."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    classes: dict[str, Closed] = {}
    for name in names:
        column, mark, rest = name.partition(":")
        disclosed, _, root = rest.partition(":")
        if mark:
            known = next((one for one in get_args(Disclosure) if one == disclosed), None)
            if known is None or not _may_be(kind, column, known) or not _is_root(root):
                return None
            classes[column] = Closed(known, root)
    return classes if header_names(kind, classes) == names else None


def _may_be(kind: str, column: str, disclosed: Disclosure) -> bool:
    if disclosed == "coarse":
        return may_be_coarse(kind, column)
    return may_be_withheld(kind, column) and disclosed == class_of(f"{kind}.{column}")


def _is_root(text: str) -> bool:
    return len(text) == 64 and set(text) <= _ROOT_DIGITS


def row_type(kind: str, classes: Classes) -> type[msgspec.Struct]:
    """Rows of a table with these classes; asked for a cell that is not there, they refuse."""
    if not classes:
        return TABLES[kind]
    return _row_type(kind, tuple((name, one.disclosure) for name, one in classes.items()))


def cell_types(kind: str, classes: Classes) -> tuple[Any, ...]:
    """The types of a row's cells in a table with these classes, in order."""
    return _cell_types(kind, {name: one.disclosure for name, one in classes.items()})


def _cell_types(kind: str, disclosed: Mapping[str, str]) -> tuple[Any, ...]:
    hints = _hints(kind)
    shown: Mapping[str, Any] = {"withheld": None, "keyed": _Id}
    return tuple(shown.get(disclosed.get(name, ""), hints[name]) for name in columns(kind))


@cache
def _hints(kind: str) -> Mapping[str, Any]:
    return get_type_hints(TABLES[kind], include_extras=True)


@cache
def _plain_hints(kind: str) -> Mapping[str, Any]:
    return get_type_hints(TABLES[kind])


@cache
def _row_type(kind: str, classes: tuple[tuple[str, str], ...]) -> type[msgspec.Struct]:
    types = _cell_types(kind, dict(classes))
    hidden = {name for name, disclosed in classes if disclosed != "keyed"}

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
