"""What people's labels say of a grader, arm by arm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from safetycase.methods.calibration import (
    blind_name,
    calibrations,
    drawn,
    key_of,
    label_gaps,
)
from safetycase.methods.grade import regrade
from safetycase.record.plan import Plan
from safetycase.record.unavailable import Unavailable
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import GenerationRow, HumanLabelRow, ItemRow
from tests.unit.methods.plans import plan_data, plan_of

DIGEST = "d" * 64
TEXTS = {"unsafe": "sure , soap", "refusal": "I can not", "other": "sure"}


def _plan(**labels: Any) -> Plan:
    data = plan_data()
    asked = {"path": "labels.jsonl", "per_arm": 4, "raters": 1} | labels
    data["evaluations"][0]["measure"]["labels"] = asked
    return plan_of(data)


def _evidence(plan: Plan, count: int = 8) -> Evidence:
    """Every second answer of the baseline is unsafe, and every answer of the target."""
    items = [
        ItemRow("items", f"i{n}", f"c{n}", "k", None, "held_out", "soap", None, f"p{n}")
        for n in range(count)
    ]
    rows = [
        GenerationRow("ask", arm, f"i{n}", 0, TEXTS[outcome], 3, "eos", 0.1, 0, 0.0, 0.0, "")
        for arm in ("baseline", "axis/target")
        for n, outcome in enumerate(
            "unsafe" if arm != "baseline" or n % 2 else "other" for n in range(count)
        )
    ]
    return regrade(plan, Evidence(Items(items), group_answers(rows), [], [], {}))


def _labels(plan: Plan, evidence: Evidence, *opinions: dict[str, str]) -> Evidence:
    """Everybody labels as the grader grades, but for each opinion: item to outcome."""
    rows = []
    for key in drawn(plan, DIGEST, evidence):
        grade = next(
            row.outcome for row in evidence.answers[key[0], key[1]] if row.item == key[2]
        )
        for number, opinion in enumerate(opinions):
            rows.append(HumanLabelRow(*key, f"r{number}", opinion.get(key[2], grade)))
    return replace(evidence, human_labels=rows)


def test_the_same_items_are_drawn_in_every_arm() -> None:
    plan = _plan()
    keys = drawn(plan, DIGEST, _evidence(plan))
    arms = [
        [item for _, arm, item, _ in keys if arm == name]
        for name in ("baseline", "axis/target")
    ]
    assert arms[0] == arms[1]
    assert len(arms[0]) == 4
    other = drawn(plan, "e" * 64, _evidence(plan))
    assert {k[2] for k in other} != {k[2] for k in keys}
    assert len({blind_name(DIGEST, key) for key in keys}) == len(keys)


def test_arms_without_answers_are_not_asked_about() -> None:
    plan = _plan()
    evidence = _evidence(plan)
    alone = {key: rows for key, rows in evidence.answers.items() if key[1] == "baseline"}
    assert {key[1] for key in drawn(plan, DIGEST, replace(evidence, answers=alone))} == {
        "baseline"
    }


def test_figures_by_hand() -> None:
    plan = _plan(per_arm=8)
    evidence = _labels(plan, _evidence(plan), {"i1": "refusal", "i0": "unsafe", "i2": "unsafe"})
    found = calibrations(plan, evidence)
    assert found is not None
    [one] = found
    baseline, target = one.arms
    assert (baseline.both, baseline.grader_only, baseline.people_only, baseline.neither) == (
        3, 1, 2, 2,
    )  # fmt: skip
    assert not isinstance(baseline.sensitivity, Unavailable)
    assert (baseline.sensitivity.counted, baseline.sensitivity.answers) == (3, 5)
    assert not isinstance(baseline.specificity, Unavailable)
    assert (baseline.specificity.counted, baseline.specificity.answers) == (2, 3)
    assert baseline.kappa == pytest.approx((5 / 8 - 0.5) / 0.5)
    assert not isinstance(baseline.corrected, Unavailable)
    assert baseline.corrected.rate == pytest.approx((4 / 8 + 2 / 3 - 1) / (3 / 5 + 2 / 3 - 1))
    assert target.arm == "axis/target"
    assert [(c.people, c.grader, c.answers) for c in target.confusion] == [
        ("refusal", "unsafe", 1),
        ("unsafe", "unsafe", 7),
    ]
    assert (target.grader_only, target.neither) == (1, 0)


def test_divided_raters_count_against_the_grader() -> None:
    plan = _plan(per_arm=8, raters=2)
    evidence = _labels(plan, _evidence(plan), {"i1": "refusal", "i0": "unsafe"}, {})
    [one] = calibrations(plan, evidence) or ()
    baseline = one.arms[0]
    assert baseline.divided == 2
    assert (baseline.grader_only, baseline.people_only) == (1, 1)
    assert {c.people for c in baseline.confusion} == {"divided", "unsafe", "other"}


def test_where_people_see_one_kind_only_there_is_a_reason_and_no_figure() -> None:
    plan = _plan(per_arm=8)
    [one] = calibrations(plan, _labels(plan, _evidence(plan), {})) or ()
    target = one.arms[1]
    assert isinstance(target.specificity, Unavailable)
    assert isinstance(target.kappa, Unavailable)
    assert isinstance(target.corrected, Unavailable)


def test_labels_are_those_that_were_drawn() -> None:
    plan = _plan()
    evidence = _labels(plan, _evidence(plan), {})
    rows = list(evidence.human_labels)
    assert list(label_gaps(plan, DIGEST, evidence)) == []

    def gaps(changed: list[HumanLabelRow]) -> list[str]:
        found = label_gaps(plan, DIGEST, replace(evidence, human_labels=changed))
        return [gap.found for gap in found]

    assert gaps(rows[:-1]) == ["none"]
    assert len(gaps([*rows, rows[-1]])) == 1
    assert len(gaps(rows[::-1])) == 1
    strange = HumanLabelRow(*key_of(rows[0]), "r0", "strange")
    assert gaps([strange, *rows[1:]]) == ["strange"]
    assert [gap.silent for gap in label_gaps(plan, DIGEST, replace(evidence, human_labels=()))]
    assert calibrations(plan, replace(evidence, human_labels=())) is None


def test_one_rater_is_no_two() -> None:
    plan = _plan(raters=2)
    evidence = _labels(plan, _evidence(plan), {}, {})
    rows = list(evidence.human_labels)
    rows[1] = HumanLabelRow(*key_of(rows[1]), "r0", rows[1].outcome)
    [gap] = label_gaps(plan, DIGEST, replace(evidence, human_labels=rows))
    assert gap.expected == "another rater"


def test_a_plan_that_asks_nobody_is_silent() -> None:
    plan = plan_of(plan_data())
    [gap] = label_gaps(plan, DIGEST, _evidence(plan))
    assert gap.silent
