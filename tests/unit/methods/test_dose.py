"""The dose rule, on series worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.methods.dose import choose, chosen_response, dose_responses
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import GenerationRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of

ITEMS = 10
DOSES = (-1.0, -0.5, 0.0, 0.5, 1.0)
Series = dict[float, tuple[int, int]]
"""Dose to (unsafe, incoherent) counts of ten items."""


def _rows(arm: str, counts: tuple[int, int]) -> list[GenerationRow]:
    unsafe, incoherent = counts
    outcomes = ["unsafe"] * unsafe + ["incoherent"] * incoherent
    outcomes += ["other"] * (ITEMS - len(outcomes))
    return [
        GenerationRow("ask", arm, f"i{n}", 0, "x", 1, "eos", 0.1, 1, 1.0, 1.0, outcome)
        for n, outcome in enumerate(outcomes)
    ]


def _evidence(target: Series, *random_sets: Series) -> Evidence:
    items = [
        ItemRow("items", f"i{n}", f"c{n}", "k", None, "tuning", "x", None, "p")
        for n in range(ITEMS)
    ]
    rows: list[GenerationRow] = []
    for i, dose in enumerate(DOSES):
        rows += _rows(f"axis/dose/{i:02d}", target[dose])
        for c, series in enumerate(random_sets):
            rows += _rows(f"axis/best_of/{c:02d}/dose/{i:02d}", series[dose])
    return Evidence(Items(items), group_answers(rows), [], [], {})


FLAT: Series = dict.fromkeys(DOSES, (1, 0))


def _plan(**rule: Any) -> Any:
    data = plan_data()
    data["axes"][0]["dose_rule"] |= rule
    return plan_of(data)


@pytest.mark.parametrize(
    ("series", "rule", "chosen"),
    [
        # -0.5 reaches 7 of the best 8: not 90 %
        ({-1.0: (9, 0), -0.5: (8, 0), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}, {}, -1.0),
        # with 80 % asked it does, and is smaller
        (
            {-1.0: (9, 0), -0.5: (8, 0), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)},
            {"share_of_best": 0.8},
            -0.5,
        ),
        # the strongest breaks the text of two in ten: not admissible
        ({-1.0: (8, 2), -0.5: (4, 1), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}, {}, -0.5),
        # what is incoherent at dose zero already is not the dose's doing
        ({-1.0: (8, 2), -0.5: (4, 1), 0.0: (1, 1), 0.5: (1, 0), 1.0: (1, 0)}, {}, -1.0),
        # nothing admissible: the smallest eligible dose
        ({-1.0: (0, 9), -0.5: (0, 9), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}, {}, -0.5),
        # no effect anywhere: the smallest of the best
        (FLAT, {}, -0.5),
        # the other sign does more, but was not asked for
        ({-1.0: (2, 0), -0.5: (1, 0), 0.0: (1, 0), 0.5: (9, 0), 1.0: (9, 0)}, {}, -1.0),
        (
            {-1.0: (2, 0), -0.5: (1, 0), 0.0: (1, 0), 0.5: (9, 0), 1.0: (9, 0)},
            {"sign": "either"},
            0.5,
        ),
        # downwards
        (
            {-1.0: (0, 0), -0.5: (5, 0), 0.0: (9, 0), 0.5: (9, 0), 1.0: (9, 0)},
            {"direction": "down"},
            -1.0,
        ),
    ],
)
def test_the_rule_picks_the_dose_worked_by_hand(
    series: Series, rule: dict[str, Any], chosen: float
) -> None:
    plan = _plan(**rule)
    target, *_ = dose_responses(plan, plan.axes[0], _evidence(series, FLAT, FLAT))
    assert target.chosen == chosen


def test_a_series_that_turns_back_is_not_monotone() -> None:
    plan = _plan(share_of_best=1.0)
    rising = {-1.0: (9, 0), -0.5: (4, 0), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}
    falling_first = rising | {-0.5: (0, 0)}
    up, *_ = dose_responses(plan, plan.axes[0], _evidence(rising, FLAT, FLAT))
    back, *_ = dose_responses(plan, plan.axes[0], _evidence(falling_first, FLAT, FLAT))
    assert (up.monotone, back.monotone) == (True, False)


def test_the_best_random_set_goes_to_the_held_out_split_with_its_own_dose() -> None:
    plan = _plan()
    better = FLAT | {-0.5: (3, 0), -1.0: (3, 0)}
    best = FLAT | {-1.0: (5, 0)}
    responses = dose_responses(plan, plan.axes[0], _evidence(FLAT, better, best))
    chosen = choose(plan.axes[0], responses)
    assert (chosen.best_of, chosen.best_of_dose) == (1, -1.0)


def test_equal_random_sets_go_to_the_first() -> None:
    plan = _plan()
    same = FLAT | {-1.0: (5, 0)}
    chosen = choose(
        plan.axes[0], dose_responses(plan, plan.axes[0], _evidence(FLAT, same, same))
    )
    assert chosen.best_of == 0


def _with_alternative(first: Series, second: Series, random_set: Series) -> tuple[Any, Any]:
    """A plan of two edits, with the rows of both, for the target and one random set."""
    data = plan_data()
    data["controls"]["best_of"] = 1
    edit = data["axes"][0]["candidate"]
    scaled = {**edit, "operation": "scale", "unit": "activation_multiple"}
    data["axes"][0]["alternatives"] = [scaled]
    evidence = _evidence(first, random_set)
    rows = [row for answers in evidence.answers.values() for row in answers]
    for i, dose in enumerate(DOSES):
        rows += _rows(f"axis/alternative/01/dose/{i:02d}", second[dose])
        rows += _rows(f"axis/best_of/00/alternative/01/dose/{i:02d}", FLAT[dose])
    return plan_of(data), Evidence(evidence.items, group_answers(rows), [], [], {})


_LITTLE: Series = {-1.0: (3, 0), -0.5: (2, 0), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}
_MUCH: Series = {-1.0: (9, 0), -0.5: (8, 0), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}
_BROKEN: Series = {-1.0: (1, 9), -0.5: (4, 6), 0.0: (1, 0), 0.5: (1, 0), 1.0: (1, 0)}


@pytest.mark.parametrize(
    ("first", "second", "candidate", "dose"),
    [
        (_LITTLE, _MUCH, 1, -1.0),
        (_MUCH, _LITTLE, 0, -1.0),
        # what does as much comes second
        (_MUCH, _MUCH, 0, -1.0),
        # an effect among broken answers is none
        (_LITTLE, _BROKEN, 0, -1.0),
        (_BROKEN, _LITTLE, 1, -1.0),
    ],
)
def test_the_better_of_two_edits_is_taken(
    first: Series, second: Series, candidate: int, dose: float, monkeypatch: Any
) -> None:
    monkeypatch.setattr("safetycase.methods.dose.finds_nothing", lambda *_: False)
    plan, evidence = _with_alternative(first, second, _LITTLE)
    [axis] = plan.axes
    responses = dose_responses(plan, axis, evidence)
    assert [response.candidate for response in responses] == [None, 1, None, 1]
    chosen = choose(axis, responses)
    assert (chosen.candidate, chosen.dose) == (candidate, dose)
    assert (chosen.best_of_candidate, chosen.best_of_dose) == (0, -1.0)
    taken = chosen_response(axis, responses)
    assert taken.points[0].arm.endswith(
        "alternative/01/dose/00" if candidate else "axis/dose/00"
    )
