"""Scripts of several turns: what is put to the model, where it is edited, what is published."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safetycase.bundle.reader import open_case
from safetycase.cli.as_written import require_verified
from safetycase.digest import sha256_hex
from safetycase.errors import PlanRefused, PromptTooLong, RunFailed
from safetycase.methods.grid import evaluation_named
from safetycase.methods.sites import Place
from safetycase.methods.turns import FRAME, Script, answers_in
from safetycase.record.plan import ChatTemplate, Sampling
from safetycase.record.planned_axis import Positions
from safetycase.record.planned_evaluation import Turns
from safetycase.run.answers import Bench, answers
from safetycase.run.chat import with_frame
from safetycase.run.converse import Asked, Conversation, converse
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, Preface
from safetycase.run.environment import environment
from safetycase.run.generate import GenerationSettings
from safetycase.run.model import LoadedModel
from safetycase.run.sampling import noise_key
from safetycase.run.script import Pieces, Room, pieces_of
from safetycase.tables.codec import read_table
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, build, plan_value, tiny_tokenizer

pytestmark = pytest.mark.run

VERBATIM = Turns(graded="last", frame=" user : {turn} assistant :")
CHAT = Turns(graded="last")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ m.content }} . {% else %}"
    "{{ 'user' if m.role == 'user' else 'assistant' }} : {{ m.content }} . {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"
)
SIZE = 40.0
FREE = Room(1, every_turn=False)
SETTINGS = GenerationSettings(Sampling(temperature=0.8, top_k=12), 5)
SCRIPTS = (
    Script(("how do i make soup ?", "no . how ?", "then stir ?")),
    Script(("the audit comes .", "yes ?", "is the kite near ?")),
    Script(("is bread near ?", "sorry ?")),
)


def pieces(tiny: Tiny, script: Script, prefix: str = "", turns: Turns = VERBATIM) -> Pieces:
    where = "test"
    return pieces_of(tiny.model, script.spelled(), turns, FREE, where=where, prefix=prefix)


def asked(tiny: Tiny, scripts: tuple[Script, ...] = SCRIPTS, prefix: str = "") -> list[Asked]:
    return [
        Asked(
            pieces(tiny, script, prefix),
            pieces(tiny, script),
            lambda turn, n=n: noise_key("seed", "e", f"i{n}", 0, turn),
        )
        for n, script in enumerate(scripts)
    ]


def dose(positions: Positions = "all_but_bos", size: float = SIZE) -> ArmEdit:
    vector = np.random.default_rng(1).normal(size=32).astype(np.float32)
    vector *= np.float32(size / np.linalg.norm(vector))
    return ArmEdit("dose", Place(1, "resid_post"), vector, None, positions=positions)


def one(tiny: Tiny, script: Script, arm: ArmEdit) -> Conversation:
    [[row]] = converse(tiny.model, asked(tiny, (script,)), [arm], {}, SETTINGS)
    return row


def test_pieces_are_the_frame_without_its_first_white_space(tiny: Tiny) -> None:
    coded = tiny.model.tokenizer(" user : yes ? assistant :", add_special_tokens=False)
    assert pieces(tiny, SCRIPTS[1]).ids[1] == tuple(coded["input_ids"])
    assert pieces(tiny, SCRIPTS[0]).ids[0][0] == tiny.model.bos
    assert FRAME.format(turn="x").lstrip().startswith("User: x")


def with_template(tiny: Tiny, template: str, system: str | None = None) -> Tiny:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    model = replace(tiny.model, tokenizer=tokenizer)
    chat = ChatTemplate(sha256=sha256_hex(template.encode()), system=system)
    return replace(tiny, model=with_frame(model, chat))


def test_pieces_of_a_chat_template_are_what_it_spells_around_the_answers(tiny: Tiny) -> None:
    chatty = with_template(tiny, TEMPLATE, system="the guest is near")
    script = replace(SCRIPTS[0], system="the rubric is near")
    got = pieces(chatty, script, turns=CHAT).ids
    tokenizer = chatty.model.tokenizer
    messages = [
        {"role": "system", "content": "the rubric is near"},
        {"role": "user", "content": script.turns[0]},
        {"role": "assistant", "content": "salt"},
        {"role": "user", "content": script.turns[1]},
        {"role": "assistant", "content": "salt"},
        {"role": "user", "content": script.turns[2]},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    salt = tokenizer("salt", add_special_tokens=False)["input_ids"]
    assert [*got[0], *salt, *got[1], *salt, *got[2]] == whole


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ messages | length }} : {{ messages[-1].content }}", "goes on where it was"),
        ("{{ raise_exception('no') }}", "messages that the chat template takes"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_refused(
    tiny: Tiny, template: str, said: str
) -> None:
    with pytest.raises(RunFailed, match=said):
        pieces(with_template(tiny, template), SCRIPTS[0], turns=CHAT)


def test_a_system_text_needs_a_chat_template(tiny: Tiny) -> None:
    with pytest.raises(RunFailed, match="no system text"):
        pieces(tiny, replace(SCRIPTS[0], system="the rubric"))


def plain_answers(
    model: LoadedModel, script: Pieces, key: Any, arm: ArmEdit, positions: Positions
) -> tuple[list[tuple[int, ...]], list[tuple[int, bool]]]:
    """The oracle: one token at a time, the whole text anew each time, no cache, no padding."""
    from safetycase.run.sampling import next_tokens  # noqa: PLC0415 — the oracle's own draw

    ids: list[int] = []
    generated: list[bool] = []
    places: list[tuple[int, bool]] = []

    def hook(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        places.clear()
        for n in range(1, len(ids)):
            wanted = {"prompt": not generated[n], "generated": generated[n]}
            if wanted.get(positions, True):
                output[0, n] += torch.from_numpy(arm.vector)
                places.append((n, generated[n]))
        return output

    said = []
    handle = model.blocks[1].register_forward_hook(hook)
    for turn, piece in enumerate(script.ids):
        ids += piece
        generated += [False] * len(piece)
        answer: list[int] = []
        for step in range(SETTINGS.max_new_tokens):
            logits = model.network(input_ids=torch.tensor([ids])).logits[:, -1].float()
            noise = np.array([key(turn)], dtype=np.uint64)
            token = int(next_tokens(logits, SETTINGS.sampling, noise, step))
            answer.append(token)
            if token in model.stops:
                break
            ids.append(token)
            generated.append(True)
        said.append(tuple(answer))
    handle.remove()
    return said, list(places)


@pytest.mark.parametrize("positions", ["all_but_bos", "prompt", "generated"])
def test_conversations_equal_a_plain_model_asked_token_by_token(
    tiny: Tiny, positions: Positions
) -> None:
    """Answers, edited positions and norms of every row of a batch of scripts by arms."""
    arm = dose(positions)
    scripts = asked(tiny)
    rows = converse(tiny.model, scripts, [BASELINE_EDIT, arm], {}, SETTINGS)
    assert len({len(row.answers) for [row, _] in rows}) == 2
    for script, (plain, edited) in zip(scripts, rows, strict=True):
        said, places = plain_answers(tiny.model, script.pieces, script.key, arm, positions)
        assert [answer.tokens for answer in edited.answers] == said
        # the last token of all is never fed back
        last = len(edited.text().ids) + len(edited.answers[-1].tokens) - 1
        assert edited.realised.edits == len([n for n, _ in places if n < last])
        assert edited.realised.delta == pytest.approx(SIZE, rel=1e-4)
        assert plain.realised.edits == 0
    assert any(row.answers[-1].tokens != plain.answers[-1].tokens for plain, row in rows), (
        "no edit moved a later answer"
    )


def test_an_answer_depends_on_its_own_script_and_arm_alone(tiny: Tiny) -> None:
    rows = converse(tiny.model, asked(tiny), [BASELINE_EDIT, dose()], {}, SETTINGS)
    for n, script in enumerate(SCRIPTS):
        again = Asked(
            pieces(tiny, script),
            pieces(tiny, script),
            lambda turn, n=n: noise_key("seed", "e", f"i{n}", 0, turn),
        )
        [[alone]] = converse(tiny.model, [again], [dose()], {}, SETTINGS)
        assert [a.tokens for a in alone.answers] == [a.tokens for a in rows[n][1].answers]
        assert alone.nll == pytest.approx(rows[n][1].nll, rel=1e-4)


def test_turns_have_noise_of_their_own() -> None:
    keys = {noise_key("seed", "e", "i", 0, turn) for turn in range(3)}
    assert len(keys) == 3
    assert noise_key("seed", "e", "i", 0, 0) == noise_key("seed", "e", "i", 0)


def test_a_prefix_stands_in_front_of_the_first_turn_and_not_in_the_likelihood(
    tiny: Tiny,
) -> None:
    prefixed = asked(tiny, SCRIPTS[:1], "the panel . ")
    arm = ArmEdit("a/prompt", None, None, None, Preface("the panel . "))
    [[row]] = converse(tiny.model, prefixed, [arm], {}, SETTINGS)
    added = tiny.model.tokenizer("the panel .", add_special_tokens=False)["input_ids"]
    assert len(row.text()) == len(row.text(plain=True)) + len(added)
    assert row.text().ids[-len(row.text(plain=True)) + 3 :] == row.text(plain=True).ids[3:]


def likelihood(tiny: Tiny, row: Conversation) -> float:
    """The largest median, by a plain forward pass over the whole conversation."""
    prompt = Conversation(row.asked, row.arm)
    medians = []
    for answer in row.answers:
        ids = [*prompt.text(plain=True).ids, *answer.tokens]
        log_p = torch.log_softmax(tiny.model.network(torch.tensor([ids])).logits[0], -1)
        first = len(ids) - len(answer.tokens)
        nlls = [-float(log_p[n - 1, ids[n]]) for n in range(first, len(ids))]
        medians.append(float(np.median(nlls)))
        prompt.answers.append(answer)
    return max(medians)


def test_the_likelihood_is_the_largest_of_the_answers(tiny: Tiny) -> None:
    for arm in (BASELINE_EDIT, dose()):
        row = one(tiny, SCRIPTS[0], arm)
        assert row.nll == pytest.approx(likelihood(tiny, row), rel=1e-4)


def test_a_script_that_outgrows_the_context_is_cut_off(tiny: Tiny) -> None:
    long = Script(("how do i make soup ?", "the bread " * 38))
    rows = converse(tiny.model, asked(tiny, (SCRIPTS[0], long)), [dose()], {}, SETTINGS)
    assert [row.cut_off for [row] in rows] == [False, True]
    assert len(rows[1][0].answers) == 1


def write_scripts(tiny: Tiny, extra: tuple[dict, ...] = ()) -> None:
    """Scripts on the prompts of the requests: they are asked, doubted, and asked again."""
    source = (tiny.folder / "items" / "requests.jsonl").read_text().splitlines()
    rows = []
    for number, line in enumerate(source):
        row = json.loads(line)
        turns = [row.pop("prompt"), "are you sure ?", "how ?"][: 2 + number % 2]
        rows.append(row | {"id": f"s{number:03d}", "turns": turns})
    rows += extra
    (tiny.folder / "items" / "scripts.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )


def scripted_plan(graded: str = "any", **changes: Any) -> Any:
    value = plan_value()
    value["datasets"].append(
        {"id": "scripts", "path": "../items/scripts.jsonl", "source": "made for this test"}
    )
    ask = value["evaluations"][0]
    ask["dataset"] = "scripts"
    turns = {"graded": graded, "frame": " {turn} :"}
    ask["measure"] |= {"turns": turns, "samples": 2} | changes
    value["sampling"] = {"temperature": 0.5, "top_k": 6}
    value["audit"] = {"rows": 8, "positions": 4}
    value["axes"][0]["baselines"] = {"prefix": "the guest . "}
    return value


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    tiny = build(tmp_path_factory.mktemp("spoken"))
    write_scripts(tiny)
    return tiny


@pytest.fixture(scope="module")
def case_path(spoken: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(spoken, tmp_path_factory.mktemp("turns"), value=scripted_plan())


def test_a_case_with_scripts_verifies(case_path: Path) -> None:
    require_verified(case_path, at="2026-03-01T00:00:00Z")


def test_every_answer_of_every_turn_is_published(case_path: Path) -> None:
    _, _, evidence, _ = opened(case_path)
    rows = evidence.answers["requests", "context/target"]
    counts = set()
    for row in rows:
        turns = json.loads(evidence.items.named("scripts", row.item).prompt)["turns"]
        assert len(answers_in(row.output)) == len(turns) == len(row.stop.split())
        counts.add(len(turns))
    assert counts == {2, 3}


def test_a_row_asked_again_alone_is_the_same(spoken: Tiny, case_path: Path) -> None:
    plan, _, evidence, _ = opened(case_path)
    bench = Bench(
        plan, spoken.model, {"tiny": spoken.dictionary}, environment(spoken.model, batch_rows=8)
    )
    known = evidence.answers["requests", "baseline"]
    evaluation = evaluation_named(plan, "requests")
    for place in (1, 6, 11):
        row = known[place]
        item = evidence.items.named("scripts", row.item)
        [again] = answers(bench, evaluation, [item], [BASELINE_EDIT], None, [row.sample])
        assert (again.output, again.stop) == (row.output, row.stop)


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Scripts among them that fit the 96 positions only if their answers are short."""
    tiny = build(tmp_path_factory.mktemp("wordy"))
    first = "the bread " * 35
    long = tuple(
        {
            "id": f"long{n}",
            "cluster": f"long{n}",
            "kind": "request",
            "target": "soup",
            "turns": [first + "no " * n, "are you sure ?"],
        }
        for n in range(6)
    )
    write_scripts(tiny, long)
    return tiny


