"""Answers held column by column: what statistics count, compare and sum.

A column of numbers is an array. A column of text is an array too: each row holds the number of
its text among the different ones, so that equal texts are read, graded and kept once.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self, get_type_hints, overload

import msgspec
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from safetycase.tables.alike import alike, as_stretch
from safetycase.tables.disclosure import Classes, Held
from safetycase.tables.rows import TABLES, AnswerRow, columns, path_of

Numbers = NDArray[Any]
Flags = NDArray[np.bool_]
Places = slice | NDArray[np.intp]
"""Which rows: a stretch, or their places one by one."""

_DTYPES: dict[type, np.dtype[Any]] = {
    int: np.dtype(np.int32),
    float: np.dtype(np.float64),
    bool: np.dtype(np.bool_),
}


_WORTH_COMPARING = 64
"""Texts in a stretch from which on comparing them as a whole saves time."""


class Vocabulary(dict[str, int]):
    """Different texts, numbered in the order in which they first came."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Number these texts first."""
        super().__init__()
        self.texts: list[str] = []
        for text in texts:
            self[text]

    def __missing__(self, text: str) -> int:
        """Number a new text."""
        number = self[text] = len(self.texts)
        self.texts.append(text)
        return number

    def codes(self, texts: Collection[str]) -> NDArray[np.intp]:
        """The number of each text, -1 for those that are not here."""
        found = (self.get(text, -1) for text in texts)
        return np.fromiter(found, dtype=np.intp, count=len(texts))


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A column of texts: each row's number in a vocabulary."""

    codes: Numbers
    vocabulary: Vocabulary

    @classmethod
    def of(cls, texts: Collection[str]) -> Self:
        """The column of these texts."""
        vocabulary = Vocabulary()
        return cls(numbered(vocabulary, texts), vocabulary)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        """The text of a row."""
        return self.vocabulary.texts[int(self.codes[row])]

    def __iter__(self) -> Iterator[str]:
        """The texts row by row."""
        return map(self.vocabulary.texts.__getitem__, self.codes.tolist())

    def take(self, where: Places) -> Texts:
        """Some of the rows."""
        return Texts(self.codes[where], self.vocabulary)

    def equal(self, text: str) -> Flags:
        """For each row, whether its text is this one."""
        same: Flags = self.codes == self.vocabulary.get(text, -1)
        return same

    def among(self, texts: Collection[str]) -> Flags:
        """For each row, whether its text is one of these."""
        if len(texts) == 1:
            return self.equal(*texts)
        wanted = [text in texts for text in self.vocabulary.texts]
        return np.array(wanted, dtype=np.bool_)[self.codes]

    def codes_in(self, vocabulary: Vocabulary) -> Numbers:
        """Each row's number in another vocabulary, -1 for texts that it lacks."""
        if vocabulary is self.vocabulary:
            return self.codes
        return vocabulary.codes(self.vocabulary.texts)[self.codes]

    def same_as(self, other: Texts) -> Flags:
        """For each row, whether the other column has the same text there."""
        return np.equal(self.codes, other.codes_in(self.vocabulary))


Column = Texts | Numbers


