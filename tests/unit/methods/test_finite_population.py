from __future__ import annotations

import pytest
from scipy.stats import hypergeom

from safetycase.errors import MethodRefused
from safetycase.methods.finite_population import least_bad, most_bad
from safetycase.methods.interval import clopper_pearson

SAMPLES = [
    (seen, drawn, population)
    for population in (1, 2, 7, 40, 96, 516, 6626)
    for drawn in (1, 5, 59, 299)
    for seen in (0, 1, 2, 7, 30, 58, 59)
    if seen <= drawn <= population
]


@pytest.mark.parametrize(("seen", "drawn", "population"), SAMPLES)
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_bound_is_where_scipy_s_distribution_crosses(
    seen: int, drawn: int, population: int, level: float
) -> None:
    most = most_bad(seen, drawn, population, level)
    assert hypergeom.cdf(seen, population, most, drawn) > 1 - level - 1e-12
    if most < population - (drawn - seen):
        assert hypergeom.cdf(seen, population, most + 1, drawn) <= 1 - level + 1e-12
    least = least_bad(seen, drawn, population, level)
    assert hypergeom.sf(seen - 1, population, least, drawn) > 1 - level - 1e-12
    if least > seen:
        assert hypergeom.sf(seen - 1, population, least - 1, drawn) <= 1 - level + 1e-12
    assert seen <= least <= most <= population


@pytest.mark.parametrize(
    ("seen", "drawn", "population", "most"),
    [
        (0, 59, 113_616, 5_623),
        (0, 299, 113_616, 1_131),
        (0, 59, 10_000_000, 495_074),
        (0, 58, 10_000_000, 503_391),
        (0, 59, 59, 0),
        (3, 59, 59, 3),
        (59, 59, 1000, 1000),
        (3, 59, 113_616, 14_336),
    ],
)
def test_bounds_of_cases_as_scipy_finds_them_by_bisection(
    seen: int, drawn: int, population: int, most: int
) -> None:
    assert most_bad(seen, drawn, population, 0.95) == most


def test_59_rows_bound_five_percent_and_299_one() -> None:
    """0.95^59 < 0.05 and 0.99^299 < 0.05, and one row fewer is not enough."""
    for drawn, share in ((59, 0.05), (299, 0.01)):
        assert most_bad(0, drawn, 10**9, 0.95) / 10**9 <= share
        assert most_bad(0, drawn - 1, 10**9, 0.95) / 10**9 > share


@pytest.mark.parametrize(("seen", "drawn"), [(0, 59), (1, 59), (5, 100), (0, 299)])
def test_a_large_population_gives_clopper_and_pearson_s_bound(seen: int, drawn: int) -> None:
    limit = clopper_pearson(seen, drawn, 0.95, "upper").high
    assert most_bad(seen, drawn, 10**12, 0.95) / 10**12 == pytest.approx(limit, rel=1e-6)
    assert most_bad(seen, drawn, 1000, 0.95) / 1000 <= limit


def test_the_chance_of_missing_the_truth_is_never_above_one_in_twenty() -> None:
    population, drawn = 60, 17
    bounds = [most_bad(seen, drawn, population, 0.95) for seen in range(drawn + 1)]
    for bad in range(population + 1):
        missed = sum(
            hypergeom.pmf(seen, population, bad, drawn)
            for seen in range(drawn + 1)
            if bounds[seen] < bad
        )
        assert missed <= 0.05 + 1e-12


@pytest.mark.parametrize(
    ("seen", "drawn", "population", "level"),
    [
        (-1, 5, 10, 0.95),
        (6, 5, 10, 0.95),
        (0, 0, 10, 0.95),
        (0, 11, 10, 0.95),
        (0, 3_001, 20_000, 0.95),
        (0, 5, 10, 1.0),
        (0, 5, 10, 0.0),
    ],
)
def test_counts_that_no_sample_has_are_refused(
    seen: int, drawn: int, population: int, level: float
) -> None:
    with pytest.raises(MethodRefused):
        most_bad(seen, drawn, population, level)
