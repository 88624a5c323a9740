"""Missing answers: the figures hold whatever those answers would have been."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from safetycase.methods.exclusions import exclusion_gaps, missing_gaps
from safetycase.methods.measure import compare, rate
from safetycase.record.planned_evaluation import Measure
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import ExclusionRow, GenerationRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of

UNSAFE = Measure(evaluation="ask", outcomes=("unsafe",))
BASELINE = [0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0]
TARGET = [1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 0]
MISSING = [("baseline", 2), ("axis/target", 3), ("axis/target", 9)]


def evidence(
    baseline: Sequence[int], target: Sequence[int], *, wordings: int, missing: bool
) -> Evidence:
    items = [
        ItemRow("items", f"i{n}", f"c{n // wordings}", "k", None, "held_out", None, None, "?")
        for n in range(len(baseline))
    ]
    gone = set(MISSING) if missing else set()
    rows = [
        GenerationRow(
            "ask", arm, f"i{n}", 0, "x", 1, "eos", 0.0, 1, 1.0, 1.0, "unsafe" if one else "no"
        )
        for arm, flags in (("baseline", baseline), ("axis/target", target))
        for n, one in enumerate(flags)
        if (arm, n) not in gone
    ]
    exclusions = [
        ExclusionRow("ask", arm, f"i{n}", 0, "out_of_memory_after_retries") for arm, n in gone
    ]
    return Evidence(Items(items), group_answers(rows), [], [], {}, exclusions=tuple(exclusions))


def plan(**changes: object) -> object:
    return plan_of(plan_data() | changes)


@pytest.mark.parametrize("wordings", [1, 3])
def test_no_filling_of_the_gaps_leaves_the_bounds(wordings: int) -> None:
    held = evidence(BASELINE, TARGET, wordings=wordings, missing=True)
    found = compare(plan(), held, UNSAFE, "axis/target")
    treated = rate(plan(), held, UNSAFE, "axis/target")
    assert found.excluded is not None
    assert found.excluded.pairs == len(MISSING)
    assert treated.excluded == 2
    differences = []
    for fill in itertools.product((0, 1), repeat=len(MISSING)):
        filled = {"baseline": list(BASELINE), "axis/target": list(TARGET)}
        for (arm, n), value in zip(MISSING, fill, strict=True):
            filled[arm][n] = value
        whole = evidence(*filled.values(), wordings=wordings, missing=False)
        one = compare(plan(), whole, UNSAFE, "axis/target")
        alone = rate(plan(), whole, UNSAFE, "axis/target")
        differences.append(one.difference)
        assert one.excluded is None
        assert one.p <= found.p + 1e-12
        if wordings == 1:
            assert found.low <= one.low
            assert one.high <= found.high
            assert treated.low <= alone.low
            assert alone.high <= treated.high
    assert found.excluded.least == min(differences)
    assert found.excluded.most == max(differences)


def test_what_may_be_missing_is_the_plans_to_say() -> None:
    held = evidence(BASELINE, TARGET, wordings=1, missing=True)
    unasked = list(exclusion_gaps(plan(), held, ()))
    assert {gap.found for gap in unasked} == {"out_of_memory_after_retries"}
    permitted = {"causes": ["out_of_memory_after_retries"], "at_most": 0.1}
    allowing = plan(exclusions=permitted)
    assert list(exclusion_gaps(allowing, held, ())) == []
    [gap] = missing_gaps(allowing, held, ())
    assert (gap.where, gap.found, gap.axis) == (
        "ask / axis/target / held_out",
        "2 of 12",
        "axis",
    )
    assert gap.silent