class _Part(Mapping[str, Column]):
    """Some rows of columns; each is cut out when it is first asked for."""

    def __init__(
        self, whole: Mapping[str, Column], where: Places, given: Mapping[str, Column]
    ) -> None:
        """Keep which rows; the given columns are those of the part already."""
        self._whole = whole
        self._where = where
        self._cut = dict(given)

    @override
    def __getitem__(self, name: str) -> Column:
        if name not in self._cut:
            column = self._whole[name]
            where = self._where
            self._cut[name] = column.take(where) if isinstance(column, Texts) else column[where]
        return self._cut[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    @override
    def __len__(self) -> int:
        return len(self._whole)


@dataclass(frozen=True, eq=False)
class Answers(Sequence[AnswerRow]):
    """Rows of one table of answers, column by column; reads as a sequence of rows, too."""

    kind: str
    held: Mapping[str, Column]
    """Every column of the table's schema, by name; a withheld one refuses."""
    lines: range | NDArray[np.intp]
    """The line of the table on which each row stands; line 1 names the columns."""

    @classmethod
    def of(cls, rows: Sequence[AnswerRow]) -> Answers:
        """These rows of one kind, at least one, as the only ones of their table."""
        kind = _kind_of(type(rows[0]))
        filling = Filling(kind)
        filling.extend(list(map(msgspec.structs.astuple, rows)), len(rows))
        return filling.answers()

    @override
    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, place: int) -> AnswerRow: ...
    @overload
    def __getitem__(self, place: slice) -> Answers: ...
    @override
    def __getitem__(self, place: int | slice) -> AnswerRow | Answers:
        if isinstance(place, slice):
            return self.take(place)
        cells = [_cell(self.held[name], place) for name in columns(self.kind)]
        row: AnswerRow = TABLES[self.kind](*cells)  # type: ignore[assignment]  # an answer's kind
        return row

    @override
    def __iter__(self) -> Iterator[AnswerRow]:
        columns_of_cells = (
            column if isinstance(column, Texts) else column.tolist()
            for column in map(self.held.__getitem__, columns(self.kind))
        )
        rows: Iterator[Any] = map(TABLES[self.kind], *columns_of_cells)
        return rows

    def texts(self, column: str) -> Texts:
        """A column of texts."""
        held = self.held[column]
        if not isinstance(held, Texts):
            raise TypeError(column)
        return held

    def numbers(self, column: str) -> Numbers:
        """A column of numbers."""
        held = self.held[column]
        if isinstance(held, Texts):
            raise TypeError(column)
        return held

    @property
    def item(self) -> Texts:
        """The item of each row."""
        return self.texts("item")

    @property
    def outcome(self) -> Texts:
        """The outcome of each row."""
        return self.texts("outcome")

    @property
    def edits(self) -> Numbers:
        """Positions at which the hook edited."""
        return self.numbers("edits")

    @property
    def delta(self) -> Numbers:
        """Mean L2 norm of the edit over them."""
        return self.numbers("delta")

    @property
    def residual(self) -> Numbers:
        """Mean L2 norm of the activation before the edit."""
        return self.numbers("residual")

    def codes(self, column: str) -> Numbers:
        """A column as numbers: of texts, their numbers in the vocabulary."""
        held = self.held[column]
        return held.codes if isinstance(held, Texts) else held

    def where(self, place: int) -> str:
        """Table, line and planned cell of a row, for a finding."""
        cell = " / ".join(self.texts(name)[place] for name in ("evaluation", "arm", "item"))
        return f"{path_of(self.kind)} line {self.lines[place]}: {cell}"

    def places_of(self, others: Answers) -> NDArray[np.intp]:
        """For each other row, the place of the last row here of its item and sample, or -1."""
        names = self.item.vocabulary
        here, there = self.item.codes, others.item.codes_in(names)
        if "sample" in self.held and "sample" in others.held:
            items, samples = (
                np.concatenate([here, there]),
                (np.concatenate([self.numbers("sample"), others.numbers("sample")])),
            )
            numbers = alike(items, samples)
            here, there = numbers[: len(self)], numbers[len(self) :]
        places = np.full(1 + max(len(names), len(self) + len(others)), -1, dtype=np.intp)
        places[here] = np.arange(len(self))
        return places[there]

    def first_alike(self, *columns: str) -> NDArray[np.intp]:
        """For each row, the place of the first row that is like it in these columns."""
        numbers = alike(*(self.codes(column) for column in columns))
        _, first = np.unique(numbers, return_index=True)
        return first[numbers]

    def take(self, where: Places) -> Answers:
        """Some of the rows, in the order given."""
        places = as_stretch(where)
        held = _Part(self.held, places, {})
        if isinstance(places, slice):
            return Answers(self.kind, held, self.lines[places])
        return Answers(self.kind, held, np.asarray(self.lines, dtype=np.intp)[places])

    def graded(self, outcome: Texts) -> Answers:
        """The same answers with these outcomes."""
        return replace(self, held=_Part(self.held, slice(None), {"outcome": outcome}))


