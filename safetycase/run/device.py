"""Which devices a model runs on, by what is asked and what is here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from safetycase import canonical
from safetycase.errors import RunFailed

SPREADS = ("auto", "balanced", "balanced_low_0", "sequential")
"""Ways in which accelerate spreads a model's parts over the devices that are here."""

DeviceMap = str | dict[str, str]
"""One of those ways, or the device of every part of a model by its name."""


def device_of(name: str) -> str:
    """The device that `auto`, `cpu`, `mps`, `cuda` or `cuda:N` names; refused if not here."""
    known = _here()
    if name == "auto":
        return next((one for one in ("cuda", "mps") if one in known), "cpu")
    if name not in known:
        raise RunFailed(
            "--device",
            f"a device that is here: auto, {', '.join(known)}",
            found=name,
            remedy="Give another one; torch sees no more.",
        )
    return name


def device_map_of(asked: DeviceMap) -> DeviceMap:
    """What `--device-map` asks for: a way to spread, or a JSON file of parts and devices.

    Parts are modules by their path in the network, each on a device that is here or on `disk`.
    A map that has been read already stays as it is.
    """
    if isinstance(asked, dict) or asked in SPREADS:
        return asked
    file = Path(asked)
    if not file.is_file():
        raise RunFailed(
            "--device-map",
            f"{', '.join(SPREADS)}, or a JSON file of modules and their devices",
            found=asked,
        )
    named = canonical.as_object(
        canonical.read(file.read_bytes(), where=asked), where=asked, optional=None
    )
    parts = {
        part: canonical.as_text(device, where=f"{asked}#/{part}")
        for part, device in named.items()
    }
    known = [*_here(), "disk"]
    for part, device in parts.items():
        if device not in known:
            raise RunFailed(
                f"{asked}#/{part}",
                f"a device that is here: {', '.join(known)}",
                found=device,
                remedy="GPUs are spelled like cuda:0; what is on disk is read in every pass.",
            )
    return parts


def spelled_map(placed: Mapping[str, object]) -> dict[str, str]:
    """The device of every part, spelled alike: accelerate names GPUs by number too."""
    return {
        part: str(torch.device("cuda", device) if isinstance(device, int) else device)
        for part, device in placed.items()
    }


def wide(x: torch.Tensor) -> torch.Tensor:
    """The same in float64: on the processor where its device has none."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def free_memory() -> None:
    """What the allocators of the devices keep for later is given back."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _here() -> list[str]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{n}" for n in range(gpus)), *mps]
