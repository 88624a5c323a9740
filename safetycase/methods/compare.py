"""Stated against derived: the one place where numbers of a record are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import cast

from safetycase.errors import MethodRefused
from safetycase.methods.gap import Gap
from safetycase.record.base import Record

RELATIVE = 1e-9
ABSOLUTE = 1e-15
_SHOWN = 300
_LEAVES = frozenset({str, int, float, bool})


def same_number(stated: float, derived: float) -> bool:
    """Whether two figures agree to 1e-9 of their size (1e-15 near zero: small p count too).

    Sums may differ in their last bits between machines; nothing else may.
    """
    return math.isclose(stated, derived, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def shown(value: object) -> str:
    """A value as text for a finding, cut if long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _as_json(value: object) -> object:
    """What models and figures spell as JSON; a member that is none is not spelled."""
    if value is None or isinstance(value, (str, float, int, dict)):
        return value
    if isinstance(value, Record):
        return value.spelled()
    if isinstance(value, (list, tuple)):
        return [_as_json(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        held = ((each.name, _as_json(getattr(value, each.name))) for each in fields(value))
        return {name: one for name, one in held if one is not None}
    return value


_NOTHING = object()


def _at(document: object, pointer: str) -> object:
    """What a document states at a JSON pointer, or `_NOTHING`."""
    value = document
    for step in pointer.split("/")[1:]:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NOTHING
    return value


def _found(pointer: str, value: object) -> object:
    if value is _NOTHING:
        raise MethodRefused(f"case.json#{pointer}", "a stated value", found="nothing")
    return value


def stated_gaps(
    record: object, pointer: str, derived: object, *, skip: frozenset[str] = frozenset()
) -> Iterator[Gap]:
    """Where case.json states at a JSON pointer something else than what follows.

    What follows as none must not be stated, and what follows as something must be. Refused
    where not even the place is there that would state it.
    """
    wanted, stated = _as_json(derived), _at(record, pointer)
    place = f"case.json#{pointer}"
    if wanted is None:
        if stated is not _NOTHING:
            yield Gap(place, "nothing", shown(stated))
    elif stated is _NOTHING and _at(record, pointer.rpartition("/")[0]) is not _NOTHING:
        yield Gap(place, shown(wanted), "nothing")
    else:
        yield from differences(place, _found(pointer, stated), wanted, skip=skip)


def entry_values(
    record: object, pointer: str, derived: Sequence[object], field: str, by: Sequence[str]
) -> list[tuple[str, object]]:
    """What follows for one field of every stated entry of a list, and the field's pointer.

    Entries are matched by the members `by`; one that the derived list has not is left out.
    """
    stated = cast("list[dict[str, object]]", _found(pointer, _at(record, pointer)))
    wanted = {_name([getattr(entry, key) for key in by]): entry for entry in derived}
    named = ((place, _name([entry[key] for key in by])) for place, entry in enumerate(stated))
    return [
        (f"{pointer}/{place}/{field}", getattr(wanted[name], field))
        for place, name in named
        if name in wanted
    ]


def _name(members: Sequence[object]) -> tuple[str, ...]:
    return tuple(repr(_as_json(one)) for one in members)


def differences(
    where: str, stated: object, derived: object, *, skip: frozenset[str] = frozenset()
) -> Iterator[Gap]:
    """Every leaf at which a stated JSON value differs from the derived one, as JSON pointers.

    Object keys in `skip` belong to another check and are passed over at every depth. Whole
    floats and integers are one number, truth values are none.
    """
    if not _agree(stated, derived, skip):
        yield from _differences(where, stated, derived, skip)


def _agree(stated: object, derived: object, skip: frozenset[str]) -> bool:
    """Whether there is no difference: asked of everything, so it builds no places."""
    if type(stated) is type(derived) and type(stated) in _LEAVES and stated == derived:
        return True
    if isinstance(stated, dict) and isinstance(derived, dict):
        if not skip and len(stated) != len(derived):
            return False
        for key, value in derived.items():
            if key not in skip and not (key in stated and _agree(stated[key], value, skip)):
                return False
        return all(key in derived or key in skip for key in stated)
    if isinstance(stated, (list, tuple)) and isinstance(derived, (list, tuple)):
        return len(stated) == len(derived) and all(
            _agree(left, right, skip) for left, right in zip(stated, derived, strict=True)
        )
    return _same_leaf(stated, derived)


def _differences(
    where: str, stated: object, derived: object, skip: frozenset[str]
) -> Iterator[Gap]:
    if isinstance(stated, Mapping) and isinstance(derived, Mapping):
        yield from _object_differences(where, stated, derived, skip)
    elif isinstance(stated, (list, tuple)) and isinstance(derived, (list, tuple)):
        yield from _list_differences(where, stated, derived, skip)
    elif not _same_leaf(stated, derived):
        yield Gap(where, shown(derived), shown(stated))


def _object_differences(
    where: str,
    stated: Mapping[str, object],
    derived: Mapping[str, object],
    skip: frozenset[str],
) -> Iterator[Gap]:
    for key in derived:
        if key not in skip:
            place = f"{where}/{key}"
            if key in stated:
                yield from _differences(place, stated[key], derived[key], skip)
            else:
                yield Gap(place, shown(derived[key]), "nothing")
    for key in stated:
        if key not in derived and key not in skip:
            yield Gap(f"{where}/{key}", "nothing", shown(stated[key]))


def _list_differences(
    where: str, stated: Sequence[object], derived: Sequence[object], skip: frozenset[str]
) -> Iterator[Gap]:
    if len(stated) != len(derived):
        yield Gap(where, f"{len(derived)} entries", f"{len(stated)} entries")
        return
    for number, (left, right) in enumerate(zip(stated, derived, strict=True)):
        yield from _differences(f"{where}/{number}", left, right, skip)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_leaf(stated: object, derived: object) -> bool:
    if stated is derived:
        return True
    if _is_number(stated) and _is_number(derived):
        return same_number(stated, derived)  # type: ignore[arg-type]  # both are numbers
    return type(stated) is type(derived) and stated == derived
