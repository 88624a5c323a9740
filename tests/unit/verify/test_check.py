from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MalformedInput, MethodRefused, UsageError
from safetycase.methods.gap import Gap
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
    told,
)
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, KitCase, edit_record, honest_case, policy
from tests.kit.cases import none_found_case

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


SAYS: dict[str, Any] = {"proves": "p", "cannot_prove": "c", "references": ("r",)}
RESULT = "case.json#/results/axes"


def family(**changes: Any) -> Family:
    return Family("ABC", "name", "rule", **({"stage": 6, "tier": "sound"} | changes))


def opened(case: KitCase) -> OpenedCase:
    return OpenedCase(case.to_bytes(), policy(), AT)


def wheres(case: KitCase, made: Family) -> list[str]:
    return [fault.where for fault in drained(made.checks["ABC-001"].run(opened(case)))[0]]


def test_figures_are_compared_on_every_axis_and_owned() -> None:
    made = family(needs=("plan",))
    made.figures(1, "A title.", "rates", "claim/p", **SAYS)
    check = made.checks["ABC-001"]
    assert (check.title, check.proves, check.needs) == ("A title.", "p", ("plan",))
    assert check.owns == tuple(f"{RESULT}/*/{name}" for name in ("rates", "claim/p"))
    assert not check.absence_is_harmless
    case = honest_case()
    faults, examined = drained(check.run(opened(case)))
    axes = case.record["results"]["axes"]
    assert (faults, examined) == ([], sum(len(axis["rates"]) + 1 for axis in axes))
    for place in range(len(axes)):
        changed = edit_record(case, f"/results/axes/{place}/claim/p", 0.123)
        assert wheres(changed, made) == [f"{RESULT}/{place}/claim/p"]
        changed = edit_record(case, f"/results/axes/{place}/rates/0/counted", 99)
        assert wheres(changed, made) == [f"{RESULT}/{place}/rates/0/counted"]
        (fault,) = drained(check.run(opened(changed)))[0]
        assert (fault.axis, fault.outcome) == (axes[place]["axis"], Outcome.FAIL)


def test_fields_that_others_answer_for_are_passed_over() -> None:
    made = family()
    made.figures(1, "T.", "rates", skip=frozenset({"counted"}), **SAYS)
    case = edit_record(honest_case(), "/results/axes/0/rates/0/counted", 99)
    assert wheres(case, made) == []
    case = edit_record(honest_case(), "/results/axes/0/rates/0/low", 0.5)
    assert wheres(case, made) == [f"{RESULT}/0/rates/0/low"]


def test_entries_are_found_by_their_names() -> None:
    made = family()
    made.figures(1, "T.", "arms/*/realised", by=("id",), **SAYS)
    check = made.checks["ABC-001"]
    assert check.owns == (f"{RESULT}/*/arms/*/realised",)
    axes = honest_case().record["results"]["axes"]
    faults, examined = drained(check.run(opened(honest_case())))
    assert (faults, examined) == ([], sum(len(axis["arms"]) for axis in axes))
    case = edit_record(honest_case(), "/results/axes/0/arms/3/realised", 1.0)
    assert wheres(case, made) == [f"{RESULT}/0/arms/3/realised"]


def test_nothing_follows_where_nothing_is_edited() -> None:
    for if_edited in (True, False):
        made = family()
        made.figures(1, "T.", "controls", if_edited=if_edited, **SAYS)
        check = made.checks["ABC-001"]
        assert check.absence_is_harmless == if_edited
        _, examined = drained(check.run(opened(none_found_case())))
        reason = "no feature is found, so nothing is edited"
        void = NotApplicable(f"watched: {reason}; knowledge: {reason}")
        assert (examined == void) == if_edited


def test_a_figure_that_nothing_follows_for_is_not_asked() -> None:
    made = family()
    made.figures(1, "T.", "strata", unasked="no strata", **SAYS)
    check = made.checks["ABC-001"]
    assert check.absence_is_harmless
    _, examined = drained(check.run(opened(honest_case())))
    assert examined == NotApplicable("watched: no strata; knowledge: no strata")


def test_an_edited_check_is_void_and_harmlessly_so_without_a_feature() -> None:
    made = family()

    def asked(_case: OpenedCase, number: int, axis: Axis) -> Run:
        """A title."""
        yield Fault(f"{number} {axis.id}", "e", "f")
        return 2

    made.edited_check(1, **SAYS)(asked)
    made.axis_check(2, **SAYS)(asked)
    edited, every = made.checks["ABC-001"], made.checks["ABC-002"]
    assert (edited.title, edited.absence_is_harmless) == ("A title.", True)
    assert not every.absence_is_harmless
    for check in (edited, every):
        faults, examined = drained(check.run(opened(honest_case())))
        assert [(f.where, f.axis) for f in faults] == [
            ("0 watched", "watched"), ("1 knowledge", "knowledge"),
        ]  # fmt: skip
        assert examined == 4
    assert drained(edited.run(opened(none_found_case())))[0] == []
    assert len(drained(every.run(opened(none_found_case())))[0]) == 2


def test_a_family_whose_question_does_not_arise_says_why() -> None:
    def fails(_case: OpenedCase) -> Run:
        """T."""
        yield Fault("w", "e", "f")
        return 1

    for arises in (True, False):
        made = family(
            arises=lambda _case, arises=arises: arises, unasked="none", absence_is_harmless=True
        )
        made.check(1, **SAYS)(fails)
        assert made.checks["ABC-001"].absence_is_harmless
        faults, examined = drained(made.checks["ABC-001"].run(opened(honest_case())))
        assert (len(faults), examined) == ((1, 1) if arises else (0, NotApplicable("none")))


def test_a_gap_becomes_a_fault_in_every_field() -> None:
    gaps = [
        Gap("w", "e", "f", "s", axis="a"),
        Gap("w", "e", "f", silent=True),
    ]
    faults, examined = drained(told(gaps, "x#"), "b")
    assert examined == 1
    assert faults == [
        Fault("x#w", "e", "f", "s", Outcome.FAIL, "a"),
        Fault("x#w", "e", "f", "", Outcome.UNKNOWN, "b"),
    ]


def _raising(error: Exception) -> Run:
    yield from ()
    raise error


def test_what_a_refusal_says_is_kept() -> None:
    for error, found, said in (
        (MethodRefused("w", "e"), "no value", "This cannot be derived: w: expected e"),
        (
            MethodRefused("w", "e", found="f"),
            "f",
            "This cannot be derived: w: expected e, found f",
        ),
        (MalformedInput("w", "e"), "something else", ""),
        (MalformedInput("w", "e", found="f", remedy="Do."), "f", "w: expected e, found f"),
    ):
        ((fault,), examined) = drained(_raising(error), "a")
        assert (fault.where, fault.expected, fault.found) == ("w", "e", found)
        assert fault.sentence.startswith(said)
        assert bool(fault.sentence) == bool(said)
        assert (fault.axis, examined) == ("a", 0)
