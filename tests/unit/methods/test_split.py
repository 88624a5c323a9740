from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.split import SPLITS, assign, assign_all
from safetycase.methods.stream import Stream

SHARES = {"discovery": 2, "tuning": 1, "held_out": 3}


def test_known_assignments() -> None:
    assert [assign("seed", f"item-{i}", SHARES) for i in range(8)] == [
        "tuning",
        "held_out",
        "held_out",
        "held_out",
        "discovery",
        "held_out",
        "held_out",
        "held_out",
    ]


@given(st.text("abc-9", min_size=1, max_size=9), st.tuples(*[st.integers(0, 9)] * 3))
@settings(deadline=None)
def test_split_follows_from_the_draw(cluster: str, weights: tuple[int, int, int]) -> None:
    if not any(weights):
        weights = (1, 0, 0)
    shares = dict(zip(SPLITS, weights, strict=True))
    drawn = Stream("seed", f"split:{cluster}").below(sum(weights))
    laid_out = [split for split in SPLITS for _ in range(shares[split])]
    assert assign("seed", cluster, shares) == laid_out[drawn]


def test_order_of_the_shares_has_no_say() -> None:
    turned = dict(reversed(SHARES.items()))
    clusters = [f"c{i}" for i in range(50)]
    assert assign_all("seed", clusters, turned) == assign_all("seed", clusters, SHARES)


def test_all_at_once_is_one_by_one_and_a_cluster_counts_once() -> None:
    clusters = ["a", "b", "a", "c"]
    assert assign_all("seed", clusters, SHARES) == {
        cluster: assign("seed", cluster, SHARES) for cluster in ("a", "b", "c")
    }


def test_shares_are_met_and_another_seed_splits_otherwise() -> None:
    clusters = [f"c{i}" for i in range(6000)]
    one, other = (assign_all(seed, clusters, SHARES) for seed in ("s1", "s2"))
    counts = Counter(one.values())
    assert stats.chisquare([counts[s] for s in SPLITS], [2000, 1000, 3000]).pvalue > 1e-4
    assert one != other


def test_a_share_of_nothing_gets_nothing() -> None:
    only = {"discovery": 0, "tuning": 0, "held_out": 1}
    assert set(assign_all("s", map(str, range(99)), only).values()) == {"held_out"}


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {"discovery": 1, "tuning": 1},
        {**SHARES, "test": 1},
        {**SHARES, "tuning": -1},
        {**SHARES, "tuning": 0.5},
        {**SHARES, "tuning": True},
        dict.fromkeys(SPLITS, 0),
    ],
)
def test_shares_that_are_refused(shares: dict[str, int]) -> None:
    with pytest.raises(MethodRefused) as refused:
        assign("seed", "a", shares)
    assert refused.value.where == "split.assign"


def test_a_cluster_without_a_name_is_refused() -> None:
    with pytest.raises(MethodRefused) as refused:
        assign("seed", "", SHARES)
    assert refused.value.expected == "a cluster id"
