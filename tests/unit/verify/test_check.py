from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MalformedInput, MethodRefused, UsageError
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import (
    Family,
    Fault,
    NotApplicable,
    Run,
    compared,
    drained,
    each_axis,
)
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, honest_case, policy

FIELDS: dict[str, Any] = {
    "stage": 4,
    "tier": "intact",
    "proves": "p",
    "cannot_prove": "c",
    "references": ("r",),
}


def _pass(_case: OpenedCase) -> Run:
    """All is well."""
    yield from ()
    return 1


def _register(prefix: str = "ABC", number: int = 1, **changes: Any) -> Family:
    family = Family(prefix, "name", "rule", stage=6, tier="sound")
    family.check(number, **(FIELDS | changes))(_pass)
    return family


def test_a_check_says_what_it_is() -> None:
    check = _register(owns=("x",)).checks["ABC-001"]
    assert (check.title, check.proves, check.owns) == ("All is well.", "p", ("x",))
    assert not check.absence_is_harmless
    assert not check.asks_policy


def test_stage_and_tier_are_the_family_s_unless_said() -> None:
    said = _register().checks["ABC-001"]
    family = Family("ABC", "name", "rule", stage=6, tier="sound", needs=("plan",))
    family.check(1, proves="p", cannot_prove="c", references=("r",))(_pass)
    unsaid = family.checks["ABC-001"]
    assert (said.stage, said.tier) == (4, "intact")
    assert (unsaid.stage, unsaid.tier, unsaid.needs) == (6, "sound", ("plan",))
    assert _register(stage=0).checks["ABC-001"].stage == 0


@pytest.mark.parametrize(
    ("pointer", "change", "where"),
    [
        ("/results/splits", lambda m: m, []),
        ("/results/splits", lambda m: m[:1], ["case.json#/results/splits"]),
        (
            "/results/splits",
            lambda m: (m[0].model_copy(update={"tuning": 7}), *m[1:]),
            ["case.json#/results/splits/0/tuning"],
        ),
    ],
)
def test_stated_models_are_compared_leaf_by_leaf(
    pointer: str, change: Any, where: list[str]
) -> None:
    case = _case()
    derived = change(case.derived.splits)
    faults, examined = drained(compared(case, pointer, derived))
    assert [fault.where for fault in faults] == where
    assert examined == len(derived)


def test_what_is_skipped_and_what_is_one_value() -> None:
    case = _case()
    other = [split.model_copy(update={"tuning": 7}) for split in case.derived.splits]
    skip = frozenset({"tuning"})
    assert drained(compared(case, "/results/splits", other, skip=skip))[0] == []
    faults, examined = drained(compared(case, "/id", "another"))
    assert ([fault.found for fault in faults], examined) == (["toy"], 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"proves": " "},
        {"cannot_prove": ""},
        {"references": ()},
        {"references": ("",)},
        {"tier": "certain"},
        {"stage": 11},
        {"stage": -1},
        {"needs": ("weights",)},
        {"prefix": "AB"},
        {"prefix": "abc"},
        {"number": 1000},
    ],
)
def test_an_incomplete_check_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        _register(**changes)


def test_an_id_is_given_once() -> None:
    family = _register()
    with pytest.raises(UsageError) as refusal:
        family.check(1, **FIELDS)(_pass)
    assert refusal.value.where == "ABC-001"


def test_a_check_without_a_title_is_refused() -> None:
    def untitled(_case: OpenedCase) -> Run:
        yield from ()
        return 1

    with pytest.raises(UsageError):
        Family("ABC", "name", "rule", stage=4, tier="intact").check(1, **FIELDS)(untitled)


def _refusing(error: Exception) -> Run:
    yield Fault("first", "e", "f")
    raise error


def test_a_refusal_of_a_method_is_unknown() -> None:
    faults, examined = drained(_refusing(MethodRefused("w", "rows", found="none")))
    assert [fault.outcome for fault in faults] == [Outcome.FAIL, Outcome.UNKNOWN]
    assert (faults[1].where, faults[1].expected, faults[1].found) == ("w", "rows", "none")
    assert examined == 0


def test_malformed_input_fails() -> None:
    faults, _ = drained(_refusing(MalformedInput("w", "bytes")))
    assert [fault.outcome for fault in faults] == [Outcome.FAIL, Outcome.FAIL]


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        drained(_refusing(ZeroDivisionError()))


def _case() -> OpenedCase:
    return OpenedCase(honest_case().to_bytes(), policy(), AT)


def test_every_axis_is_examined_on_its_own() -> None:
    def first_refuses(_case: OpenedCase, number: int, axis: Axis) -> Run:
        if number == 0:
            raise MethodRefused("w", "e")
        yield Fault(axis.id, "e", "f")
        return 3

    faults, examined = drained(each_axis(first_refuses)(_case()))
    assert [(f.axis, f.outcome) for f in faults] == [
        ("watched", Outcome.UNKNOWN),
        ("knowledge", Outcome.FAIL),
    ]
    assert examined == 3


def test_no_axis_to_which_a_question_applies_is_not_applicable() -> None:
    def never(_case: OpenedCase, _number: int, _axis: Axis) -> Run:
        yield from ()
        return NotApplicable("no reason")

    _, examined = drained(each_axis(never)(_case()))
    assert examined == NotApplicable("watched: no reason; knowledge: no reason")
