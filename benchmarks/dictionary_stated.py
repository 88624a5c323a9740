"""The shared Gemma 3 dictionary's stated figures, measured again from its README's formula.

    python -m benchmarks.dictionary_stated TEXTS --model FOLDER --dictionary FOLDER

TEXTS is what `benchmarks.dictionary_texts` wrote; the model is the example's dequantised copy
(`out/cache/gguf-…`). Uses transformers, torch and NumPy, nothing of this project: a second
reading to hold against `safetycase dictionary check`. Prints for every source L0 and explained
variance, 1 - Σ‖x - x̂‖² / Σ‖x - mean x‖², over all tokens but BOS, with their spread when
excerpts are drawn again; at last, of the sources in the dictionary's corpus together, the other
figures that its README states.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.dictionary_texts import OUTSIDE, VARIANTS

LAYER = 12
BOS = 2
ROWS = 8


class Lens:
    """Model and dictionary, with the output of one block read or replaced."""

    def __init__(self, model: Path, dictionary: Path) -> None:
        """Load both from their folders, in float32."""
        self.network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        arrays = load_file(dictionary / "params.safetensors")
        self.d = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def cut(self, text: str, length: int) -> list[list[int]]:
        """The text's tokens in sequences of so many, BOS in front of each."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        step = length - 1
        return [[BOS, *ids[start : start + step]] for start in range(0, len(ids), step)]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Activations [tokens, features]."""
        z = x @ self.d["w_enc"] + self.d["b_enc"]
        return z * (z > self.d["threshold"])

    def made(self, x: torch.Tensor) -> torch.Tensor:
        """The reconstruction of x [tokens, width]."""
        return self.features(x) @ self.d["w_dec"] + self.d["b_dec"]

    def residuals(self, sequences: Sequence[list[int]]) -> list[torch.Tensor]:
        """The block's output of every sequence, [tokens but BOS, width]."""
        seen: dict[int, torch.Tensor] = {}
        caught: list[torch.Tensor] = []
        block = self.network.model.layers[LAYER]
        hook = block.register_forward_hook(lambda _m, _a, out: caught.append(out))
        for part in alike(sequences):
            caught.clear()
            with torch.no_grad():
                self.network.model(torch.tensor([sequences[i] for i in part]), use_cache=False)
            seen |= dict(zip(part, caught[0][:, 1:], strict=True))
        hook.remove()
        return [seen[i] for i in range(len(sequences))]

    def cross_entropy(self, sequences: Sequence[list[int]], change: object = None) -> float:
        """Mean over all tokens but BOS, with the block's output at those tokens changed."""

        def replace(_m: object, _a: object, out: torch.Tensor) -> torch.Tensor:
            changed = out.clone()
            changed[:, 1:] = change(out[:, 1:])  # type: ignore[operator]
            return changed

        hooks = []
        if change is not None:
            hooks.append(self.network.model.layers[LAYER].register_forward_hook(replace))
        total, tokens = 0.0, 0
        for part in alike(sequences, 4):
            ids = torch.tensor([sequences[i] for i in part])
            with torch.no_grad():
                logits = self.network(ids, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(
                logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
            )
            total, tokens = total + float(loss), tokens + ids[:, 1:].numel()
        for hook in hooks:
            hook.remove()
        return total / tokens


def alike(sequences: Sequence[list[int]], rows: int = ROWS) -> list[list[int]]:
    """Numbers of sequences of the same length together, so that nothing is padded."""
    order = sorted(range(len(sequences)), key=lambda i: (len(sequences[i]), i))
    parts: list[list[int]] = []
    for i in order:
        last = parts[-1] if parts else []
        if last and len(last) < rows and len(sequences[last[0]]) == len(sequences[i]):
            last.append(i)
        else:
            parts.append([i])
    return parts


def spaced(items: Sequence[Any], count: int) -> list[Any]:
    """So many of the items at equal distances, all if there are fewer."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def sums(lens: Lens, x: torch.Tensor, mean: torch.Tensor) -> tuple[int, int, float, float]:
    """Tokens, active features, squared error and spread about a mean."""
    f = lens.features(x)
    error = (x - (f @ lens.d["w_dec"] + lens.d["b_dec"])).double().square().sum()
    return len(x), int((f != 0).sum()), float(error), float((x.double() - mean).square().sum())


def figures(lens: Lens, texts: Sequence[Sequence[torch.Tensor]], draws: int) -> str:
    """L0 and explained variance of residuals by excerpt, with their spread when redrawn."""
    everything = torch.cat([x for text in texts for x in text])
    mean = everything.double().mean(0)
    rows = np.array([np.sum([sums(lens, x, mean) for x in text], axis=0) for text in texts])
    n, active, error, spread = rows.sum(0)
    again = np.random.default_rng(0).integers(len(rows), size=(draws, len(rows)))
    drawn = rows[again].sum(1)
    l0, ev = np.std(drawn[:, 1] / drawn[:, 0]), np.std(1 - drawn[:, 2] / drawn[:, 3])
    return (
        f"{int(n):>7} tokens  L0 {active / n:8.4f} (± {l0:.2f})"
        f"  explained {1 - error / spread:.6f} (± {ev:.4f})"
    )


def more(lens: Lens, residuals: Sequence[torch.Tensor]) -> str:
    """Dead and frequent features, cosine, and variance without its largest dimension."""
    x = torch.cat(list(residuals))
    fires = Counter[int]()
    made = []
    for part in torch.split(x, 2048):
        f = lens.features(part)
        fires.update(dict(enumerate((f != 0).sum(0).tolist())))
        made.append(f @ lens.d["w_dec"] + lens.d["b_dec"])
    y = torch.cat(made)
    rate = np.array([fires[i] for i in range(len(lens.d["threshold"]))]) / len(x)
    mean = x.mean(0)
    cosine = torch.nn.functional.cosine_similarity(x - mean, y - mean).mean()
    variance = (x - mean).double().square().sum(0)
    error = (x - y).double().square().sum(0)
    rest = variance < variance.max()
    return (
        f"never fire {np.mean(rate == 0):.3f}  on more than a tenth {np.mean(rate > 0.1):.3f}"
        f"  cosine {float(cosine):.3f}  without the largest dimension"
        f" {1 - float(error[rest].sum() / variance[rest].sum()):.4f}"
        f" (it holds {float(variance.max() / variance.sum()):.3f})"
    )


def main() -> None:
    """Print the figures of every source and of all in the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dictionary", type=Path, required=True)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sequences", type=int, default=64, help="for the cross-entropy")
    parser.add_argument("--draws", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lens = Lens(arguments.model, arguments.dictionary)
    inside: list[list[torch.Tensor]] = []
    some: list[tuple[list[int], torch.Tensor]] = []
    for path in sorted(arguments.texts.glob("*.jsonl")):
        prompts = [json.loads(line)["prompt"] for line in path.read_text("utf-8").splitlines()]
        cut = [lens.cut(prompt, arguments.context) for prompt in prompts]
        seen = iter(lens.residuals([each for text in cut for each in text]))
        texts = [[next(seen) for _ in text] for text in cut]
        print(f"{path.stem:<10} {figures(lens, texts, arguments.draws)}", flush=True)
        if path.stem not in OUTSIDE + VARIANTS:
            inside += texts
            read = zip(chain(*cut), chain(*texts), strict=True)
            some += spaced([(s, x) for s, x in read if len(s) == arguments.context], 15)
    print(f"{'corpus':<10} {figures(lens, inside, arguments.draws)}", flush=True)
    few = [[x] for _, x in some]
    print(f"{len(few)} full sequences of it {figures(lens, few, arguments.draws)}")
    print(more(lens, [x for _, x in some]), flush=True)
    mean = torch.cat([x for _, x in some]).mean(0)
    sequences = [s for s, _ in spaced(some, arguments.sequences)]
    clean = lens.cross_entropy(sequences)
    spliced = lens.cross_entropy(sequences, lens.made)
    ablated = lens.cross_entropy(sequences, mean.expand_as)
    zero = lens.cross_entropy(sequences, torch.zeros_like)
    print(
        f"{len(sequences)} sequences: cross-entropy {clean:.3f}, spliced {spliced:.3f}, mean"
        f" {ablated:.3f}, zero {zero:.3f}; recovered of mean"
        f" {(ablated - spliced) / (ablated - clean):.3f}, of zero"
        f" {(zero - spliced) / (zero - clean):.3f}"
    )


if __name__ == "__main__":
    main()
