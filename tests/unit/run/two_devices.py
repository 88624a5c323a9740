"""A program: tiny networks with blocks on two devices that hold no numbers.

What two GPUs need is here without one: torch's fake tensors know shapes and devices, and refuse
to compute with tensors of two devices; accelerate's own hooks move what blocks are given. A
device called `far` has to be made known for that, once and for all of a process: hence a
program. Prints a line for each network and place; raises where devices do not fit.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from safetycase.methods.sites import Place
from safetycase.run import cache
from safetycase.run.arm_run import ArmRun
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.model import LoadedModel, _find_blocks, make_deterministic, wrap
from safetycase.run.prompts import Prompt, encode
from tests.unit.run.tiny_networks import HIDDEN, MAKERS
from tests.unit.run.tiny_world import tiny_tokenizer

NEAR, FAR = "far:0", "far:1"
TEXTS = ("the audit comes .", "the market is near the garden and the guest .")
PLACES = (
    Place(0, "resid_post"),
    Place(1, "resid_post"),
    Place(2, "resid_pre"),
    Place(2, "resid_mid"),
    Place(2, "mlp_out"),
)
"""The last block is far: its input comes from near."""


def without_numbers() -> None:
    """What fake tensors cannot do: make a tensor of a list on a device, and have an address."""

    def begun(layer: DynamicLayer, keys: torch.Tensor, _values: torch.Tensor) -> None:
        layer.dtype, layer.device, layer.is_initialized = keys.dtype, keys.device, True

    for kind in (DynamicLayer, DynamicSlidingWindowLayer):
        kind.lazy_initialization = begun
    cache.Buffer._start_of = lambda _self, _held: None


def moved(module: torch.nn.Module, device: str) -> None:
    def there(value: torch.Tensor) -> torch.Tensor:
        return torch.empty(value.shape, dtype=value.dtype, device=device)

    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            part._parameters[name] = torch.nn.Parameter(there(weight), requires_grad=False)
        for name, value in part.named_buffers(recurse=False):
            part._buffers[name] = there(value)


def spread(network: PreTrainedModel) -> PreTrainedModel:
    """As accelerate dispatches it: the last block and the last norm are far."""
    skipped = {"skip_keys": "past_key_values"}
    _, blocks = _find_blocks(network)
    beside = [
        (module, FAR if name in {"norm", "ln_f", "final_layer_norm"} else NEAR)
        for name, module in network.base_model.named_children()
        if not isinstance(module, torch.nn.ModuleList)
    ]
    head = network.get_output_embeddings()
    for module, device in [*beside, (head, NEAR), *zip(blocks, (NEAR, NEAR, FAR), strict=True)]:
        moved(module, device)
        add_hook_to_module(module, AlignDevicesHook(execution_device=device, **skipped))
    add_hook_to_module(network, AlignDevicesHook(io_same_device=True, **skipped))
    network.hf_device_map = {"": NEAR}
    return network


def measured(model: LoadedModel, prompts: list[Prompt], place: Place) -> torch.Tensor:
    """Prompts, a step, fewer rows, a step: under an edit there and one near."""
    vector = np.ones(HIDDEN, dtype=np.float32)
    other = Place(1, "mlp_out")
    arms = [BASELINE_EDIT, ArmEdit("a", place, vector, None), ArmEdit("b", other, vector, None)]
    run = ArmRun(model, prompts, arms, {})
    with run.editing():
        tokens = run.prefill(use_cache=True).argmax(-1)
        run.step(tokens, torch.ones_like(tokens, dtype=torch.bool))
        run.keep(torch.arange(0, 4, device=model.device))
        return run.step(tokens[:4], torch.ones_like(tokens[:4], dtype=torch.bool))


def main() -> None:
    make_deterministic()
    _setup_privateuseone_for_python_backend("far")
    without_numbers()
    tokenizer = tiny_tokenizer()
    for name, make in MAKERS.items():
        with FakeTensorMode():
            model = wrap(spread(make().eval()), tokenizer)
            prompts = [encode(model, text, where="test") for text in TEXTS]
            for place in PLACES:
                if name == "gpt_neox parallel" and place.site == "resid_mid":
                    continue
                logits = measured(model, prompts, place)
                assert str(logits.device) == NEAR
                sys.stdout.write(f"{name}: {place}\n")


if __name__ == "__main__":
    main()
