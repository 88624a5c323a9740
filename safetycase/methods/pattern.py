r"""Regular expressions that cannot hang a verifier.

A plan is written by whoever is being checked, and a backtracking engine takes exponential time
on some patterns. Ours are a small language whose work has a bound that is computed before a
text is seen: literals, `.`, classes, escapes `\d \w \s \b \D \W \S \B` and escaped punctuation,
groups `(…)` and `(?:…)`, `|`, `^`, `$`, and the quantifiers `?`, `{m}`, `{m,n}`. Not in it:
`*`, `+`, `{m,}`, back-references, look-around, flags, lazy and possessive marks.

For each part, *paths* counts the ways it can be matched and *length* the most characters one
way reads. Their product bounds what the engine does at one position of a text.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from safetycase.errors import MethodRefused

LONGEST_PATTERN = 200
"""Characters in a pattern, at most."""

MOST_WORK = 10_000
"""Paths times length, at most: steps per position of the text."""

_DEEPEST = 10
_ESCAPES = frozenset("dwsbDWSB")
_SET_OPERATIONS = ("--", "&&", "||", "~~")
_QUANTIFIER = re.compile(r"\?|\{(\d{1,3})(?:,(\d{1,3}))?\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Cost:
    """How many ways a part can match, and the most characters that one of them reads."""

    paths: int
    length: int

    def then(self, other: _Cost) -> _Cost:
        return _Cost(self.paths * other.paths, self.length + other.length)

    def either(self, other: _Cost) -> _Cost:
        return _Cost(self.paths + other.paths, max(self.length, other.length))

    def repeated(self, least: int, most: int) -> _Cost:
        ways = sum(self.paths**times for times in range(least, most + 1))
        return _Cost(ways, self.length * most)

    @property
    def work(self) -> int:
        return self.paths * max(1, self.length)


@functools.lru_cache(maxsize=256)
def compile_bounded(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the bounded language; anything else is refused, with the remedy.

    A search reads at most `MOST_WORK` steps per character of the text. Letters stand for
    themselves: folded text has no capitals, so a pattern with capitals never matches it.

    Source: paths of a backtracking matcher, Kirrage, Rathnayake & Thielecke 2013, NSS, arXiv
    1301.0849; here bounded by refusing every unbounded quantifier.
    """
    if not 1 <= len(pattern) <= LONGEST_PATTERN:
        raise MethodRefused(
            "pattern", f"1 to {LONGEST_PATTERN} characters", found=f"{len(pattern)}"
        )
    reader = _Reader(pattern)
    reader.alternatives()
    if reader.at < len(pattern):
        raise reader.refusal("a group for this parenthesis")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise MethodRefused("pattern", "a regular expression", found=str(error)) from None


class _Reader:
    """Recursive descent over one pattern; each method reads one production and costs it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def alternatives(self) -> _Cost:
        cost = self._sequence()
        while self._peek() == "|":
            self.at += 1
            cost = cost.either(self._sequence())
        return cost

    def _sequence(self) -> _Cost:
        cost = _Cost(1, 0)
        while self._peek() not in ("", "|", ")"):
            cost = cost.then(self._quantified())
            if cost.work > MOST_WORK:
                raise self.refusal(f"at most {MOST_WORK} steps for each character of a text")
        return cost

    def _quantified(self) -> _Cost:
        part = self._part()
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found is None:
            return part
        self.at = found.end()
        least, most = _bounds(found)
        # Under one work limit per repetition, so that counting the paths stays cheap too.
        if most * part.work > MOST_WORK or least > most:
            raise self.refusal(f"at most {MOST_WORK} steps for each character of a text")
        return part.repeated(least, most)

    def _part(self) -> _Cost:
        character = self._peek()
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character in "*+?{}":
            raise self.refusal("a bounded quantifier after a part, such as {0,40}")
        self.at += 1
        return _Cost(1, 0 if character in "^$" else 1)

    def _group(self) -> _Cost:
        self.at += 3 if self.pattern.startswith("(?:", self.at) else 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.refusal(f"groups at most {_DEEPEST} deep")
        cost = self.alternatives()
        self.depth -= 1
        if self._peek() != ")":
            raise self.refusal("the end of the group")
        self.at += 1
        return cost

    def _class(self) -> _Cost:
        self.at += 2 if self.pattern.startswith("[^", self.at) else 1
        first = self.at
        while (character := self._peek()) != "]" or self.at == first:
            if character in ("", "[") or self.pattern.startswith(_SET_OPERATIONS, self.at):
                raise self.refusal("the end of the class")
            if character == "\\":
                self._escape()
            else:
                self.at += 1
        self.at += 1
        return _Cost(1, 1)

    def _escape(self) -> _Cost:
        escaped = self.pattern[self.at + 1 : self.at + 2]
        known = escaped in _ESCAPES or (escaped.isascii() and not escaped.isalnum())
        if not escaped or not known:
            raise self.refusal("an escape of the bounded language")
        self.at += 2
        return _Cost(1, 0 if escaped in "bB" else 1)

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def refusal(self, expected: str) -> MethodRefused:
        rest = self.pattern[self.at :] or "the end"
        return MethodRefused("pattern", expected, found=f"{rest!r} at {self.at}")


def _bounds(found: re.Match[str]) -> tuple[int, int]:
    if found[0] == "?":
        return 0, 1
    return int(found[1]), int(found[2] or found[1])
