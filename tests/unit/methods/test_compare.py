from __future__ import annotations

import pytest

from safetycase.methods.compare import differences, same_number, shown
from safetycase.methods.gap import Gap


@pytest.mark.parametrize(
    ("stated", "derived", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (1.0, 1, True),
        (1.0 + 5e-10, 1.0, True),
        (1.0 + 2e-9, 1.0, False),
        (0.0, 9e-16, True),
        (0.0, 2e-15, False),
        (5e-13, 1e-13, False),
        (-1.0, 1.0, False),
        (1e300, 1e300 * (1 + 1e-10), True),
    ],
)
def test_numbers_agree_to_nine_digits(stated: float, derived: float, same: bool) -> None:
    assert same_number(stated, derived) is same
    assert same_number(derived, stated) is same


@pytest.mark.parametrize(
    ("stated", "derived", "found"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": True}, {"a": 1}, [Gap("#/a", "1", "True")]),
        ({"a": None}, {"a": 0}, [Gap("#/a", "0", "None")]),
        ({"a": "1"}, {"a": 1}, [Gap("#/a", "1", "1")]),
        ({}, {"a": 1}, [Gap("#/a", "1", "nothing")]),
        ({"a": 1}, {}, [Gap("#/a", "nothing", "1")]),
        ({"a": [1, 2]}, {"a": (1, 3)}, [Gap("#/a/1", "3", "2")]),
        ({"a": [1, 2]}, {"a": [1]}, [Gap("#/a", "1 entries", "2 entries")]),
        ({"a": [1]}, {"a": {"b": 1}}, [Gap("#/a", "{'b': 1}", "[1]")]),
        ({"s": 1, "a": 2}, {"s": 9, "a": 2}, []),
        ({"a": {"s": 1}}, {"a": {"s": 2}}, []),
        ({"s": 1}, {}, []),
    ],
)
def test_differences_name_the_place(stated: object, derived: object, found: list[Gap]) -> None:
    assert list(differences("#", stated, derived, skip=frozenset({"s"}))) == found


def test_long_values_are_cut() -> None:
    assert shown("x" * 301) == "x" * 300 + "…"
    assert shown("x" * 300) == "x" * 300
