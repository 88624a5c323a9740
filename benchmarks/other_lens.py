"""SAELens and TransformerLens generate under one arm at a time: the other side of a benchmark.

Started by `arms_generate.py` with the Python of an environment of its own, which has `sae-lens`
and `transformer-lens`; imports nothing of this project. `task.json` in the folder given says
what there is to do. It prints one JSON object when model and dictionary are loaded, and one for
every number of an arm that it reads. The edit is that of both libraries' own steering
tutorials: a hook that adds a decoder row of SAELens to the residual stream.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sae_lens import SAE, HookedSAETransformer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


def from_layout(
    path: str | Path, device: str, cfg_overrides: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """SAELens's own reading of the Gemma Scope 2 layout, of a folder instead of the hub."""
    tensors = load_file(Path(path) / "params.safetensors", device=device)
    depth, width = tensors["w_enc"].shape
    config = {
        "architecture": "jumprelu",
        "d_in": depth,
        "d_sae": width,
        "dtype": "float32",
        "device": device,
        "apply_b_dec_to_input": False,
        "normalize_activations": None,
        **(cfg_overrides or {}),
    }
    names = {"w_enc": "W_enc", "w_dec": "W_dec", "b_enc": "b_enc", "b_dec": "b_dec"}
    return config, {names.get(name, name): value for name, value in tensors.items()}


def peak() -> float:
    """GiB of resident memory at the peak so far."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(x for x in status if x.startswith("VmHWM")).split()[1]) / 2**20


def main() -> None:
    """Load, say so, and generate under every arm that is asked for."""
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text("utf-8"))
    vectors = load_file(folder / "vectors.safetensors")
    torch.set_num_threads(task["threads"])
    torch.set_grad_enabled(False)
    plain = AutoModelForCausalLM.from_pretrained(task["model"], dtype=torch.float32)
    model = HookedSAETransformer.from_pretrained_no_processing(
        task["name"],
        hf_model=plain,
        tokenizer=AutoTokenizer.from_pretrained(task["model"]),
        dtype="float32",
    )
    del plain
    model.eval()
    sae = SAE.load_from_disk(task["dictionary"], converter=from_layout)
    prompts = torch.tensor(task["prompts"])
    place = f"blocks.{task['layer']}.hook_resid_post"
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("sae-lens", "transformer-lens", "transformers", "torch")
    ]
    print(json.dumps({"about": ", ".join(versions)}), flush=True)
    for line in sys.stdin:
        arm = line.strip()
        hooks = [(place, adding(sae, vectors[arm], task["features"][arm]))]
        wall, processor = time.perf_counter(), time.process_time()
        rows = []
        for start in range(0, len(prompts), task["rows"]):
            with model.hooks(fwd_hooks=hooks):
                made = model.generate(
                    prompts[start : start + task["rows"]],
                    max_new_tokens=task["new"],
                    stop_at_eos=True,
                    eos_token_id=task["stops"],
                    do_sample=False,
                    use_past_kv_cache=True,
                    prepend_bos=False,
                    return_type="tokens",
                    verbose=False,
                )
            rows += [cut(row, task["stops"]) for row in made[:, prompts.shape[1] :].tolist()]
        said = {
            "wall": time.perf_counter() - wall,
            "processor": time.process_time() - processor,
            "peak": peak(),
            "rows": rows,
        }
        print(json.dumps(said), flush=True)


def adding(sae: SAE[Any], vector: torch.Tensor, feature: int) -> Callable[..., torch.Tensor]:
    """A hook that adds SAELens's decoder row at the vector's length, everywhere but on BOS."""
    row = sae.W_dec[feature]
    steer = row / row.norm() * vector.norm()
    if (steer - vector).abs().max() > 1e-5 * vector.norm():
        sys.exit(f"SAELens has another decoder row for feature {feature}")

    def add(stream: torch.Tensor, hook: object) -> torch.Tensor:  # noqa: ARG001  # it is named
        stream[:, 1 if stream.shape[1] > 1 else 0 :] += steer
        return stream

    return add


def cut(row: list[int], stops: list[int]) -> list[int]:
    """Tokens up to the first that ends the text."""
    for place, token in enumerate(row):
        if token in stops:
            return row[: place + 1]
    return row


if __name__ == "__main__":
    main()
