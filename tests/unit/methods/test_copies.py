from __future__ import annotations

from collections.abc import Callable

import pytest

from safetycase.methods.arms import ArmSpec
from safetycase.methods.copies import TELLING_ROWS, TELLING_TEXTS, Copy, copies, is_same
from safetycase.tables.evidence import group_answers
from safetycase.tables.rows import AnswerRow, ChoiceRow, GenerationRow, ProbeRow

A, B, C = "x/random_live/00", "x/random_live/01", "x/random_live/02"
ITEMS = TELLING_TEXTS + 3


def spec(
    name: str, *features: int, coefficient: float = 2.0, pair: tuple[int, int] | None = None
) -> ArmSpec:
    return ArmSpec(name, "random_live", features, pair, 0.1, coefficient)


def said(arm: str, words: Callable[[int], str], items: int = ITEMS) -> list[AnswerRow]:
    return [
        GenerationRow("ask", arm, f"i{n}", 0, words(n), 4, "eos", 0.5, 7, 2.0, 9.0, "safe")
        for n in range(items)
    ]


def read(arm: str, score: Callable[[int], float], items: int = ITEMS) -> list[AnswerRow]:
    return [ProbeRow("ask", arm, f"i{n}", score(n), 7, 2.0, 9.0, "above") for n in range(items)]


def chosen(arm: str, odds: Callable[[int], float], items: int = ITEMS) -> list[AnswerRow]:
    return [
        ChoiceRow("ask", arm, f"i{n}", -odds(n), -2.0, -1.0, -2.0, 7, 2.0, 9.0, "matching")
        for n in range(items)
    ]


def plain(_n: int) -> str:
    return "no"


def own(n: int) -> str:
    return f"yes {n}"


def found(rows: dict[str, list[AnswerRow]], *specs: ArmSpec) -> list[Copy]:
    return list(copies(group_answers(*rows.values()), specs))


@pytest.mark.parametrize("make", [read, chosen])
def test_equal_scores_of_two_edits_are_a_copy(make: Callable[..., list[AnswerRow]]) -> None:
    rows = {"baseline": make("baseline", lambda _: 0.5)}
    rows |= {arm: make(arm, lambda n: n + 1.0) for arm in (A, B)}
    assert found(rows, spec(A, 1), spec(B, 2)) == [Copy("ask", B, A, scored=True)]


@pytest.mark.parametrize(
    ("other", "is_copy"),
    [
        (spec(B, 1), False),
        (spec(B, 1, coefficient=4.0), True),
        (spec(B, 1, coefficient=-2.0), True),
        (spec(B, 1, 2), True),
        (spec(B, pair=(3, 4)), True),
        (spec(B, 2, coefficient=0.0), False),
    ],
)
def test_scores_are_moved_by_direction_sign_and_size(other: ArmSpec, is_copy: bool) -> None:
    rows = {"baseline": read("baseline", lambda _: 0.5)}
    rows |= {arm: read(arm, lambda n: n + 1.0) for arm in (A, B)}
    assert bool(found(rows, spec(A, 1), other)) == is_copy


@pytest.mark.parametrize("changed", [TELLING_ROWS - 1, TELLING_ROWS])
def test_equal_scores_tell_only_where_rows_differ_from_the_baseline(changed: int) -> None:
    rows = {"baseline": read("baseline", lambda _: 0.5)}
    rows |= {arm: read(arm, lambda n: 0.7 if n < changed else 0.5) for arm in (A, B)}
    assert bool(found(rows, spec(A, 1), spec(B, 2))) == (changed == TELLING_ROWS)


def test_one_other_score_is_no_copy() -> None:
    rows = {"baseline": read("baseline", lambda _: 0.5), A: read(A, lambda n: n + 1.0)}
    rows[B] = read(B, lambda n: n + 1.0 if n else 1.000001)
    assert found(rows, spec(A, 1), spec(B, 2)) == []


