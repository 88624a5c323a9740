"""What one arm of dose zero costs the runner, beside the model as transformers has it.

The same batch of prompts passes through both in turn: the runner with its hook, which adds a
vector of zeros and counts what it did, and the model without any hook. Both ask for the logits
of the last position only; with `--new`, both then generate from their caches. The first pair is
not counted; the logits must be the same to the bit.

    python -m benchmarks.zero_dose [--pairs 15] [--prompts 4] [--tokens 128] [--new 0]
"""

from __future__ import annotations

import statistics

import numpy as np
import torch
from transformers import DynamicCache

from benchmarks.spent import Spent, load_average
from benchmarks.subject import Subject, load, long_prompts, options
from safetycase.run.arm_run import ArmRun
from safetycase.run.edit import ArmEdit
from safetycase.run.prompts import Prompt, pad_left


def edited(subject: Subject, prompts: list[Prompt], new: int) -> torch.Tensor:
    """Logits [rows, vocabulary] at the end, by the runner under an arm of dose zero."""
    place = subject.dictionary.writes
    nothing = np.zeros(subject.model.shape.width_at(place), dtype=np.float32)
    run = ArmRun(subject.model, prompts, [ArmEdit("zero", place, nothing, None)], {})
    everyone = torch.ones(run.rows, dtype=torch.bool, device=run.device)
    with run.editing():
        logits = run.prefill(use_cache=new > 0)
        for _ in range(new):
            logits = run.step(logits.argmax(-1), everyone)
    if not all(row.edits for row in run.realised()):
        raise SystemExit("the hook of the runner did nothing")
    return logits


def plain(subject: Subject, prompts: list[Prompt], new: int) -> torch.Tensor:
    """The same without the runner."""
    model = subject.model
    batch = pad_left(prompts, model)
    cache = DynamicCache(config=model.network.config) if new else None
    mask, positions = batch.real, batch.positions
    logits = model.network(
        input_ids=batch.ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=new > 0,
        logits_to_keep=batch.last,
    ).logits[:, -1]
    for _ in range(new):
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        positions = positions[:, -1:] + 1
        logits = model.network(
            input_ids=logits.argmax(-1)[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
    return logits


def main() -> None:
    """Print the median of the ratios of the pairs."""
    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--new", type=int, default=0)
    given = parser.parse_args()
    subject = load(given)
    prompts = long_prompts(subject, given.prompts, given.tokens)
    print(subject.described())
    pairs: list[tuple[Spent, Spent]] = []
    for number in range(given.pairs + 1):
        ours, theirs = Spent(), Spent()
        with ours.counted():
            with_hook = edited(subject, prompts, given.new)
        with theirs.counted():
            without = plain(subject, prompts, given.new)
        if not torch.equal(with_hook, without):
            raise SystemExit(f"pair {number}: the logits differ")
        pairs.append((ours, theirs))
    wall = [ours.wall / theirs.wall for ours, theirs in pairs[1:]]
    processor = [ours.processor / theirs.processor for ours, theirs in pairs[1:]]
    seconds = statistics.median(theirs.wall for _, theirs in pairs[1:])
    print(
        f"{given.prompts} prompts of {given.tokens} tokens, {given.new} more; plain "
        f"{seconds:.2f} s; {load_average()}"
    )
    print(
        f"one arm, dose zero: {statistics.median(wall):.3f} times plain transformers (of "
        f"processor {statistics.median(processor):.3f}), median of {given.pairs} pairs, from "
        f"{min(wall):.3f} to {max(wall):.3f}; logits the same to the bit"
    )


if __name__ == "__main__":
    main()
