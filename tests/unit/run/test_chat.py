"""Prompts as turns of a conversation: as the tokenizer's own template spells them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safetycase.cli.as_written import require_verified
from safetycase.digest import sha256_hex
from safetycase.errors import PlanRefused, RunFailed
from safetycase.record.plan import ChatTemplate
from safetycase.run.bind import RunOptions
from safetycase.run.chat import with_frame
from safetycase.run.choose import asked, question_of
from safetycase.run.freeze import freeze
from safetycase.run.model import LoadedModel, load_model
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
from safetycase.run.prompts import encode
from safetycase.tables.rows import ItemRow
from tests.unit.run.test_pipeline import Clock, Verified, opened
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run

TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "the {{ messages[0]['content'] }} .\n"
    "{% set messages = messages[1:] %}{% endif %}"
    "{% for turn in messages %}user : {{ turn['content'] | trim }} .\n{% endfor %}assistant :\n"
)
DIGEST = sha256_hex(TEMPLATE.encode())
SYSTEM = "guest is near"


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    for part in ("model", "dictionary", "items"):
        shutil.copytree(tiny.folder / part, tmp_path / part)
    (tmp_path / "model" / "chat_template.jinja").write_text(TEMPLATE)
    (tmp_path / "plan").mkdir()
    return tmp_path


def written(folder: Path, chat: dict[str, Any], **more: Any) -> Path:
    path = folder / "plan" / "plan.yaml"
    path.write_text(yaml.safe_dump(plan_value() | {"chat_template": chat} | more))
    return path


def chatting(folder: Path, system: str | None = None) -> LoadedModel:
    model = load_model(folder / "model", dtype="float32")
    return with_frame(model, ChatTemplate(sha256=DIGEST, system=system))


def spelled(model: LoadedModel, text: str, system: str | None = None) -> list[int]:
    """The tokens by transformers' own way from messages to tokens."""
    first = [] if system is None else [{"role": "system", "content": system}]
    coded = model.tokenizer.apply_chat_template(
        [*first, {"role": "user", "content": text}], add_generation_prompt=True
    )
    return list(coded["input_ids"])


@pytest.mark.parametrize("system", [None, SYSTEM])
@pytest.mark.parametrize("text", ["the audit comes", "  the audit comes \n"])
def test_a_prompt_is_the_users_turn(folder: Path, text: str, system: str | None) -> None:
    model = chatting(folder, system)
    prompt = encode(model, text, where="test")
    assert list(prompt.ids) == spelled(model, text, system)
    covered = [text[a:b] for a, b in prompt.offsets if a < b]
    assert covered == ["the", "audit", "comes"]


def test_given_texts_are_put_as_they_are(folder: Path) -> None:
    model = chatting(folder)
    prompt = encode(model, "the audit", where="test", plain=True)
    assert len(prompt) == 3


def test_a_lettered_answer_begins_in_the_models_own_turn(folder: Path) -> None:
    model = chatting(folder)
    item = ItemRow("d", "i", "c", "choice", None, "held_out", "yes", "no", "is a drill near ?")
    question = question_of(model, item, where="test")
    turn = spelled(model, asked(item.prompt, "yes", "no"))
    begun = model.tokenizer("Answer: (", add_special_tokens=False)["input_ids"]
    assert list(question.forward.ids) == [*turn, *begun]


def test_another_template_than_the_plans_is_refused(folder: Path) -> None:
    model = load_model(folder / "model", dtype="float32")
    with pytest.raises(RunFailed) as refused:
        with_frame(model, ChatTemplate(sha256="0" * 64))
    assert refused.value.found == DIGEST


def test_a_template_that_has_no_place_for_a_system_text_is_refused(folder: Path) -> None:
    picky = TEMPLATE.replace(
        "the {{ messages[0]['content'] }} .\n", "{{ raise_exception('no system role') }}"
    )
    (folder / "model" / "chat_template.jinja").write_text(picky)
    model = load_model(folder / "model", dtype="float32")
    with pytest.raises(RunFailed, match="no system role"):
        with_frame(model, ChatTemplate(sha256=sha256_hex(picky.encode()), system=SYSTEM))


def test_a_template_that_makes_something_else_of_a_prompt_is_refused(folder: Path) -> None:
    folding = TEMPLATE.replace("| trim", "| trim | replace('audit', 'drill')")
    (folder / "model" / "chat_template.jinja").write_text(folding)
    model = load_model(folder / "model", dtype="float32")
    model = with_frame(model, ChatTemplate(sha256=sha256_hex(folding.encode())))
    with pytest.raises(RunFailed) as refused:
        encode(model, "the audit comes", where="item r001")
    assert refused.value.where == "item r001"
    assert encode(model, "the panel comes", where="test")


