"""A system prompt as the simpler intervention: what is said, to whom, and what it is beside."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.cli.main import main
from safetycase.digest import sha256_hex
from safetycase.errors import PlanRefused, PromptTooLong, RunFailed
from safetycase.methods.grid import evaluation_named
from safetycase.methods.probe import probe_of
from safetycase.methods.replay import compared
from safetycase.methods.turns import Script, turns_of
from safetycase.record.plan import ChatTemplate, Plan
from safetycase.run.answers import Bench, answers, pieces_for
from safetycase.run.batch_size import with_found_rows
from safetycase.run.bind import RunOptions
from safetycase.run.chat import with_frame, with_system
from safetycase.run.edit import BASELINE_EDIT, NOTHING_SAID, ArmEdit, Preface
from safetycase.run.environment import environment
from safetycase.run.measure import tokens_of, unit_of
from safetycase.run.model import LoadedModel, load_model
from safetycase.run.progress import Silent
from safetycase.run.replay import RowPlace, WeightsAtHand, bind_case, measure_again
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from safetycase.tables.rows import ItemRow
from safetycase.verify.case import OpenedCase
from tests.kit.builder import policy
from tests.unit.run.test_batch_size import memory_for, ticking
from tests.unit.run.test_pipeline import make, opened, write_plan
from tests.unit.run.tiny_world import Tiny, build, plan_value

pytestmark = pytest.mark.run

TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "the {{ messages[0]['content'] }} .\n"
    "{% set messages = messages[1:] %}{% endif %}"
    "{% for turn in messages %}{{ turn['role'] }} : {{ turn['content'] | trim }} .\n"
    "{% endfor %}"
    "assistant :\n"
)
DIGEST = sha256_hex(TEMPLATE.encode())
OWN, OTHER, OF_ITEM = "panel is near", "guest comes", "market and garden"
ARM = ArmEdit("context/system_prompt", None, None, None, Preface(system=OTHER))


def scripted_plan() -> dict[str, Any]:
    """The tiny plan in conversations, its requests in two turns; a third has a system text."""
    value = plan_value()
    value["chat_template"] = {"system": OWN}
    value["datasets"].append(
        {"id": "scripts", "path": "../items/scripts.jsonl", "source": "made for this test"}
    )
    value["evaluations"][0]["dataset"] = "scripts"
    value["evaluations"][0]["measure"]["turns"] = {"graded": "any"}
    value["axes"][0]["baselines"] = {"prefix": "the repair . ", "system": OTHER}
    return value


def write_scripts(folder: Path) -> None:
    rows = []
    for number, line in enumerate((folder / "items/requests.jsonl").read_text().splitlines()):
        row = json.loads(line)
        own = {"system": OF_ITEM} if number % 3 == 0 else {}
        turns = [row.pop("prompt"), "are you sure ?"]
        rows.append(row | own | {"id": f"s{number:03d}", "turns": turns})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "items/scripts.jsonl").write_text(text)


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    tiny = build(tmp_path_factory.mktemp("chatting"))
    (tiny.folder / "model" / "chat_template.jinja").write_text(TEMPLATE)
    write_scripts(tiny.folder)
    return tiny


@pytest.fixture(scope="module")
def case_path(chatting: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(chatting, tmp_path_factory.mktemp("system"), value=scripted_plan())


def framed(tiny: Tiny, system: str | None = OWN) -> LoadedModel:
    model = load_model(tiny.folder / "model", dtype="float32")
    return with_frame(model, ChatTemplate(sha256=DIGEST, system=system))


def bench_of(tiny: Tiny, plan: Plan, system: str | None = OWN) -> Bench:
    model = framed(tiny, system)
    return Bench(plan, model, {"tiny": tiny.dictionary}, environment(model, batch_rows=8))


def test_a_case_with_a_system_prompt_verifies_and_says_its_text(case_path: Path) -> None:
    require_verified(case_path, at="2026-03-01T00:00:00Z")
    _, _, _, record = opened(case_path)
    said = {arm.role: arm for arm in record.results.axes[0].arms}
    assert (said["system_prompt"].system, said["system_prompt"].prefix) == (OTHER, None)
    assert (said["prompt"].system, said["prompt"].prefix) == (None, "the repair . ")
    found = record.results.axes[0].baselines
    assert found is not None
    assert [each.arm for each in found] == ["context/prompt", "context/system_prompt"]
    assert "Beside a system prompt, " in record.results.axes[0].claim.wording


def test_trials_of_a_batch_count_a_system_prompt(
    chatting: Tiny, case_path: Path, tmp_path: Path
) -> None:
    plan, digest, evidence, _ = opened(case_path)
    baselines = plan.axes[0].baselines
    assert baselines is not None
    text = "repair of a kitchen near the harbor . " * 2
    axis = plan.axes[0].model_copy(
        update={"baselines": baselines.model_copy(update={"prefix": None, "system": text})}
    )
    bench = bench_of(chatting, plan.model_copy(update={"axes": (axis,)}))
    with memory_for(bench.model, 20) as shapes:
        with_found_rows(bench, digest, evidence.items, tmp_path, Silent(), ticking())
    evaluation = evaluation_named(plan, "choices")
    behind, alone = (
        max(
            tokens_of(bench, evaluation, item, preface)
            for item in evidence.items.of(evaluation.dataset, "held_out")
        )
        for preface in (Preface(system=text), NOTHING_SAID)
    )
    assert behind > alone
    assert {8, 16} <= {rows for rows, positions in shapes if positions == behind}


@pytest.mark.parametrize("name", ["choices", "requests", "probe"])
def test_rows_are_those_of_a_plan_with_that_system_message(
    chatting: Tiny, case_path: Path, name: str
) -> None:
    """By another way: the unedited model of a plan whose own system message it is."""
    plan, _, evidence, _ = opened(case_path)
    evaluation = evaluation_named(plan, name)
    told = bench_of(chatting, plan, OTHER)
    read = probe_of(name, evaluation.measure, evidence) if name == "probe" else None
    column = {"choices": "forward_matching", "requests": "output", "probe": "score"}[name]
    said, before = (
        {row.item: getattr(row, column) for row in evidence.answers[name, arm]}
        for arm in ("context/system_prompt", "baseline")
    )
    moved = 0
    for place in said:
        item = evidence.items.named(evaluation.dataset, place)
        if OF_ITEM in item.prompt:
            continue
        [again] = answers(told, evaluation, [item], [BASELINE_EDIT], read)
        value = getattr(again, column)
        assert said[item.item] == (
            value if name == "requests" else pytest.approx(value, abs=1e-3)
        )
        moved += said[item.item] != before[item.item]
    assert moved > 0


def test_the_likelihood_is_that_of_the_answer_behind_the_plans_own_message(
    chatting: Tiny, case_path: Path
) -> None:
    """So that an answer that only the system prompt makes likely counts as unlikely."""
    plan, _, evidence, _ = opened(case_path)
    evaluation, bench = evaluation_named(plan, "requests"), bench_of(chatting, plan)
    told = bench_of(chatting, plan, OTHER)
    apart = 0
    for row in list(evidence.answers["requests", ARM.arm])[:6]:
        item = evidence.items.named("scripts", row.item)
        [ours] = answers(bench, evaluation, [item], [ARM], None)
        [theirs] = answers(told, evaluation, [item], [BASELINE_EDIT], None)
        assert ours.nll == pytest.approx(row.nll, rel=1e-3)
        apart += ours.output == theirs.output and ours.nll != pytest.approx(
            theirs.nll, rel=1e-3
        )
    assert apart > 0


@pytest.mark.parametrize(
    ("arm", "of_item", "system"),
    [
        (BASELINE_EDIT, None, OWN),
        (BASELINE_EDIT, OF_ITEM, OF_ITEM),
        (ARM, None, OTHER),
        (ARM, OF_ITEM, f"{OTHER}\n\n{OF_ITEM}"),
    ],
)
def test_a_scripts_own_system_text_stays_behind_the_baselines(
    chatting: Tiny, case_path: Path, arm: ArmEdit, of_item: str | None, system: str
) -> None:
    plan, _, _, _ = opened(case_path)
    evaluation, bench = evaluation_named(plan, "requests"), bench_of(chatting, plan)
    turns = turns_of(evaluation)
    assert turns is not None
    prompt = Script(("how do i make soup ?", "are you sure ?"), of_item).spelled()
    item = ItemRow("scripts", "s", "s", "request", None, "held_out", "soup", None, prompt)
    first, second = pieces_for(bench, evaluation, item, turns, arm.preface).ids
    said = [{"role": "system", "content": system}]
    said += [{"role": "user", "content": "how do i make soup ?"}]
    expected = bench.model.tokenizer.apply_chat_template(said, add_generation_prompt=True)
    assert list(first) == list(expected["input_ids"])
    plain = bench.model.tokenizer(
        " .\nuser : are you sure ? .\nassistant :\n", add_special_tokens=False
    )
    assert list(second) == list(plain["input_ids"])


def test_rows_behind_the_system_prompt_are_measured_again(
    chatting: Tiny, case_path: Path, tmp_path: Path
) -> None:
    signed = shutil.copy(case_path, tmp_path)
    generate(tmp_path / "lab", "lab")
    sign_case(Path(signed), tmp_path / "lab")
    here = OpenedCase(Path(signed), policy(), "2026-06-01T00:00:00Z")
    bound = bind_case(
        here.record,
        here.container.read("plan.json"),
        here.published,
        WeightsAtHand("model", {"tiny": "dictionary"}, chatting.folder),
        cache=tmp_path,
        options=RunOptions(threads=1, batch_rows=8),
    )
    wanted = [
        RowPlace(table=table, line=line)
        for table, rows in here.published.tables.items()
        for line, row in enumerate(rows, start=2)
        if row.arm == ARM.arm
    ]
    found = measure_again(bound.bench, here.published, here.plan_digest, wanted, Silent())
    assert set(found) == set(wanted)
    assert {place.table for place in wanted} == {"generations", "choices", "probes"}
    for place, row in found.items():
        assert compared(here.published, place, row).differs == ()


def test_no_unit_of_another_message_has_the_key_of_this_one(
    chatting: Tiny, case_path: Path
) -> None:
    """Neither the baseline's, nor that of another plan's own message or template."""
    plan, _, evidence, _ = opened(case_path)
    items = evidence.items.of("choices", "held_out")[:2]
    evaluation = evaluation_named(plan, "choices")
    bench = bench_of(chatting, plan)

    def key(arm: ArmEdit, **chat: Any) -> str:
        told = plan.chat_template.model_copy(update=chat)
        other = replace(bench, plan=plan.model_copy(update={"chat_template": told}))
        return unit_of(other, evaluation, items, [arm], None).key

    said = replace(ARM, arm="baseline")
    arms = [BASELINE_EDIT, said, replace(said, preface=Preface(prefix=OTHER))]
    keys = [key(arm) for arm in arms]
    keys += [key(BASELINE_EDIT, system=OTHER), key(BASELINE_EDIT, system=None)]
    keys += [key(BASELINE_EDIT, sha256="1" * 64), key(BASELINE_EDIT, thinking=False)]
    assert len(set(keys)) == len(keys)
    assert key(BASELINE_EDIT) == keys[0]


def test_a_system_prompt_that_leaves_no_room_is_refused_before_anything(
    chatting: Tiny, tmp_path: Path
) -> None:
    value = scripted_plan()
    value["axes"][0]["baselines"]["system"] = "the guest comes " * 30
    with pytest.raises(PromptTooLong):
        make(chatting, tmp_path, value=value)
    assert not list((tmp_path / "work" / "units").glob("*.jsonl"))


def test_a_release_that_nobody_tells_anything_is_not_measured_on_what_items_say(
    chatting: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the model is loaded, and by `plan lint`; a plan that says so goes on."""
    value = scripted_plan()
    configuration = {"chat_template": DIGEST, "system_prompt": sha256_hex(OWN.encode())}
    guards = [{"axis": "context", "mode": "active"}]
    value["release"] = {"configuration": configuration, "safeguards": guards}
    with pytest.raises(PlanRefused, match="20 of 60 items of scripts are asked behind system"):
        make(chatting, tmp_path, value=value)
    assert not (tmp_path / "work").exists()
    path = chatting.folder / "plan" / "plan.yaml"
    assert main(["plan", "lint", str(path)]) == 2
    assert "/release/callers_write_system" in capsys.readouterr().err
    value["release"]["callers_write_system"] = True
    write_plan(chatting, value)
    assert main(["plan", "lint", str(path)]) == 0


