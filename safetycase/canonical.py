"""Strict JSON in, one spelling (RFC 8785) out.

This module, with `spelling` under it, owns every JSON byte that the package trusts: nothing
else may import `json` or `rfc8785`. It knows nothing of records, envelopes or archives.

What `read` accepts and what `write` can spell are the same set of values, so that
`read(write(value)) == value`, and no document has two readings:

* UTF-8 without a byte order mark, within a size and a depth that are checked first;
* every key once in its object, compared after escapes are resolved;
* integers within ±(2^53 - 1); numbers that are finite, that do not vanish to zero, and that
  RFC 8785 would not spell as an integer outside that range; no negative zero;
* no lone surrogates, in keys or in values;
* nothing after the value.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

from safetycase.errors import NotCanonical, SchemaViolation, TooLarge
from safetycase.spelling import (
    FIRST_EXPONENT_SPELLING,
    MAX_INTEGER,
    Unspellable,
    spell,
    spell_slowly,
)

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
)

_INTEGERS = "integers within ±(2^53 - 1)"
_INTEGER_CHARS = len(str(-MAX_INTEGER))
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARS = 60

_Path: TypeAlias = "tuple[_Path, str | int] | None"


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """What is refused before it is parsed: bytes, nesting, characters of one number."""

    max_bytes: int = 64 * 2**20
    max_depth: int = 64
    max_number_chars: int = 128


DEFAULT_LIMITS = JsonLimits()


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed tree for a value that strict JSON does not have."""

    expected: str
    found: str


def read(data: bytes, *, where: str, limits: JsonLimits = DEFAULT_LIMITS) -> JsonValue:
    """The one value these bytes spell, or a refusal that names the place as a JSON pointer.

    Refuses with TooLarge (size, depth) or NotCanonical (all else). White space and key order
    are free: `read_canonical` fixes those too. Says nothing of the document's fields.
    """
    text = _decode(data, where, limits)
    _refuse_depth(data, where, limits)
    hooks = _Hooks(limits)
    decoder = json.JSONDecoder(
        object_pairs_hook=hooks.object,
        parse_int=hooks.integer,
        parse_float=hooks.number,
        parse_constant=hooks.constant,
    )
    try:
        value: JsonValue = decoder.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise NotCanonical(where, "one JSON value", found=f"{error.msg} at {place}") from None
    if hooks.refused or _SURROGATE_ESCAPE.search(data):
        _refuse_faults(value, where, limits.max_depth)
    return value


def write(value: object, *, where: str = "value") -> bytes:
    """The RFC 8785 spelling of a value: the same bytes from every correct writer.

    Takes None, bool, int, float, str, list, tuple and dict with str keys. Refuses what `read`
    would refuse, with NotCanonical (TooLarge for depth); -0.0 is written as 0, as the RFC has
    it.
    """
    try:
        return spell(value, max_depth=DEFAULT_LIMITS.max_depth)
    except Unspellable:
        _refuse_faults(value, where, DEFAULT_LIMITS.max_depth)
        return spell_slowly(value, where)


def read_canonical(
    data: bytes, *, where: str, limits: JsonLimits = DEFAULT_LIMITS
) -> JsonValue:
    """The value of bytes that are its RFC 8785 spelling; any other spelling is refused."""
    value = read(data, where=where, limits=limits)
    require_canonical(data, value, where=where)
    return value


def require_canonical(data: bytes, value: JsonValue, *, where: str) -> None:
    """Refuse bytes that are not the RFC 8785 spelling of the value that was read from them."""
    spelled = write(value, where=where)
    if spelled != data:
        raise NotCanonical(where, "the RFC 8785 spelling", found=_difference(data, spelled))


def is_canonical(data: bytes, value: object) -> bool:
    """Whether these bytes are the RFC 8785 spelling of the value."""
    return write(value) == data


def at(value: JsonValue, pointer: str, *, where: str) -> JsonValue:
    """The value at a JSON pointer (RFC 6901); a pointer that leads nowhere is refused."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict) or key not in value:
            raise SchemaViolation(where, f"a value at {pointer}")
        value = value[key]
    return value


def as_object(
    value: JsonValue,
    *,
    where: str,
    required: Collection[str] = (),
    optional: Collection[str] | None = (),
) -> dict[str, JsonValue]:
    """An object with all required keys and none but the optional ones beside them.

    `optional=None` leaves the object open: unknown keys are then the caller's to judge.
    """
    if not isinstance(value, dict):
        raise SchemaViolation(where, "an object", found=_kind(value))
    missing = sorted(set(required) - set(value))
    if missing:
        raise SchemaViolation(where, "all required keys", found=f"no {', '.join(missing)}")
    unknown = sorted(set(value) - set(required) - set(optional or ()))
    if unknown and optional is not None:
        raise SchemaViolation(where, "only known keys", found=_show(", ".join(unknown)))
    return value


def as_array(value: JsonValue, *, where: str, max_items: int) -> list[JsonValue]:
    """An array of at most `max_items` items."""
    if not isinstance(value, list):
        raise SchemaViolation(where, "an array", found=_kind(value))
    if len(value) > max_items:
        raise TooLarge(where, f"at most {max_items} items", found=str(len(value)))
    return value


def as_text(value: JsonValue, *, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise SchemaViolation(where, "a string", found=_kind(value))
    return value


def as_count(value: JsonValue, *, where: str) -> int:
    """An integer ≥ 0; true, 1.0 and "1" are not integers."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SchemaViolation(where, "an integer of at least 0", found=_show(str(value)))
    return value