def taught(folder: Path, template: str, **stated: Any) -> LoadedModel:
    (folder / "model" / "chat_template.jinja").write_text(template)
    model = load_model(folder / "model", dtype="float32")
    return with_frame(model, ChatTemplate(sha256=sha256_hex(template.encode()), **stated))


DATED = TEMPLATE.replace(
    "user :",
    "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}"
    "{% endif %}{{ date_string }} user :",
)
"""Tells the day as Llama 3.1's does."""


def test_a_template_that_asks_the_clock_is_told_the_plans_day(folder: Path) -> None:
    with pytest.raises(RunFailed, match=r"asks the clock .* State chat_template/date"):
        taught(folder, DATED)
    model = taught(folder, DATED, date="22 Nov 2026")
    assert model.frame is not None
    assert model.frame.before == "22 Nov 2026 user : "


def test_a_template_that_asks_the_clock_whatever_it_is_told_is_refused(folder: Path) -> None:
    deaf = TEMPLATE.replace("user :", '{{ strftime_now("%Y-%m-%d") }} user :')
    with pytest.raises(RunFailed, match="asks the clock"):
        taught(folder, deaf, date="1999-12-31")


@pytest.mark.parametrize(("thinking", "after"), [(None, ""), (True, ""), (False, "no ")])
def test_a_template_is_told_whether_to_think(
    folder: Path, thinking: bool | None, after: str
) -> None:
    asks = "{% if enable_thinking is defined and not enable_thinking %}no {% endif %}"
    model = taught(folder, TEMPLATE + asks, thinking=thinking)
    assert model.frame is not None
    assert model.frame.after == f" .\nassistant :\n{after}"


GEMMA_3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}"
    "{%- set loop_messages = messages[1:] -%}{%- else -%}"
    '{%- set first_user_prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}'
    "{%- for message in loop_messages -%}"
    "{{ '<start_of_turn>' + message['role'] + '\\n' + (first_user_prefix if loop.first) }}"
    "{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{'<start_of_turn>model\\n'}}{%- endif -%}"
)
"""That of Gemma 3, without what it does with answers and images."""


def test_the_template_of_gemma_3_has_its_system_text_in_the_users_turn(folder: Path) -> None:
    frame = taught(folder, GEMMA_3, system=SYSTEM).frame
    assert frame is not None
    assert frame.before == f"<start_of_turn>user\n{SYSTEM}\n\n"
    assert frame.after == "<end_of_turn>\n<start_of_turn>model\n"
    assert frame.trims


@pytest.mark.parametrize("held", ["file", "configuration"])
def test_a_frozen_plan_names_the_template_that_is_there(folder: Path, held: str) -> None:
    if held == "configuration":
        (folder / "model" / "chat_template.jinja").unlink()
        config = folder / "model" / "tokenizer_config.json"
        config.write_text(
            json.dumps(json.loads(config.read_text()) | {"chat_template": TEMPLATE})
        )
    frozen = freeze(written(folder, {"system": SYSTEM}))
    assert frozen.plan.chat_template == ChatTemplate(sha256=DIGEST, system=SYSTEM)


def test_a_plan_that_names_another_template_is_refused(folder: Path) -> None:
    with pytest.raises(PlanRefused) as refused:
        freeze(written(folder, {"sha256": "1" * 64}))
    assert "chat_template" in str(refused.value)


def test_a_model_without_a_template_is_refused_before_it_is_loaded(folder: Path) -> None:
    (folder / "model" / "chat_template.jinja").unlink()
    with pytest.raises(RunFailed) as refused:
        freeze(written(folder, {}))
    assert refused.value.expected == "files with one chat template"


def test_a_run_puts_every_prompt_by_the_template_and_the_case_says_so(folder: Path) -> None:
    path = run(
        written(folder, {"system": SYSTEM}),
        folder / "out",
        clock=Clock(),
        progress=Silent(),
        verify=Verified(),
        options=RunOptions(threads=1, batch_rows=96),
    )
    require_verified(path, at="2026-03-01T00:00:00Z")
    _, _, evidence, record = opened(path)
    tested = record.subject.tested
    assert tested is not None
    assert (tested.chat_template, tested.system_prompt) == (DIGEST, sha256_hex(SYSTEM.encode()))
    model = load_model(folder / "model", dtype="float32")
    [row, *_] = evidence.cell("choices", "choices", "baseline", "held_out")
    item = evidence.items.named("choices", row.item)
    turn = spelled(model, asked(item.prompt, str(item.target), str(item.other)), SYSTEM)
    begun = model.tokenizer("Answer: (", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model.network(input_ids=torch.tensor([[*turn, *begun]])).logits[0, -1]
    letter = model.tokenizer.convert_tokens_to_ids("A")
    expected = float(torch.log_softmax(logits.float(), -1)[letter])
    assert row.forward_matching == pytest.approx(expected, abs=1e-3)
