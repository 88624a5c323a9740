from __future__ import annotations

import msgspec
import numpy as np
import pytest

from safetycase.methods.account import (
    changed_upstream,
    excess_probability,
    hook_faults,
    near,
    same_answers,
)
from safetycase.tables.columns import Answers
from safetycase.tables.rows import AnswerRow, ChoiceRow, GenerationRow, ProbeRow

PROBE = ProbeRow("e", "x/target", "i0", 0.5, 7, 2.0, 9.0, "above")
TEXT = GenerationRow("e", "x/target", "i0", 0, "t", 4, "eos", 0.5, 7, 2.0, 9.0, "safe")


@pytest.mark.parametrize(
    ("a", "b", "agree"),
    [(1.0, 1.001, True), (1.0, 1.0011, False), (0.0, 1e-9, True), (0.0, 2e-9, False)],
)
def test_near_is_symmetric(a: float, b: float, agree: bool) -> None:
    for one, two in ((a, b), (b, a)):
        found = near(np.array([one]), two, relative=1e-3, absolute=1e-9)
        assert found.tolist() == [agree]


@pytest.mark.parametrize(
    ("arm", "account", "faults"),
    [
        ("baseline", (0, 0.0, 0.0), []),
        ("baseline", (0, 0.0, 9.0), ["no hook at all"]),
        ("x/target", (7, 2.0, 9.0), []),
        ("x/target", (0, 2.0, 9.0), ["at least one position seen by the hook"]),
        ("x/sham", (7, 0.0, 9.0), []),
        ("x/sham", (7, 2.0, 9.0), ["an edit of size 0"]),
        ("x/sham", (7, 2.0, 0.0), ["at least one position seen by the hook"]),
    ],
)
def test_the_hook_must_account_for_every_row(
    arm: str, account: tuple[int, float, float], faults: list[str]
) -> None:
    edits, delta, residual = account
    row = msgspec.structs.replace(PROBE, edits=edits, delta=delta, residual=residual)
    found = hook_faults(arm, Answers.of([row]))
    assert [expected for expected, bad in found if bad.any()] == faults


@pytest.mark.parametrize(
    ("tokens", "edits", "residual", "faults"),
    [
        (4, 3, 9.0, []),
        # nothing was fed back, so nothing could be edited
        (1, 0, 0.0, []),
        (4, 2, 9.0, ["a position for every generated token but the last"]),
        (1, 1, 9.0, ["a position for every generated token but the last"]),
        (4, 3, 0.0, ["at least one position seen by the hook"]),
    ],
)
def test_where_generated_tokens_are_edited_all_that_were_fed_back_are(
    tokens: int, edits: int, residual: float, faults: list[str]
) -> None:
    row = msgspec.structs.replace(TEXT, tokens=tokens, edits=edits, residual=residual)
    found = hook_faults("x/target", Answers.of([row]), "generated")
    assert [expected for expected, bad in found if bad.any()] == faults


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (PROBE, msgspec.structs.replace(PROBE, score=0.5004), True),
        (PROBE, msgspec.structs.replace(PROBE, score=0.502), False),
        (TEXT, msgspec.structs.replace(TEXT, nll=0.5004), True),
        (TEXT, msgspec.structs.replace(TEXT, output="u"), False),
        (TEXT, PROBE, False),
    ],
)
def test_answers_are_the_same_but_for_noise(
    before: AnswerRow, after: AnswerRow, same: bool
) -> None:
    found = same_answers(Answers.of([before]), Answers.of([after]), noise=1e-3)
    assert found.tolist() == [same]


def test_two_letters_cannot_be_likelier_than_certain() -> None:
    row = ChoiceRow("e", "a", "i", -0.7, -0.7, -0.1, -0.1, 0, 0.0, 0.0, "tie")
    found = [bad.tolist() for _, bad in excess_probability(Answers.of([row]))]
    assert found == [[False], [True]]


@pytest.mark.parametrize("row", [PROBE, TEXT])
def test_the_first_row_of_an_input_is_what_others_must_agree_with(row: AnswerRow) -> None:
    first = Answers.of([row, msgspec.structs.replace(row, item="i1")])
    later = Answers.of(
        [
            msgspec.structs.replace(row, arm="x/sham", item="i1", residual=8.0),
            msgspec.structs.replace(row, arm="x/sham", edits=6),
        ]
    )
    found = list(changed_upstream([first, later], noise=1e-3))
    assert [(u.answers.item[u.place], u.edits, u.residual) for u in found] == [
        ("i1", 7, 9.0),
        ("i0", 7, 9.0),
    ]
    assert not list(changed_upstream([first, first], noise=1e-3))
    assert not list(changed_upstream([], noise=1e-3))


def test_another_text_is_another_input() -> None:
    other = msgspec.structs.replace(TEXT, output="u", residual=3.0)
    assert not list(changed_upstream([Answers.of([TEXT]), Answers.of([other])], noise=1e-3))
