"""How much faster the runner generates under 48 arms than loops over arms.

Three ways in turn, batch by batch, with as many rows in each batch and as many answers in all:
the runner has a few prompts under all arms; the loops have many prompts under a few arms. One
loop is the model as transformers has it, with its cache and one forward hook, logits of the
last position only; the other, where the Python of an environment with SAELens and
TransformerLens is given, is TransformerLens with a hook that adds SAELens's decoder row
(`other_lens.py`). All take the likeliest token; what they generated under the same pairs of
prompt and arm is compared.

    python -m benchmarks.arms_generate [--items 4] [--tokens 128] [--new 32]
        [--other-lens PYTHON]
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.numpy import save_file
from transformers import DynamicCache

from benchmarks.spent import Spent, load_average
from benchmarks.subject import PLANS, Subject, hooked, load, long_prompts, make_arms, options
from safetycase.record.plan import Sampling
from safetycase.run.edit import ArmEdit
from safetycase.run.generate import GenerationSettings, generate
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt, pad_left

LENS_NAMES = {"gemma": "google/gemma-3-270m"}
"""What TransformerLens calls the architecture; the weights are those of the folder given."""
LIKELIEST = Sampling(temperature=0.0, top_k=1)
Texts = dict[tuple[int, str], tuple[int, ...]]


@dataclass
class Side:
    """What one way took, and its tokens by number of the prompt and arm."""

    spent: Spent = field(default_factory=Spent)
    texts: Texts = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What is generated: prompts of equal length, arms, and how many tokens."""

    prompts: tuple[Prompt, ...]
    arms: tuple[ArmEdit, ...]
    new: int

    def few(self, count: int) -> list[int]:
        """Numbers of the prompts that the runner has, and of the arms that the loops have."""
        return [n * len(self.arms) // count for n in range(count)]


def runner(subject: Subject, task: Task, items: int, side: Side, gate: Spent) -> Iterator[None]:
    """One prompt under all arms at a time; `gate` counts what the coherence gate adds."""
    settings = GenerationSettings(LIKELIEST, task.new)
    for number in task.few(items):
        prompts = [task.prompts[number]]
        with side.spent.counted():
            (answers,) = generate(
                subject.model, prompts, [0], task.arms, subject.bench.dictionaries, settings
            )
        with gate.counted():
            median_nlls(subject.model, prompts, [[answer.tokens for answer in answers]])
        for arm, answer in zip(task.arms, answers, strict=True):
            side.texts[number, arm.arm] = answer.tokens
        yield


def plain(subject: Subject, task: Task, items: int, side: Side) -> Iterator[None]:
    """All prompts under one arm at a time."""
    for number in task.few(items):
        arm = task.arms[number]
        with side.spent.counted():
            rows = greedy(subject.model, task.prompts, arm, task.new)
        for place, row in enumerate(rows):
            side.texts[place, arm.arm] = tuple(row)
        yield


def greedy(
    model: LoadedModel, prompts: Sequence[Prompt], arm: ArmEdit, new: int
) -> list[list[int]]:
    """The likeliest continuation of every prompt, up to a stop token."""
    batch = pad_left(prompts, model)
    cache = DynamicCache(config=model.network.config)
    ids, positions, mask, last = batch.ids, batch.positions, batch.real, batch.last
    drawn: list[list[int]] = [[] for _ in prompts]
    going = set(range(len(prompts)))
    with hooked(model, arm, batch):
        for _ in range(new):
            logits = model.network(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=last,
            ).logits[:, -1]
            tokens = logits.argmax(-1)
            for row in tuple(going):
                drawn[row].append(int(tokens[row]))
                going -= {row} if int(tokens[row]) in model.stops else set()
            if not going:
                break
            ids, positions, last = tokens[:, None], positions[:, -1:] + 1, batch.last * 0
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return drawn


@dataclass
class OtherLens:
    """TransformerLens in its own environment, told by a file what to do, by lines when."""

    process: subprocess.Popen[str]
    about: str

    @classmethod
    def start(
        cls, given: argparse.Namespace, subject: Subject, task: Task, folder: Path
    ) -> OtherLens:
        """The process, when it has loaded its model and dictionary."""
        edits = {str(n): arm for n, arm in enumerate(task.arms) if arm.vector is not None}
        save_file({n: arm.vector for n, arm in edits.items()}, folder / "vectors.safetensors")
        plan = PLANS[given.model]
        asked = {
            "name": LENS_NAMES[given.model],
            "model": subject.model.network.config.name_or_path,
            "dictionary": str(plan.parent / subject.bench.plan.dictionaries[0].path),
            "layer": subject.dictionary.writes.layer,
            "features": {n: int(arm.arm.split()[-1]) for n, arm in edits.items()},
            "prompts": [
                list(prompt.ids) for prompt in task.prompts[: given.other_lens_prompts]
            ],
            "stops": sorted(subject.model.stops),
            "new": task.new,
            "rows": given.other_lens_rows,
            "threads": torch.get_num_threads(),
        }
        (folder / "task.json").write_text(json.dumps(asked), "utf-8")
        script = Path(__file__).with_name("other_lens.py")
        process = subprocess.Popen(
            [given.other_lens, script, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        lens = cls(process, "")
        lens.about = lens.answer()["about"]
        return lens

    def answer(self) -> dict[str, object]:
        """The next line it says."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"TransformerLens ended with {self.process.wait()}")

    def ask(self, arm: int) -> dict[str, object]:
        """What it made of all prompts under an arm, and how long it took."""
        self.process.stdin.write(f"{arm}\n")
        self.process.stdin.flush()
        return self.answer()


def lens_side(lens: OtherLens, task: Task, items: int, side: Side) -> Iterator[None]:
    """All prompts under one arm at a time, in the other process."""
    for number in task.few(items):
        said = lens.ask(number)
        side.spent.wall += said["wall"]
        side.spent.processor += said["processor"]
        side.spent.peak = max(side.spent.peak, said["peak"])
        side.spent.calls += 1
        for place, row in enumerate(said["rows"]):
            side.texts[place, task.arms[number].arm] = tuple(row)
        yield


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def agreement(ours: Texts, theirs: Texts) -> str:
    """How many of the texts that both made are the same, and how many tokens up to there."""
    both = sorted(ours.keys() & theirs.keys())
    same = sum(ours[key] == theirs[key] for key in both)
    tokens = sum(len(ours[key]) for key in both)
    first = sum(common(ours[key], theirs[key]) for key in both)
    return f"{same} of {len(both)} texts the same, {first} of {tokens} tokens before they part"


def main() -> None:
    """Print what each way took, ratios, and how far the texts agree."""
    parser = options(__doc__)
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--arms", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--other-lens", type=Path)
    parser.add_argument("--other-lens-arms", type=int, default=1)
    parser.add_argument("--other-lens-prompts", type=int, default=48)
    parser.add_argument("--other-lens-rows", type=int, default=12)
    given = parser.parse_args()
    subject = load(given)
    baseline, *edits = make_arms(subject, given.arms)
    prompts = long_prompts(subject, given.arms, given.tokens)
    task = Task(tuple(prompts), (*edits, baseline), given.new)
    print(subject.described())
    small = Task(task.prompts[:2], task.arms[:2], 2)
    for _ in itertools.chain(
        runner(subject, small, 1, Side(), Spent()), plain(subject, small, 1, Side())
    ):
        pass
    ours, theirs, others, gate = Side(), Side(), Side(), Spent()
    ways = [
        runner(subject, task, given.items, ours, gate),
        plain(subject, task, given.items, theirs),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        if given.other_lens:
            lens = OtherLens.start(given, subject, task, Path(scratch))
            print(f"beside it: {lens.about}, {given.other_lens_rows} rows a batch")
            ways.append(lens_side(lens, task, given.other_lens_arms, others))
        for _ in itertools.zip_longest(*ways):
            pass
    answers = given.items * len(task.arms)
    print(
        f"{given.new} tokens after {given.tokens}: {given.items} prompts under {len(task.arms)}"
        f" arms, and {len(task.arms)} prompts under {given.items} arms; {load_average()}"
    )
    print(ours.spent.line("arms share blocks", answers))
    print(gate.line("  and the coherence gate", answers))
    print(theirs.spent.line("one arm at a time, transformers", answers))
    print(theirs.spent.ratio(ours.spent), agreement(ours.texts, theirs.texts), sep="; ")
    if given.other_lens:
        few = len(others.texts)
        print(others.spent.line("SAELens and TransformerLens", few))
        print(others.spent.ratio(ours.spent, answers / few), end="; ")
        print(agreement(theirs.texts, others.texts), "as of transformers")


if __name__ == "__main__":
    main()
