"""Clause 5.3: where a stated record differs from the derived one, leaf by leaf."""

from collections.abc import Iterator

from tests.spec.second.json_types import Json


def differences(derived: Json, stated: Json, where: str = "") -> Iterator[str]:
    """JSON pointers of what differs; what is absent is the same as nothing."""
    if isinstance(derived, dict) and isinstance(stated, dict):
        for key in sorted(derived.keys() | stated.keys()):
            yield from differences(derived.get(key), stated.get(key), f"{where}/{key}")
    elif isinstance(derived, list) and isinstance(stated, list):
        if len(derived) != len(stated):
            yield where
        for i, (one, other) in enumerate(zip(derived, stated, strict=False)):
            yield from differences(one, other, f"{where}/{i}")
    elif not _alike(derived, stated):
        yield where


def _alike(one: Json, other: Json) -> bool:
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (one, other))
    if numbers and not (isinstance(one, int) and isinstance(other, int)):
        return abs(one - other) <= max(1e-9 * max(abs(one), abs(other)), 1e-15)
    return type(one) is type(other) and one == other
