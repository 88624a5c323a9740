"""What a plan states beside its measurements: silent, kept, or contradicted."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.digest import FileDigest, manifest_digest
from safetycase.methods.governance import (
    declaration_gaps,
    declared,
    lifecycle_gaps,
    measured_configuration,
    own_system_gaps,
    release_gaps,
    standing_gaps,
)
from safetycase.methods.grid import SPLITS
from safetycase.methods.refusals import refusals
from safetycase.methods.turns import Script
from safetycase.record.case import ModelFile
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Items
from safetycase.tables.rows import GenerationRow, ItemRow
from tests.kit.toy_plan import CANARY, MODEL_FILES, chatting_plan, toy_plan
from tests.kit.turn_cases import directed_plan
from tests.unit.methods.plans import plan_data, plan_of

FILES = [ModelFile.model_validate(file) for file in MODEL_FILES]
UNTIL = "2027-05-22T00:00:00Z"


def plan(**changes: Any) -> Plan:
    return plan_of(toy_plan() | changes)


def released(**changes: Any) -> Plan:
    value = toy_plan()
    value["release"]["configuration"] |= changes
    return plan_of(value)


def row(output: str, arm: str = "baseline") -> GenerationRow:
    return GenerationRow("ask", arm, "r000", 0, output, 3, "eos", 1.0, 0, 0.0, 0.0, "safe")


@pytest.mark.parametrize(
    ("at", "over"),
    [("2027-05-21T23:59:59Z", False), (UNTIL, True), ("2028-01-01T00:00:00Z", True)],
)
def test_a_case_is_over_from_its_last_moment_on(at: str, over: bool) -> None:
    assert [gap.found for gap in lifecycle_gaps(plan(), at)] == ([UNTIL] if over else [])


def test_a_plan_that_names_no_end_is_silent() -> None:
    assert [gap.silent for gap in lifecycle_gaps(plan(lifecycle=None), UNTIL)] == [True]


def test_the_tested_template_and_system_text_are_those_of_the_plan() -> None:
    value = chatting_plan()
    tested = measured_configuration(plan_of(value), FILES)
    assert tested.model_dump() == value["release"]["configuration"]
    assert list(release_gaps(plan_of(value), FILES)) == []


def _items(*systems: str | None, dataset: str = "scripts") -> Items:
    prompts = [Script(("how ?", "sure ?"), system).spelled() for system in systems]
    return Items(
        [
            ItemRow(dataset, f"s{n}", f"c{n}", "k", None, split, None, None, prompt)
            for n, (prompt, split) in enumerate(zip(prompts, SPLITS, strict=True))
        ]
    )


def _directed(**release: Any) -> dict[str, Any]:
    value = directed_plan()
    value["release"] |= release
    return value


OWN = _items("you cook .", None, "you drive .")


def test_system_texts_of_items_are_not_those_of_a_release() -> None:
    value = _directed(callers_write_system=None)
    (gap,) = own_system_gaps(plan_of(value), OWN)
    assert (gap.where, gap.found) == ("plan.json#/release/callers_write_system", "2 with one")
    assert "2 of 3 items of scripts" in gap.sentence
    assert not gap.silent


@pytest.mark.parametrize("measured", ["by nobody", "by a diagnostic axis"])
def test_where_nothing_deployed_is_measured_on_them_the_question_is_open(measured: str) -> None:
    value = _directed(callers_write_system=None)
    if measured == "by nobody":
        value["evaluations"].append(value["evaluations"][0] | {"id": "apart"})
        value["evaluations"][0] = toy_plan()["evaluations"][0]
    else:
        value["axes"][0]["purpose"] = "diagnostic"
    assert [gap.silent for gap in own_system_gaps(plan_of(value), OWN)] == [True]


def test_callers_who_may_write_it_may_write_what_the_items_say() -> None:
    assert list(own_system_gaps(plan_of(_directed()), OWN)) == []


@pytest.mark.parametrize("of", ["scripts without", "another dataset", "no release"])
def test_without_such_items_or_a_release_nothing_is_asked(of: str) -> None:
    value = _directed(callers_write_system=None)
    items = _items(None, None, None) if of == "scripts without" else OWN
    if of == "another dataset":
        items = _items("you cook .", None, None, dataset="requests")
    if of == "no release":
        del value["release"]
    assert list(own_system_gaps(plan_of(value), items)) == []


def test_a_chat_template_is_the_one_that_the_models_files_hold() -> None:
    value = chatting_plan()
    own = value["chat_template"]["sha256"]
    role = "chat_template"
    same, other = (
        ModelFile(path="chat_template.jinja", size=15, sha256=digest, role=role)
        for digest in (own, "b" * 64)
    )
    assert list(release_gaps(plan_of(value), [*FILES, same])) == []
    [gap] = release_gaps(plan_of(value), [*FILES, other])
    assert (gap.where, gap.found) == ("plan.json#/chat_template/sha256", own)
    assert not gap.silent


def test_the_tested_tokenizer_is_that_of_its_files() -> None:
    tokenizer = [f for f in FILES if f.role == "tokenizer"]
    digest = manifest_digest(FileDigest(f.path, f.size, f.sha256) for f in tokenizer)
    tested = measured_configuration(plan(), FILES)
    assert (tested.tokenizer, tested.chat_template, tested.system_prompt) == (
        digest,
        None,
        None,
    )
    assert measured_configuration(plan(), FILES[:2]).tokenizer is None


def test_a_release_of_what_is_measured_has_no_gap() -> None:
    assert list(release_gaps(plan(), FILES)) == []
    assert refusals(plan(), FILES) == []


@pytest.mark.parametrize("part", ["model", "tokenizer", "chat_template", "system_prompt"])
def test_a_release_of_something_else_contradicts_a_deployed_claim(part: str) -> None:
    changed = released(**{part: "a" * 64})
    (gap,) = release_gaps(changed, FILES)
    assert gap.where == f"plan.json#/release/configuration/{part}"
    assert not gap.silent
    (refused,) = refusals(changed, FILES)
    assert refused.startswith(f"/release/configuration/{part}: ")


def test_a_release_of_something_else_leaves_a_laboratory_study_open() -> None:
    value = toy_plan()
    value["axes"][0]["purpose"] = "diagnostic"
    value["release"]["safeguards"] = []
    value["release"]["configuration"]["model"] = "a" * 64
    (gap,) = release_gaps(plan_of(value), FILES)
    assert gap.silent
    assert refusals(plan_of(value), FILES) == []


def test_silence_about_the_release_matters_where_something_is_deployed() -> None:
    assert [gap.silent for gap in release_gaps(plan(release=None), FILES)] == [True]
    assert list(release_gaps(plan_of(plan_data()), FILES)) == []


@pytest.mark.parametrize(
    ("guards", "found"),
    [
        ([], "not named"),
        ([{"axis": "watched", "mode": "monitor"}], "monitor"),
        ([{"axis": "watched", "mode": "fallback"}], "fallback"),
        (
            [{"axis": "watched", "mode": "active"}, {"axis": "knowledge", "mode": "active"}],
            "knowledge",
        ),
    ],
)
def test_a_deployed_intervention_is_released_as_measured(
    guards: list[dict[str, str]], found: str
) -> None:
    value = toy_plan()
    value["release"]["safeguards"] = guards
    assert [gap.found for gap in release_gaps(plan_of(value), FILES)] == [found]


def test_the_holder_of_a_policy_may_know_better() -> None:
    assert list(standing_gaps("c", "m", ["d"], "m")) == []
    assert [g.found for g in standing_gaps("c", "m", ["c"], None)] == ["c, superseded"]
    assert [g.found for g in standing_gaps("c", "m", [], "n")] == ["m"]


def test_each_part_that_nobody_declares_is_open() -> None:
    value = toy_plan()
    value["declarations"]["elicitation"] = None
    (gap,) = declaration_gaps(plan_of(value), [])
    assert (gap.where, gap.silent) == ("plan.json#/declarations/elicitation", True)
    silent = list(declaration_gaps(plan(declarations=None), []))
    assert [gap.where.rpartition("/")[2] for gap in silent] == [
        "contamination",
        "elicitation",
        "independence",
    ]


def test_a_canary_in_an_unedited_answer_contradicts_the_declaration() -> None:
    printed = f"so : {CANARY} ."
    (gap,) = declaration_gaps(plan(), [row("here is how"), row(printed)])
    assert not gap.silent
    assert list(declaration_gaps(plan(), [row(printed, "watched/target")])) == []
    value = toy_plan()
    value["declarations"]["contamination"]["training_overlap"] = "full"
    assert list(declaration_gaps(plan_of(value), [row(printed)])) == []


def test_what_is_taken_on_trust_names_who_says_so() -> None:
    lines = declared(plan())
    assert len(lines) == 3
    assert lines[2] == (
        "independence: assessor developer, access weights, payment none, publication free, "
        "dissent not sought; says the kit"
    )
    assert declared(plan(declarations=None)) == []
