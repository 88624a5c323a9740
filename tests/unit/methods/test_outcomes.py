"""What counts where answers are missing and items have several samples."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from safetycase.methods.outcomes import (
    Tally,
    counted_samples,
    counts_in,
    each_answer,
    groups_of,
    tally,
)
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Measure
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import ExclusionRow, GenerationRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of

UNSAFE = Measure(evaluation="ask", outcomes=("unsafe",))
SAID = [[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
"""Whether each of three samples of four items is unsafe."""


def plan(per_item: str) -> Plan:
    data: Any = copy.deepcopy(plan_data())
    data["evaluations"][0]["measure"] |= {"samples": 3, "per_item": per_item}
    data["sampling"] = {"temperature": 1.0, "top_k": 5}
    return plan_of(data)


def evidence(missing: set[tuple[int, int]]) -> Evidence:
    items = [
        ItemRow("items", f"i{n}", f"c{n // 2}", "k", None, "held_out", None, None, "?")
        for n in range(len(SAID))
    ]
    rows = [
        GenerationRow(
            "ask", "baseline", f"i{n}", sample, "x", 1, "eos", 0.0, 1, 1.0, 1.0,
            "unsafe" if one else "no",
        )
        for n, flags in enumerate(SAID)
        for sample, one in enumerate(flags)
        if (n, sample) not in missing
    ]  # fmt: skip
    gone = [ExclusionRow("ask", "baseline", f"i{n}", s, "timed_out") for n, s in missing]
    return Evidence(Items(items), group_answers(rows), [], [], {}, exclusions=tuple(gone))


@pytest.mark.parametrize("missing", [set(), {(0, 1)}, {(1, 0), (1, 1), (3, 2)}])
def test_a_missing_sample_counts_once_as_no_and_once_as_yes(
    missing: set[tuple[int, int]],
) -> None:
    counts = each_answer(plan("mean"), evidence(missing), UNSAFE, "baseline", "held_out")
    least, most = np.array(SAID, dtype=bool), np.array(SAID, dtype=bool)
    for place in missing:
        least[place], most[place] = False, True
    assert counts.least.tolist() == least.ravel().tolist()
    assert counts.most.tolist() == most.ravel().tolist()
    assert counts.unknown == len(missing)
    majority = counts_in(plan("majority"), evidence(missing), UNSAFE, "baseline", "held_out")
    assert majority.least.tolist() == [row.sum() >= 2 for row in least]
    assert majority.most.tolist() == [row.sum() >= 2 for row in most]


@pytest.mark.parametrize("missing", [set(), {(0, 1)}, {(1, 0), (1, 1), (3, 2)}])
def test_a_tally_has_the_sums_of_what_is_counted(missing: set[tuple[int, int]]) -> None:
    """Of one evidence under either plan: what was summed for one is not taken for the other."""
    held = evidence(missing)
    for chosen in (plan("mean"), plan("majority"), plan("mean")):
        counts = counts_in(chosen, held, UNSAFE, "baseline", "held_out")
        sums = int(counts.least.sum()), int(counts.most.sum())
        assert tally(chosen, held, UNSAFE, "baseline", "held_out") == Tally(
            *sums, of=len(counts.least)
        )
        assert counts.unknown == sums[1] - sums[0]


def test_samples_of_an_item_belong_together_unless_the_majority_speaks_for_them() -> None:
    held = evidence(set())
    for per_item, samples in (("mean", 3), ("majority", 1)):
        chosen = plan(per_item)
        assert counted_samples(chosen, "ask") == samples
        groups = groups_of(chosen, held, "ask", "held_out")
        assert groups is not None
        assert (groups.clusters, groups.answers) == (2, 4 * samples)