@pytest.mark.parametrize("other", [0, ITEMS - 1])
def test_an_arm_that_begins_like_a_copy_is_none(other: int) -> None:
    """Of four arms two are equal, and all but one begin alike."""
    rows = {arm: read(arm, lambda n: n + 1.0) for arm in (A, B)}
    rows[C] = read(C, lambda n: n + 1.5 if n == other else n + 1.0)
    rows["baseline"] = read("baseline", lambda _: 0.5)
    specs = (spec(A, 1), spec(C, 3), spec(B, 2))
    assert found(rows, *specs) == [Copy("ask", B, A, scored=True)]


@pytest.mark.parametrize("other", [None, 0, TELLING_ROWS, ITEMS - 1])
def test_an_arm_is_the_same_only_if_no_row_differs(other: int | None) -> None:
    rows = read("baseline", lambda _: 0.5), read(A, lambda n: 0.7 if n == other else 0.5)
    answers = group_answers(*rows)
    assert is_same(answers["ask", A], answers["ask", "baseline"]) == (other is None)
    assert not is_same(answers["ask", A], None)


def test_texts_that_no_third_edit_gives_are_a_trace() -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    rows[C] = said(C, plain)
    specs = (spec(A, 1), spec(B, 2), spec(C, 3))
    assert found(rows, *specs) == [Copy("ask", B, A, scored=False)]


@pytest.mark.parametrize("shared", [3, 4])
def test_texts_that_a_third_edit_gives_are_a_state_of_the_model(shared: int) -> None:
    """Too few texts are left that the two arms alone give."""
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    rows[C] = said(C, lambda n: own(n) if n < shared else f"other {n}")
    specs = (spec(A, 1), spec(B, 2), spec(C, 3))
    assert bool(found(rows, *specs)) == (ITEMS - shared >= TELLING_TEXTS)


def test_the_same_feature_the_other_way_is_a_third_edit() -> None:
    rows = {arm: said(arm, own) for arm in (A, B, C)} | {"baseline": said("baseline", plain)}
    assert found(rows, spec(A, 1), spec(B, 2), spec(C, 1, coefficient=-2.0)) == []


def test_another_size_is_not_a_third_edit() -> None:
    rows = {arm: said(arm, own) for arm in (A, B, C)} | {"baseline": said("baseline", plain)}
    specs = (spec(A, 1), spec(B, 2), spec(C, 1, coefficient=4.0))
    assert found(rows, *specs) == [Copy("ask", B, A, scored=False)]


@pytest.mark.parametrize(
    "other", [spec(B, 1, 2), spec(B, 1), spec(B, 1, coefficient=4.0), spec(B, 2, 1)]
)
def test_edits_with_a_feature_in_common_may_say_the_same(other: ArmSpec) -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    assert found(rows, spec(A, 1, 3), other) == []


def test_directions_between_two_pairs_of_true_classes_may_say_the_same() -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    one = ArmSpec(A, "difference_in_means", (), None, 0.1, 2.0)
    other = ArmSpec(B, "refusal_direction", (), None, 1.0, 3.0)
    assert found(rows, one, other) == []
    assert found(rows, one, spec(B, 2)) == [Copy("ask", B, A, scored=False)]


def test_edits_with_an_activation_in_common_may_say_the_same() -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    assert found(rows, spec(A, pair=(1, 2)), spec(B, pair=(2, 3))) == []
    assert found(rows, spec(A, pair=(1, 2)), spec(B, pair=(3, 4)))


@pytest.mark.parametrize("words", [plain, lambda _: "always the same"])
def test_few_different_texts_are_no_trace(words: Callable[[int], str]) -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, words), B: said(B, words)}
    assert found(rows, spec(A, 1), spec(B, 2)) == []


def test_arms_that_add_nothing_are_not_compared() -> None:
    rows = {"baseline": said("baseline", plain), A: said(A, own), B: said(B, own)}
    nothing = {"coefficient": 0.0}
    assert found(rows, spec(A, 1, **nothing), spec(B, 2, **nothing)) == []
    assert found(rows) == []
