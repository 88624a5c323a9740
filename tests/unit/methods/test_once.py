from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.once import once


class Owner:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.calls = 0

    @once
    def value(self) -> int:
        """Counts its calls."""
        self.calls += 1
        return self.calls

    @once
    def refusal(self) -> int:
        self.calls += 1
        raise MethodRefused("here", "a value")


def test_a_value_is_made_once() -> None:
    owner = Owner()
    assert [owner.value, owner.value, owner.calls] == [1, 1, 1]
    assert Owner.value.__doc__ == "Counts its calls."


def test_a_refusal_is_kept() -> None:
    owner = Owner()
    with pytest.raises(MethodRefused) as first:
        _ = owner.refusal
    with pytest.raises(MethodRefused) as second:
        _ = owner.refusal
    assert first.value is second.value
    assert owner.calls == 1
