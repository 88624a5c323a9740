"""Intervals of what shrank, against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep

from safetycase import canonical
from safetycase.methods.beside import auroc_interval, difference_interval, outcomes_of
from safetycase.methods.interval import wilson
from safetycase.methods.rank import auroc
from safetycase.record.planned_evaluation import Evaluation


@pytest.mark.parametrize(
    ("one", "two"), [((7, 30), (19, 40)), ((0, 12), (11, 12)), ((50, 100), (50, 100))]
)
def test_difference_of_wilson_intervals_is_newcombe_by_statsmodels(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    found = difference_interval(
        *((counted / items, wilson(counted, items, 0.9)) for counted, items in (one, two))
    )
    oracle = confint_proportions_2indep(*one, *two, method="newcomb", alpha=0.1)
    assert (found.low, found.high) == pytest.approx(oracle, rel=1e-9)


@pytest.mark.parametrize("area", [0.5, 0.62, 0.93, 0.999])
@pytest.mark.parametrize("sizes", [(12, 40), (55, 50)])
def test_ends_are_where_the_score_equation_turns(area: float, sizes: tuple[int, int]) -> None:
    """Newcombe's method 5, its equation written with Hanley and McNeil's Q1 and Q2."""
    m, n = sizes
    mean = (m + n) / 2

    def gap(t: float) -> float:
        q1, q2 = t / (2 - t), 2 * t * t / (1 + t)
        variance = t * (1 - t) + (mean - 1) * (q1 - t * t) + (mean - 1) * (q2 - t * t)
        return (t - area) ** 2 - norm.ppf(0.975) ** 2 * variance / (m * n)

    found = auroc_interval(area, m, n, 0.95)
    assert found.low == pytest.approx(brentq(gap, 1e-12, area, xtol=1e-14), abs=1e-9)
    assert found.high == pytest.approx(brentq(gap, area, 1 - 1e-12, xtol=1e-14), abs=1e-9)


def test_a_perfect_area_has_an_interval() -> None:
    found = auroc_interval(1.0, 20, 20, 0.95)
    assert found.high == 1.0
    assert 0.8 < found.low < 0.99


def test_the_interval_of_an_area_covers() -> None:
    """Normal classes one and a half apart: the true area is known."""
    rng = np.random.default_rng(3)
    true = norm.cdf(1.5 / math.sqrt(2.0))
    labels = np.repeat([True, False], (30, 40))
    covered = 0
    for _ in range(400):
        scores = rng.normal(size=70) + 1.5 * labels
        interval = auroc_interval(float(auroc(scores, labels)), 30, 40, 0.95)
        covered += interval.low <= true <= interval.high
    assert 0.92 <= covered / 400 <= 0.985


def test_outcomes_stand_in_the_order_of_the_grader() -> None:
    value = {
        "id": "e",
        "dataset": "d",
        "title": "t",
        "measure": {
            "kind": "generate",
            "max_new_tokens": 3,
            "grader": {
                "id": "g",
                "rules": [
                    {"outcome": name, "match": "contains_word", "phrases": ["x"]}
                    for name in ("refusal", "unsafe", "refusal")
                ],
                "otherwise": "safe",
            },
        },
    }
    evaluation = Evaluation.model_validate_json(canonical.write(value))
    assert outcomes_of(evaluation) == ("refusal", "unsafe", "safe", "incoherent")
