"""How much faster the runner scores two-choice questions under 48 arms than a loop over arms.

Both score the same number of pairs of item and arm, in turn, batch by batch: the runner a few
items under all arms, the loop many items under a few arms, so that both have as many rows in a
batch. The loop is the model as transformers has it with one forward hook; it asks for the
logits of the last position only, by index, and reads both letters from one pass. What both
measured of the same pairs is compared.

The ceiling is 48 L / (s + 48 (L - s)) for L blocks of which s lie below the edit: blocks
alone, all arms in one batch.

    python -m benchmarks.arms_logprob [--items 4] [--arms 48] [--sizes 12 24 48]
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.spent import Spent, load_average
from benchmarks.subject import Subject, hooked, load, make_arms, options
from safetycase.run.below import BlocksBelow
from safetycase.run.choose import Question, choose, question_of
from safetycase.run.edit import ArmEdit
from safetycase.run.prompts import encode, pad_left
from safetycase.run.reshape import arm_parts

Scores = dict[tuple[int, str], tuple[float, ...]]


@dataclass
class Side:
    """What one way took, and log p of both letters in both orders, by item and arm."""

    spent: Spent = field(default_factory=Spent)
    scores: Scores = field(default_factory=dict)


def questions_of(subject: Subject, count: int) -> list[Question]:
    """Two-choice questions of the plan; of a plan without any, prompts and two words."""
    model = subject.model
    asked = [row for row in subject.items if row.target and row.other]
    if asked:
        return [question_of(model, row, where=row.item) for row in asked[:count]]
    prompts = [encode(model, row.prompt, where=row.item) for row in subject.items[: 2 * count]]
    return [
        Question(one, other, (one.ids[1], one.ids[2]))
        for one, other in zip(prompts[::2], prompts[1::2], strict=True)
    ]


def runner(
    subject: Subject, questions: Sequence[Question], arms: Sequence[ArmEdit], side: Side
) -> Iterator[None]:
    """One batch at a time, all arms of a part at once, as units have them."""
    bench, below = subject.bench, BlocksBelow()
    most = max(2, bench.environment.batch_rows // 2)
    parts = arm_parts(arms, most)
    size = max(1, most // max(len(part) for part in parts))
    for start in range(0, len(questions), size):
        asked = questions[start : start + size]
        for part in parts:
            with side.spent.counted():
                verdicts = choose(bench.model, asked, part, bench.dictionaries, below)
            for number, given in enumerate(verdicts, start):
                for arm, v in zip(part, given, strict=True):
                    side.scores[number, arm.arm] = (
                        v.forward_matching,
                        v.forward_other,
                        v.swapped_other,
                        v.swapped_matching,
                    )
            yield


def loop(
    subject: Subject,
    questions: Sequence[Question],
    arms: Sequence[ArmEdit],
    size: int,
    side: Side,
) -> Iterator[None]:
    """One batch at a time, `size` questions in both orders under one arm."""
    model = subject.model
    for arm in arms:
        for start in range(0, len(questions), size):
            asked = questions[start : start + size]
            with side.spent.counted():
                batch = pad_left([p for q in asked for p in (q.forward, q.swapped)], model)
                letters = torch.tensor([q.letters for q in asked]).repeat_interleave(2, 0)
                with hooked(model, arm, batch):
                    logits = model.network(
                        input_ids=batch.ids,
                        attention_mask=batch.real,
                        position_ids=batch.positions,
                        use_cache=False,
                        logits_to_keep=batch.last,
                    ).logits[:, -1]
                log_p = torch.log_softmax(logits.float(), -1)
                pairs = log_p.gather(1, letters.to(model.device)).tolist()
            for number in range(len(asked)):
                first, second = pairs[2 * number : 2 * number + 2]
                side.scores[start + number, arm.arm] = (*first, *second)
            yield


def compare(subject: Subject, arms: Sequence[ArmEdit], items: int) -> tuple[Side, Side]:
    """Both ways, in turn: `items` under all arms, and as many items as arms under `items`."""
    questions = sorted(questions_of(subject, len(arms)), key=lambda q: len(q.forward))
    if len(questions) < len(arms):
        raise SystemExit(f"{len(questions)} questions; {len(arms)} are needed")
    spread = [questions[n * len(questions) // items] for n in range(items)]
    chosen = [*arms[1:items], arms[-1]] if items > 1 else [arms[-1]]
    ours, theirs = Side(), Side()
    rows = max(len(part) for part in arm_parts(arms, subject.bench.environment.batch_rows // 2))
    in_turn = itertools.zip_longest(
        runner(subject, spread, arms, ours),
        loop(subject, questions, chosen, rows, theirs),
    )
    for _ in in_turn:
        pass
    named = {(questions.index(spread[n]), arm): v for (n, arm), v in ours.scores.items()}
    ours.scores = named
    return ours, theirs


def main() -> None:
    """Print seconds, ratio, ceiling and agreement; then what more arms and items cost."""
    parser = options(__doc__)
    parser.add_argument("--items", type=int, default=4)
    parser.add_argument("--arms", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="*", default=[])
    given = parser.parse_args()
    subject = load(given)
    arms = make_arms(subject, given.arms)
    print(subject.described())
    warm_up(subject, arms)
    ours, theirs = compare(subject, arms, given.items)
    answers = given.items * len(arms)
    print(f"{given.items} questions under {len(arms)} arms, both orders; {load_average()}")
    print(ours.spent.line("arms share blocks", answers))
    print(theirs.spent.line("one arm at a time, transformers", answers))
    ratio = theirs.spent.wall / ours.spent.wall
    blocks, below = len(subject.model.blocks), subject.shared_blocks
    ceiling = len(arms) * blocks / (below + len(arms) * (blocks - below))
    print(f"{theirs.spent.ratio(ours.spent)}, ceiling {ceiling:.2f}: {ratio / ceiling:.0%}")
    both = ours.scores.keys() & theirs.scores.keys()
    worst = max(
        abs(a - b)
        for key in both
        for a, b in zip(ours.scores[key], theirs.scores[key], strict=True)
    )
    print(f"largest difference in log p over {4 * len(both)} of them: {worst:.1e}")
    questions = questions_of(subject, given.items)
    for count in given.sizes:
        for asked in (questions[: max(1, given.items // 2)], questions):
            side = Side()
            for _ in runner(subject, asked, arms[:count], side):
                pass
            name = f"{len(asked)} questions under {count} arms"
            print(side.spent.line(name, len(asked) * count))


def warm_up(subject: Subject, arms: Sequence[ArmEdit]) -> None:
    """One small batch of each, not counted."""
    questions = questions_of(subject, 1)
    for batches in (
        runner(subject, questions, arms[:2], Side()),
        loop(subject, questions, arms[:2], 1, Side()),
    ):
        for _ in batches:
            pass


if __name__ == "__main__":
    main()
