"""A value derived at most once, refusals included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from safetycase.errors import SafetyCaseError

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class once(Generic[Owner, Value]):  # noqa: N801 — used as a decorator, like property
    """A property computed on first use; a refusal is kept and raised again, not retried.

    The owner gives a dictionary `kept` for the results.
    """

    def __init__(self, make: Callable[[Owner], Value]) -> None:
        """Keep the function that makes the value."""
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: None, kind: type[Owner]) -> once[Owner, Value]: ...
    @overload
    def __get__(self, owner: Owner, kind: type[Owner]) -> Value: ...
    def __get__(self, owner: Any, kind: Any) -> Any:
        """The value, or the refusal that stood in its way the first time."""
        if owner is None:
            return self
        kept: dict[str, tuple[Value | None, SafetyCaseError | None]] = owner.kept
        if self._name not in kept:
            try:
                kept[self._name] = (self._make(owner), None)
            except SafetyCaseError as refusal:
                kept[self._name] = (None, refusal)
        value, earlier = kept[self._name]
        if earlier is not None:
            raise earlier
        return value