class Filling:
    """Columns of one table while it is read, stretch by stretch."""

    def __init__(self, kind: str, classes: Classes | None = None) -> None:
        """Begin without rows; of columns that are withheld nothing is kept."""
        self._kind = kind
        self._rows = 0
        hidden = [name for name, closed in (classes or {}).items() if closed.unreadable]
        self._withheld = dict.fromkeys(hidden, path_of(kind))
        self._dtypes = {n: dtype for n, dtype in _dtypes(kind).items() if n not in hidden}
        self._growing = {name: _Growing() for name in self._dtypes}
        self._vocabularies = {n: Vocabulary() for n, d in self._dtypes.items() if d is None}

    def extend(self, rows: Sequence[tuple[Any, ...]], expected: int) -> None:
        """Append rows, at least one; `expected` is how many there will be in all, roughly."""
        turned = zip(*rows, strict=True)
        for name, cells in zip(columns(self._kind), turned, strict=True):
            if name not in self._growing:
                continue
            dtype = self._dtypes[name]
            values = (
                numbered(self._vocabularies[name], cells)
                if dtype is None
                else np.frombuffer(struct.pack(f"{len(rows)}{dtype.char}", *cells), dtype)
            )
            self._growing[name].extend(values, expected)
        self._rows += len(rows)

    def answers(self) -> Answers:
        """All rows so far."""
        held = Held({}, self._withheld)
        for name, growing in self._growing.items():
            vocabulary = self._vocabularies.get(name)
            values = growing.values()
            held[name] = values if vocabulary is None else Texts(values, vocabulary)
        return Answers(self._kind, held, range(2, 2 + self._rows))


class _Growing:
    """An array filled from the front, moved only when it is too short or its type too small."""

    def __init__(self) -> None:
        self._held: Numbers = np.empty(0, dtype=np.bool_)
        self._size = 0

    def extend(self, values: Numbers, expected: int) -> None:
        size = self._size + len(values)
        dtype = np.promote_types(self._held.dtype, values.dtype) if self._size else values.dtype
        if size > len(self._held) or dtype != self._held.dtype:
            moved: Numbers = np.empty(max(size, expected) * 9 // 8, dtype=dtype)
            moved[: self._size] = self.values()
            self._held = moved
        self._held[self._size : size] = values
        self._size = size

    def values(self) -> Numbers:
        return self._held[: self._size]


def numbered(vocabulary: Vocabulary, texts: Iterable[str]) -> Numbers:
    """The number of each text, new ones numbered; in a small type that holds them all.

    Rows stand in the order of a grid: one arm for many rows, under it the items as they first
    came. Both are recognised as a whole; only where neither is so, text by text.
    """
    texts = tuple(texts)
    count = len(texts)
    if count and texts[0] == texts[-1] and texts.count(texts[0]) == count:
        number = vocabulary[texts[0]]
        return np.full(count, number, dtype=np.min_scalar_type(len(vocabulary) - 1))
    codes = _as_first_came(vocabulary, texts)
    if codes is None:
        codes = np.fromiter(map(vocabulary.__getitem__, texts), dtype=np.int64, count=count)
    return codes.astype(np.min_scalar_type(max(0, len(vocabulary) - 1)))


def _as_first_came(vocabulary: Vocabulary, texts: tuple[str, ...]) -> Numbers | None:
    """Numbers of texts that stand as in the vocabulary, from any of them on to its last one.

    Then from any on again; none where they do not stand so.
    """
    codes = np.empty(len(texts), dtype=np.int64)
    known, done = vocabulary.texts, 0
    while done < len(texts):
        first = vocabulary.get(texts[done])
        if first is None:
            return None
        stretch = min(len(known) - first, len(texts) - done)
        if stretch < min(_WORTH_COMPARING, len(texts) - done):
            return None
        if texts[done : done + stretch] != tuple(known[first : first + stretch]):
            return None
        codes[done : done + stretch] = np.arange(first, first + stretch)
        done += stretch
    return codes


def stacked(held: Sequence[Column]) -> Numbers:
    """Columns of one name end to end; equal texts have equal numbers."""
    texts = [column for column in held if isinstance(column, Texts)]
    if any(column.vocabulary is not texts[0].vocabulary for column in texts):
        return Texts.of([text for column in texts for text in column]).codes
    return np.concatenate([c.codes if isinstance(c, Texts) else c for c in held])


@cache
def _dtypes(kind: str) -> dict[str, np.dtype[Any] | None]:
    """The type of every column of numbers; none for texts."""
    hints = get_type_hints(TABLES[kind])
    return {name: _DTYPES.get(hints[name]) for name in columns(kind)}


@cache
def _kind_of(row: type[msgspec.Struct]) -> str:
    return next(kind for kind, known in TABLES.items() if known is row)


def _cell(column: Column, place: int) -> object:
    return column[place] if isinstance(column, Texts) else column[place].item()