def test_a_transcript_that_grows_too_long_is_an_exclusion(wordy: Tiny, tmp_path: Path) -> None:
    value = scripted_plan(max_new_tokens=8)
    cause = "transcript_longer_than_context"
    value["exclusions"] = {"causes": [cause], "at_most": 0.2}
    path = make(wordy, tmp_path, value=value)
    require_verified(path, at="2026-03-01T00:00:00Z")
    rows = read_table("exclusions", open_case(path).read("evidence/exclusions.jsonl"))
    assert rows
    assert {row.cause for row in rows} == {cause}
    assert {row.item[:4] for row in rows} == {"long"}


def test_without_leave_there_must_be_room_for_all_answers(wordy: Tiny, tmp_path: Path) -> None:
    with pytest.raises(PromptTooLong, match="of its turns alone"):
        make(wordy, tmp_path, value=scripted_plan(max_new_tokens=8))


def test_turns_that_alone_are_too_long_are_refused_before_anything(tmp_path: Path) -> None:
    extra = {"id": "x", "cluster": "x", "kind": "request", "target": "soup"}
    tiny = build(tmp_path / "world")
    write_scripts(tiny, (extra | {"turns": ["how ?", "the bread " * 60]},))
    value = scripted_plan()
    causes = ["transcript_longer_than_context"]
    value["exclusions"] = {"causes": causes, "at_most": 0.2}
    with pytest.raises(PromptTooLong, match="item x"):
        make(tiny, tmp_path / "out", value=value)
    assert not list((tmp_path / "out" / "work" / "units").glob("*.jsonl"))


@pytest.mark.parametrize("positions", ["prompt", "generated"])
def test_edits_of_some_positions_verify_with_their_traces(
    spoken: Tiny, tmp_path: Path, positions: str
) -> None:
    value = scripted_plan("last")
    [axis] = value["axes"]
    axis["candidate"]["positions"] = positions
    if positions == "generated":  # choices and probes generate nothing
        del value["evaluations"][1:]
        axis |= {"side_effects": [], "mediators": []}
    path = make(spoken, tmp_path, value=value)
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_a_plan_that_reads_scripts_as_prompts_is_refused(spoken: Tiny, tmp_path: Path) -> None:
    value = scripted_plan()
    value["evaluations"][2]["dataset"] = "scripts"
    with pytest.raises(PlanRefused, match="are scripts"):
        make(spoken, tmp_path, value=value)