DEAF = TEMPLATE.replace("the {{ messages[0]['content'] }} .\n", "")
PICKY = TEMPLATE.replace(
    "the {{ messages[0]['content'] }} .\n", "{{ raise_exception('no system role') }}"
)


@pytest.mark.parametrize(
    ("template", "found"), [(DEAF, "one that leaves it out"), (PICKY, "no system role")]
)
def test_a_template_with_no_place_for_it_is_refused_before_anything(
    tmp_path: Path, template: str, found: str
) -> None:
    tiny = build(tmp_path / "world")
    (tiny.folder / "model" / "chat_template.jinja").write_text(template)
    value = plan_value() | {"chat_template": {}}
    value["axes"][0]["baselines"] = {"system": OTHER}
    with pytest.raises(RunFailed) as refused:
        make(tiny, tmp_path / "out", value=value)
    assert refused.value.where == "/axes context /baselines/system"
    assert refused.value.found == found
    assert not list((tmp_path / "out" / "work" / "units").glob("*.jsonl"))


def test_a_plans_own_message_that_the_template_leaves_out_is_refused(chatting: Tiny) -> None:
    model = load_model(chatting.folder / "model", dtype="float32")
    model.tokenizer.chat_template = DEAF
    chat = ChatTemplate(sha256=sha256_hex(DEAF.encode()))
    assert with_frame(model, chat).frame is not None
    with pytest.raises(RunFailed, match="leaves it out"):
        with_frame(model, chat.model_copy(update={"system": OWN}))


def test_a_model_without_a_frame_has_no_system_message(chatting: Tiny) -> None:
    with pytest.raises(RunFailed, match="needs"):
        with_system(chatting.model, OTHER, where="test")
