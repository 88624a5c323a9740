"""The whole decision errs as seldom as its plan says, and finds what the lint says it finds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.kit import null_rows
from tests.kit.null_rows import ALPHA, LIMIT, NULLS, SETS

LEAST_FAVOURABLE = NULLS[2]


def test_in_two_thousand_null_row_sets_few_claims_come_out() -> None:
    """The truth under which one family of controls alone stands between chance and a claim."""
    share = null_rows.share_with_a_claim(LEAST_FAVOURABLE, SETS)
    assert 0.02 <= share <= LIMIT


@pytest.mark.parametrize("truth", [NULLS[0], NULLS[1], NULLS[3]], ids=lambda truth: truth.name)
def test_other_nulls_are_rarer(truth: null_rows.Truth) -> None:
    sets = 250
    share = null_rows.share_with_a_claim(truth, sets)
    assert share <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / sets)


def test_what_the_lint_calls_detectable_is_found() -> None:
    """Within Monte-Carlo error."""
    sets = 250
    _, stated, found = null_rows.power_at(400, sets)
    assert found == pytest.approx(stated, abs=3 * math.sqrt(stated * (1 - stated) / sets))


def test_a_harm_as_large_as_the_margin_is_seldom_bounded() -> None:
    sets = 250
    share = null_rows.share_bounded_at_the_margin(200, 0.1, sets)
    assert share <= ALPHA / 2 + 3 * math.sqrt(ALPHA / 2 * (1 - ALPHA / 2) / sets)


def test_a_real_effect_that_controls_do_not_share_is_claimed() -> None:
    """The simulation can tell: where the target alone moves, the claim holds."""
    plan = null_rows.plan_of(1)
    truth = null_rows.Truth("effect", "", null_rows._perturbed())
    (outcomes,) = null_rows.row_sets(truth, plan, 1, seed=1)
    (claim,) = null_rows.claims_of(plan, outcomes)
    assert claim.holds
    outcomes["axis_0/random_live/03"] = np.ones(truth.items, dtype=bool)
    (claim,) = null_rows.claims_of(plan, outcomes)
    assert [c.id for c in claim.conditions if not c.holds] == [
        "significant",
        "exceeds_random_live",
    ]
