"""The RFC 8785 spelling of JSON values, written in one pass.

What is unusual (subclasses of the plain types, deep nesting, numbers out of range, lone
surrogates) is not judged here: `canonical` looks closer and refuses, or has the library spell.
So do floats with an exponent, whose digits are the library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

import rfc8785

from safetycase.errors import NotCanonical

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785 §3.2.2.3, I-JSON §2.2)."""

FIRST_EXPONENT_SPELLING = 1e21
"""Whole floats from here on are spelled with an exponent, those under it as integers."""


class Unspellable(Exception):
    """The fast writer has met a value that needs a closer look."""


def spell(value: object, *, max_depth: int) -> bytes:
    """The RFC 8785 spelling of a value of plain types; Unspellable if anything is unusual."""
    parts: list[str] = []
    _append(value, parts.append, max_depth)
    try:
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError:
        raise Unspellable from None


def _append(value: object, put: Callable[[str], None], depth: int) -> None:
    kind = type(value)
    if kind is str:
        put(encode_basestring(value))  # type: ignore[arg-type]  # its type is str
    elif kind in _LITERALS:
        put(_LITERALS[kind](value))
    elif kind is dict:
        _append_object(value, put, depth - 1)  # type: ignore[arg-type]  # its type is dict
    elif kind is list or kind is tuple:
        if depth < 1:
            raise Unspellable
        start = "["
        for part in value:  # type: ignore[attr-defined]  # a list or a tuple
            put(start)
            _append(part, put, depth - 1)
            start = ","
        put("]" if start == "," else "[]")
    else:
        raise Unspellable


def _append_object(members: dict[Any, Any], put: Callable[[str], None], depth: int) -> None:
    if depth < 0:
        raise Unspellable
    start = "{"
    for key in _ordered(members):
        put(f"{start}{encode_basestring(key)}:")
        _append(members[key], put, depth)
        start = ","
    put("}" if start == "," else "{}")


def _ordered(members: dict[Any, Any]) -> list[str]:
    """Keys in order of their UTF-16 code units; of ASCII, that of the characters."""
    if not all(type(key) is str for key in members):
        raise Unspellable
    if all(map(str.isascii, members)):
        return sorted(members)
    return sorted(members, key=lambda key: key.encode("utf-16-be", "surrogatepass"))


def _integer(value: int) -> str:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return str(value)
    raise Unspellable


def _fraction(value: float) -> str:
    """As Python spells it, where that is what ECMAScript does: without an exponent."""
    text = repr(value)
    if "e" in text or "n" in text:
        size = abs(value)
        if not (size <= MAX_INTEGER or FIRST_EXPONENT_SPELLING <= size < math.inf):
            raise Unspellable
        return rfc8785.dumps(value).decode()
    if not text.endswith(".0"):
        return text
    return _integer(int(value))


_LITERALS: dict[type, Callable[[Any], str]] = {
    int: _integer,
    float: _fraction,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
}


def spell_slowly(value: object, where: str) -> bytes:
    """What subclasses of the plain types spell; all faults but the library's own are found."""
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # the walk has shown its type
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise NotCanonical(where, "a value that RFC 8785 can spell", found=str(error)) from None