class _Hooks:
    """What the standard parser calls for each number and object; faults stay in the tree."""

    def __init__(self, limits: JsonLimits) -> None:
        self.refused = False
        self._limits = limits

    def object(self, pairs: list[tuple[str, Any]]) -> JsonValue | _Fault:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        return self._refuse("every key once", f"{_show(twice)} twice")

    def integer(self, text: str) -> int | _Fault:
        if text == "-0":
            return self._refuse("no negative zero", text)
        if len(text) > _INTEGER_CHARS or abs(int(text)) > MAX_INTEGER:
            return self._refuse(_INTEGERS, _show(text))
        return int(text)

    def number(self, text: str) -> float | _Fault:
        if len(text) > self._limits.max_number_chars:
            expected = f"a number of at most {self._limits.max_number_chars} characters"
            return self._refuse(expected, f"{len(text)} characters")
        value = float(text)
        if value == 0 and (text[0] == "-" or re.match("[0.]*[1-9]", text)):
            return self._refuse("no negative zero and nothing that rounds to 0", text)
        fault = _number_fault(value)
        return value if fault is None else self._refuse(fault.expected, text)

    def constant(self, text: str) -> _Fault:
        return self._refuse("a finite number", text)

    def _refuse(self, expected: str, found: str) -> _Fault:
        self.refused = True
        return _Fault(expected, found)


def _decode(data: bytes, where: str, limits: JsonLimits) -> str:
    if len(data) > limits.max_bytes:
        found = f"{len(data)} bytes"
        raise TooLarge(where, f"at most {limits.max_bytes} bytes", found=found)
    if data.startswith(_BYTE_ORDER_MARK):
        raise NotCanonical(where, "UTF-8 without a byte order mark")
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        found = f"{error.reason} at byte {error.start}"
        raise NotCanonical(where, "UTF-8", found=found) from None


def _refuse_depth(data: bytes, where: str, limits: JsonLimits) -> None:
    """Refuse deep nesting before the recursive parser sees it.

    Strings are cut out first, by the same lexical rule as the parser's; an unterminated one
    is cut to the end, so that the scan stays linear.
    """
    if data.count(b"[") + data.count(b"{") <= limits.max_depth:
        return
    brackets = _STRINGS.sub(b"", data).translate(None, _NOT_BRACKETS)
    depth = max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if depth > limits.max_depth:
        raise TooLarge(where, f"nesting of at most {limits.max_depth}", found=str(depth))


def _refuse_faults(value: object, where: str, max_depth: int) -> None:
    for path, depth, node in _walk(value):
        fault = _fault_of(node)
        if fault is not None:
            place = where if path is None else f"{where}#{_pointer(path)}"
            raise NotCanonical(place, fault.expected, found=fault.found)
        if depth > max_depth:
            raise TooLarge(where, f"nesting of at most {max_depth}")


def _walk(value: object) -> Iterator[tuple[_Path, int, object]]:
    """Every node in document order, with its path and the number of brackets around it."""
    stack: list[tuple[_Path, int, object]] = [(None, 0, value)]
    while stack:
        path, depth, node = stack.pop()
        is_container = isinstance(node, (dict, list, tuple))
        yield path, depth + is_container, node
        if isinstance(node, dict):
            stack.extend(((path, key), depth + 1, node[key]) for key in reversed(node))
        elif isinstance(node, (list, tuple)):
            steps = range(len(node) - 1, -1, -1)
            stack.extend(((path, step), depth + 1, node[step]) for step in steps)


def _fault_of(node: object) -> _Fault | None:
    match node:
        case _Fault():
            return node
        case str():
            return _text_fault(node)
        case dict():
            return next(filter(None, map(_key_fault, node)), None)
        case bool() | None | list() | tuple():
            return None
        case int() | float():
            return _number_fault(node)
        case _:
            return _Fault("a JSON value", type(node).__name__)


def _key_fault(key: object) -> _Fault | None:
    if isinstance(key, str):
        return _text_fault(key)
    return _Fault("keys that are strings", type(key).__name__)


def _text_fault(text: str) -> _Fault | None:
    if _SURROGATE.search(text) is None:
        return None
    return _Fault("text without lone surrogates", _show(text))


def _number_fault(value: float) -> _Fault | None:
    if abs(value) <= MAX_INTEGER:
        return None
    if not isinstance(value, int) and not math.isfinite(value):
        return _Fault("a finite number", str(value))
    if isinstance(value, int) or abs(value) < FIRST_EXPONENT_SPELLING:
        return _Fault(_INTEGERS, "a larger one")
    return None


def _difference(data: bytes, spelled: bytes) -> str:
    pairs = zip(data, spelled, strict=False)
    shared = min(len(data), len(spelled))
    offset = next((i for i, (a, b) in enumerate(pairs) if a != b), shared)
    return f"another spelling from byte {offset}"


def _pointer(path: _Path) -> str:
    tokens: list[str] = []
    while path is not None:
        path, step = path
        tokens.append(_printable(str(step)).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{token}" for token in reversed(tokens))


def _show(text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
    return repr(_printable(cut))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _kind(value: JsonValue) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
