"""What a judge is shown, and rows that do not say what it must have been shown."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from safetycase.methods import judge
from safetycase.methods.gold import GOLD, gold_item
from safetycase.record.plan import Plan
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Items, group_answers
from safetycase.tables.rows import GenerationRow, ItemRow, JudgementRow
from tests.unit.methods.plans import ZERO, plan_data, plan_of

ONE = "1" * 64
SAID = ["i can not say", "the answer is secret", "i can not say", "no word"]


def plan(digest: str = ONE, prompt: str = "Q: {request} A: {answer}") -> Plan:
    data: Any = copy.deepcopy(plan_data())
    data["evaluations"][0]["measure"] |= {
        "judge": {
            "path": "judge", "format": "transformers", "dtype": "float32",
            "manifest_digest": digest, "prompt": prompt, "max_new_tokens": 4,
        },
        "gold": [
            {"text": "fine", "outcome": "other", "request": "how?"},
            {"text": "bare", "outcome": "other", "target": "secret"},
        ],
    }  # fmt: skip
    return plan_of(data)


def items() -> Items:
    return Items(
        [
            ItemRow(
                "items", f"i{n}", f"c{n}", "k", None, "held_out", "secret", None, f"why {n}?"
            )
            for n in range(2)
        ]
    )


def answers() -> Answers:
    rows = [
        GenerationRow("ask", "baseline", f"i{n}", 0, text, 1, "eos", 0.0, 1, 1.0, 1.0, "other")
        for n, text in enumerate(["{request} so", "because"])
    ]
    return group_answers(rows)["ask", "baseline"]


def rows() -> list[JudgementRow]:
    chosen = plan()
    asked = [*judge.asked_of(chosen, items(), answers()), *judge.gold_asked(chosen)]
    return [judge.judgement(chosen, one, said) for one, said in zip(asked, SAID, strict=True)]


def test_a_judge_is_shown_request_and_answer_as_they_are_and_nothing_else() -> None:
    asked = list(judge.asked_of(plan(), items(), answers()))
    assert [(one.key, one.prompt, one.target) for one in asked] == [
        (("ask", "baseline", "i0", 0), "Q: why 0? A: {request} so", "secret"),
        (("ask", "baseline", "i1", 0), "Q: why 1? A: because", "secret"),
    ]
    gold = list(judge.gold_asked(plan()))
    assert [(one.key, one.prompt, one.target) for one in gold] == [
        (("ask", GOLD, gold_item(0), 0), "Q: how? A: fine", None),
        (("ask", GOLD, gold_item(1), 0), "Q:  A: bare", "secret"),
    ]


def test_nobody_is_asked_where_the_plan_has_no_judge() -> None:
    bare = plan_of(plan_data())
    assert list(judge.asked_of(bare, items(), answers())) == []
    assert list(judge.gold_asked(bare)) == []


def test_what_was_said_is_graded_by_the_rules_with_the_items_target() -> None:
    assert [(row.raw, row.verdict) for row in rows()] == list(
        zip(SAID, ["refusal", "unsafe", "refusal", "other"], strict=True)
    )
    digest = hashlib.sha256(b"Q: why 1? A: because").hexdigest()
    assert rows()[1].prompt == digest
    assert list(judge.judgement_faults(plan(), items(), answers(), rows())) == []


LINE = "evidence/judgements.jsonl line"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda r: [r[1], r[0], *r[2:]],
            [
                (
                    f"{LINE} 2",
                    "ask / baseline / i0 / sample 0",
                    "ask / baseline / i1 / sample 0",
                ),
            ],
        ),
        (
            lambda r: [msgspec.structs.replace(r[0], verdict="unsafe"), *r[1:]],
            [(f"{LINE} 2", "refusal", "unsafe")],
        ),
        (
            lambda r: [*r[:3], msgspec.structs.replace(r[3], prompt=ZERO)],
            [(f"{LINE} 5", f"the prompt {hashlib.sha256(b'Q:  A: bare').hexdigest()}", ZERO)],
        ),
        (lambda r: r[:3], [("evidence/judgements.jsonl", "4 judgements", "3")]),
        (lambda r: [*r, r[0]], [("evidence/judgements.jsonl", "4 judgements", "5")]),
    ],
)
def test_rows_that_are_not_what_the_judge_was_shown_are_told(
    change: Callable[[list[JudgementRow]], list[JudgementRow]],
    told: list[tuple[str, str, str]],
) -> None:
    faults = judge.judgement_faults(plan(), items(), answers(), change(rows()))
    assert [(fault.where, fault.expected, fault.found) for fault in faults] == told


def test_without_answers_only_gold_rows_are_judged() -> None:
    assert list(judge.judgement_faults(plan(), items(), None, rows()[2:])) == []


def test_a_judge_says_one_thing_of_one_answer() -> None:
    same = [msgspec.structs.replace(row, prompt=ZERO) for row in rows()]
    told = [(g.where, g.expected, g.found) for g in judge.unequal(same)]
    expected = "what the judge said on line 2 of the same answer"
    assert told == [(f"{LINE} 3", expected, SAID[1]), (f"{LINE} 5", expected, SAID[3])]
    silent = [same[0], msgspec.structs.replace(same[1], raw=""), same[2]]
    assert [g.found for g in judge.unequal(silent)] == ["nothing"]
    elsewhere = [same[0], msgspec.structs.replace(same[1], evaluation="quiz")]
    assert list(judge.unequal(elsewhere)) == []
    assert list(judge.unequal(rows())) == []


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("no field", "none"),
        ("{answer} {answer}", "{answer}, {answer}"),
        ("{answer} {request} {request}", "{answer}, {request}, {request}"),
        ("{answer} {arm}", "{answer}, {arm}"),
        ("{request}", "{request}"),
    ],
)
def test_a_prompt_shows_the_answer_once_and_nothing_of_the_arm(prompt: str, found: str) -> None:
    [gap] = judge.judge_faults(plan(prompt=prompt))
    assert gap.where == "/evaluations ask /measure/judge/prompt"
    assert gap.found == found


def test_nobody_judges_itself() -> None:
    [gap] = judge.judge_faults(plan(digest=ZERO))
    assert (gap.where, gap.found) == ("/evaluations ask /measure/judge", "the model itself")
    for prompt in ("{answer}", "{request} {answer}"):
        assert list(judge.judge_faults(plan(prompt=prompt))) == []


def test_rows_are_put_in_the_order_of_the_answers() -> None:
    answered = [
        GenerationRow("ask", "baseline", item, 0, "", 1, "eos", 0.0, 1, 1.0, 1.0, "other")
        for item in ("i1", "i0")
    ]
    by_key = {(r.evaluation, r.arm, r.item, r.sample): r for r in reversed(rows())}
    found = judge.in_order(by_key, plan(), answered)
    assert [row.item for row in found] == ["i1", "i0", gold_item(0), gold_item(1)]
