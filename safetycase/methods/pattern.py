r"""Regular expressions that cannot run away: time grows with text times pattern, never faster.

A pattern is looked for anywhere in a folded text. The syntax is small on purpose:

* characters as they are; `\` before one of `\.^$*+?()[]{}|-/` takes it literally
* `.` any character; `[a-z_]`, `[^0-9]` one of, none of; `\d` is `[0-9]`, `\w` is `[a-z0-9_]`,
  `\s` is the space that folding leaves
* `(...)` groups, `a|b` either, `* + ? {m} {m,} {m,n}` repeat, m and n at most 100
* `^` the beginning of the text, `$` its end

There are no captures, look-arounds, back-references or lazy forms: none changes whether a text
matches, or none can be answered in linear time. Upper case is refused, since folded text has
none.

Source: Thompson 1968, CACM 11:419; Cox 2007, "Regular Expression Matching Can Be Simple And
Fast": all ways of matching are followed side by side, one character at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from safetycase.errors import MethodRefused

MOST_CHARACTERS = 500
MOST_STEPS = 2_000
MOST_REPEATS = 100
_MOST_DEPTH = 20
_MOST_KEPT = 4_096
_SPECIAL = frozenset("\\.^$*+?()[]{}|-/")
_CLASSES = {"d": (("0", "9"),), "w": (("a", "z"), ("0", "9"), ("_", "_")), "s": ((" ", " "),)}

_Ranges = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _One:
    """Takes one character: within one of these ranges, or outside all of them."""

    ranges: _Ranges
    outside: bool = False

    def takes(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.outside


@dataclass(frozen=True, slots=True)
class _Fork:
    """Goes on at several steps, given as distances from here."""

    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Edge:
    """Goes on at the next step at the beginning of the text, or at its end."""

    end: bool


_Step = _One | _Fork | _Edge
_State = frozenset[int]


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern; the step behind the last one is the match."""

    steps: tuple[_Step, ...]
    _next: dict[tuple[_State, str], _State] = field(default_factory=dict, compare=False)

    def found_in(self, folded: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        state = self._closed([0], at_start=True)
        for character in folded:
            if len(self.steps) in state:
                return True
            state = self._after(state, character)
        ends = [
            at for at in state if at == len(self.steps) or isinstance(self.steps[at], _Edge)
        ]
        return len(self.steps) in self._closed(ends, at_start=not folded, at_end=True)

    def _after(self, state: _State, character: str) -> _State:
        key = (state, character)
        if key not in self._next:
            if len(self._next) >= _MOST_KEPT:
                self._next.clear()
            taken = [at + 1 for at in state if self._takes(at, character)]
            self._next[key] = self._closed([0, *taken])
        return self._next[key]

    def _takes(self, at: int, character: str) -> bool:
        step = self.steps[at] if at < len(self.steps) else None
        return isinstance(step, _One) and step.takes(character)

    def _closed(
        self, steps: Iterable[int], *, at_start: bool = False, at_end: bool = False
    ) -> _State:
        """The steps that are reached without taking a character."""
        seen: set[int] = set()
        left = list(steps)
        while left:
            at = left.pop()
            if at in seen:
                continue
            seen.add(at)
            step = self.steps[at] if at < len(self.steps) else None
            if isinstance(step, _Fork):
                left += [at + distance for distance in step.to]
            elif isinstance(step, _Edge) and (at_end if step.end else at_start):
                left.append(at + 1)
        return frozenset(seen)


@functools.lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """Compile a pattern; refused with its place if it is outside the syntax, or too large."""
    if len(text) > MOST_CHARACTERS:
        expected = f"at most {MOST_CHARACTERS} characters"
        raise MethodRefused(f"pattern {text[:40]}…", expected, found=str(len(text)))
    reader = _Reader(text)
    steps = reader.either(0)
    if reader.at < len(text):
        reader.refuse("an open bracket before it", text[reader.at])
    return Pattern(tuple(steps))


class _Reader:
    """Reads a pattern from left to right; every part becomes steps that end at the next one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refuse(self, expected: str, found: str) -> NoReturn:
        raise MethodRefused(
            f"pattern {self.text}, character {self.at + 1}", expected, found=found
        )

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _take(self) -> str:
        if self.at >= len(self.text):
            self.refuse("another character", "the end of the pattern")
        self.at += 1
        return self.text[self.at - 1]

    def either(self, depth: int) -> list[_Step]:
        if depth > _MOST_DEPTH:
            self.refuse(f"at most {_MOST_DEPTH} groups inside each other", "more")
        branches = [self._sequence(depth)]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence(depth))
        steps = branches.pop()
        while branches:
            first = branches.pop()
            steps = [_Fork((1, len(first) + 2)), *first, _Fork((len(steps) + 1,)), *steps]
        return self._small(steps)

    def _sequence(self, depth: int) -> list[_Step]:
        steps: list[_Step] = []
        while self._peek() not in {"", "|", ")"}:
            steps += self._repeated(self._atom(depth))
            self._small(steps)
        return steps

    def _small(self, steps: list[_Step]) -> list[_Step]:
        if len(steps) > MOST_STEPS:
            self.refuse(f"a pattern of at most {MOST_STEPS} steps", "a larger one")
        return steps

    def _atom(self, depth: int) -> list[_Step]:
        character = self._take()
        if character == "(":
            inside = self.either(depth + 1)
            if self._take() != ")":
                self.refuse("a closing bracket", "another character")
            return inside
        if character == "[":
            return [self._class()]
        if character == ".":
            return [_One((), outside=True)]
        if character in "^$":
            return [_Edge(end=character == "$")]
        if character in "*+?{}]":
            self.refuse("something to repeat, or a backslash before it", character)
        if character == "\\":
            return [_One(self._escaped())]
        return [_One(self._literal(character))]

    def _literal(self, character: str) -> _Ranges:
        if character != character.casefold():
            self.refuse("lower case, which folded text is in", character)
        return ((character, character),)

    def _escaped(self) -> _Ranges:
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character not in _SPECIAL:
            self.refuse("one of \\d \\w \\s, or a special character", f"\\{character}")
        return ((character, character),)

    def _class(self) -> _One:
        outside = self._peek() == "^"
        self.at += outside
        ranges: list[tuple[str, str]] = []
        while self._peek() != "]" or not ranges:
            low = self._member()
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in {"", "]"}:
                self.at += 1
                high = self._member()
                if {first == last for first, last in low + high} != {True} or low > high:
                    self.refuse("a range from a lower to a higher character", "another")
                low = ((low[0][0], high[0][0]),)
            ranges += low
        self.at += 1
        return _One(tuple(ranges), outside=outside)

    def _member(self) -> _Ranges:
        character = self._take()
        return self._escaped() if character == "\\" else self._literal(character)

    def _repeated(self, steps: list[_Step]) -> list[_Step]:
        sign = self._peek()
        if sign not in {"*", "+", "?", "{"}:
            return steps
        self.at += 1
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign) or self._counts()
        if self._peek() in {"*", "+", "?", "{"}:
            self.refuse("one sign of repetition", f"a second one, {self._peek()}")
        if (len(steps) + 2) * max(least, most or 1) > MOST_STEPS:
            self.refuse(f"a pattern of at most {MOST_STEPS} steps", "a larger one")
        repeated = steps * least
        if most is None:
            size = len(steps)
            return [*repeated, _Fork((1, size + 2)), *steps, _Fork((-size - 1,))]
        for _ in range(most - least):
            repeated += [_Fork((1, len(steps) + 1)), *steps]
        return repeated

    def _counts(self) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        low, comma, high = self.text[self.at : max(end, self.at)].partition(",")
        digits = [part for part in (low, high) if part or part is low]
        if end < 0 or not all(p.isascii() and p.isdigit() and len(p) <= 3 for p in digits):
            self.refuse("{m}, {m,} or {m,n}", self.text[self.at - 1 : self.at + 8])
        self.at = end + 1
        least = int(low)
        most = None if comma and not high else int(high or low)
        if max(least, most or 0) > MOST_REPEATS or (most is not None and most < least):
            self.refuse(f"m no more than n, both at most {MOST_REPEATS}", f"{low}{comma}{high}")
        return least, most
