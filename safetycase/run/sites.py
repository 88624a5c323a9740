"""Reading and editing an activation of a block, wherever the architecture holds it.

The table is `methods.sites`; here it meets a network. What a hook is given is the whole
activation [rows, positions, width] in the model's own number format.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from safetycase.errors import RunFailed
from safetycase.methods.sites import HOOKS, READ_ONLY, Hook, Place
from safetycase.record.sites import Architecture
from safetycase.run.model import LoadedModel, residual_of, with_residual

Seen = Callable[[torch.Tensor], None]
Change = Callable[[torch.Tensor], torch.Tensor]

_BLOCK_INPUT = Hook("", "input")


def require_site(model: LoadedModel, place: Place) -> None:
    """Return only if the model has this place: enough blocks, and that part in them.

    A block that runs attention and MLP side by side has no stream between the two.
    """
    block = model.block(place.layer)
    if place.site == "resid_mid" and getattr(block, "use_parallel_residual", False):
        raise RunFailed(str(place), "attention before the MLP", found="both side by side")
    _module(block, _hook(model.architecture, place), place)


def stream_places(model: LoadedModel) -> list[Place]:
    """Every place at which the residual stream is edited: no more is to be read from it.

    Before the first block, between attention and MLP where they follow one another, and after
    every block.
    """
    places = [Place(0, "resid_pre")]
    for layer, block in enumerate(model.blocks):
        if not getattr(block, "use_parallel_residual", False):
            places.append(Place(layer, "resid_mid"))
        places.append(Place(layer, "resid_post"))
    return places


def on_read(model: LoadedModel, place: Place, seen: Seen) -> RemovableHandle:
    """From here on `seen` gets this activation in every pass, until the handle is removed."""
    require_site(model, place)
    block = model.block(place.layer)
    return _read(block, _hook(model.architecture, place), place, seen)


def on_write(model: LoadedModel, place: Place, change: Change) -> list[RemovableHandle]:
    """From here on this activation is what `change` makes of it, until all are removed.

    The stream between attention and MLP is no module's to return: its change is made where
    attention adds to it, and is zero, to the bit, if `change` gives back what it got.
    """
    require_site(model, place)
    if place.site in READ_ONLY:
        raise RunFailed(str(place), "a site that can be edited", found=f"{place.site} is read")
    block = model.block(place.layer)
    if place.site != "resid_mid":
        return [_write(block, _hook(model.architecture, place), place, change)]
    before: list[torch.Tensor] = []

    def keep(stream: torch.Tensor) -> None:
        before[:] = [stream]

    def add(attention: torch.Tensor) -> torch.Tensor:
        middle = before[0].to(attention.device) + attention
        return attention + (change(middle) - middle)

    added = Place(place.layer, "attn_out")
    return [
        _read(block, _BLOCK_INPUT, Place(place.layer, "resid_pre"), keep),
        _write(block, _hook(model.architecture, added), added, add),
    ]


def _hook(architecture: Architecture, place: Place) -> Hook:
    return HOOKS[architecture][place.site]


def _module(block: nn.Module, hook: Hook, place: Place) -> nn.Module:
    try:
        return block.get_submodule(hook.module)
    except AttributeError as error:
        raise RunFailed(str(place), f"a module {hook.module}", found=str(error)) from None


def _read(block: nn.Module, hook: Hook, place: Place, seen: Seen) -> RemovableHandle:
    module = _module(block, hook, place)

    def see(value: torch.Tensor) -> torch.Tensor:
        seen(value)
        return value

    if hook.side == "normalized":
        return module.register_forward_hook(partial(_read_normalized, seen, place))
    return _write(block, hook, place, see)


def _write(block: nn.Module, hook: Hook, place: Place, change: Change) -> RemovableHandle:
    module = _module(block, hook, place)
    if hook.side == "input":
        return module.register_forward_pre_hook(
            partial(_change_input, change), with_kwargs=True
        )
    return module.register_forward_hook(partial(_change_output, change, str(place)))


def _change_output(
    change: Change, where: str, _module: nn.Module, _inputs: object, output: object
) -> object:
    return with_residual(output, change(residual_of(output, where)))


def _change_input(
    change: Change, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args:
        return (change(args[0]), *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}


def _read_normalized(
    seen: Seen, place: Place, norm: nn.Module, args: tuple[torch.Tensor, ...], _output: object
) -> None:
    seen(normalized(norm, args[0], where=str(place)))


def normalized(norm: nn.Module, x: torch.Tensor, *, where: str) -> torch.Tensor:
    """What a norm holds before gain and bias, float32 [..., width].

    LayerNorm: (x - mean) / sqrt(variance + eps); RMSNorm: x / sqrt(mean x² + eps).
    """
    wide = x.float()
    if isinstance(norm, nn.LayerNorm):
        centred = wide - wide.mean(-1, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + norm.eps)
    eps = getattr(norm, "variance_epsilon", None) or getattr(norm, "eps", None)
    if eps is None:
        raise RunFailed(where, "an RMSNorm or a LayerNorm", found=type(norm).__name__)
    return wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + cast("float", eps))
