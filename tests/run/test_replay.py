"""The shipped case of the organism, measured again from the shipped weights."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

from safetycase.bundle import layout
from safetycase.methods.replay_result import (
    DEFAULT_ROWS,
    chosen_rows,
    in_table_order,
    replay_of,
    shown_by,
)
from safetycase.record.plan import Plan
from safetycase.run.bind import RunOptions
from safetycase.run.progress import Silent
from safetycase.run.replay import WeightsAtHand, bind_case, measure_again, weights_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.policy import load_policy

pytestmark = pytest.mark.run

ROOT = Path(__file__).resolve().parents[2]
ORGANISM = ROOT / "fixtures" / "organism"
CASE = ROOT / "fixtures" / "cases" / "passing.safetycase"
NONCE = "a-nonce-that-was-not-tried-twice"


def at_hand(plan: Plan) -> WeightsAtHand:
    dictionaries = {each.id: each.path for each in plan.dictionaries}
    return WeightsAtHand(plan.model.path, dictionaries, ORGANISM)


def test_the_rows_that_a_nonce_draws_are_those_of_the_shipped_weights(tmp_path: Path) -> None:
    """On another processor a text may part at a near tie: five in a hundred are let pass."""
    policy = load_policy(ROOT / "policies" / "baseline.yaml")
    opened = OpenedCase(CASE, policy, "2026-12-31T00:00:00Z")
    published = opened.published
    bound = bind_case(
        opened.record,
        opened.container.read(layout.PLAN_NAME),
        published,
        at_hand(opened.plan),
        cache=tmp_path,
        options=RunOptions(threads=1),
    )
    draws = chosen_rows(published, NONCE, DEFAULT_ROWS)
    places = in_table_order(place for _, _, chosen in draws for place in chosen)
    again = measure_again(bound.bench, published, opened.case_seed, places, Silent())
    done = replay_of(
        published,
        NONCE,
        DEFAULT_ROWS,
        again,
        environment=bound.bench.environment,
        weights=weights_of(bound),
    )
    assert len(done.measured) > 100
    assert [sample.axis for sample in done.samples] == [None, *(a.id for a in opened.plan.axes)]
    differing = sum(bool(row.differs) for row in done.measured)
    assert differing <= 0.05 * len(done.measured)
    if bound.bench.environment == opened.record.environment:
        assert differing == 0
        assert {shown_by(sample) for sample in done.samples} == {"enough"}
