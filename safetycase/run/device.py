"""Which device a model runs on, by what is asked and what is here."""

from __future__ import annotations

import torch

from safetycase.errors import RunFailed


def device_of(name: str) -> str:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` names; refused if it is not here."""
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if here else "cpu"
    known = ["cpu", *(["cuda"] if here else []), *(f"cuda:{n}" for n in range(here))]
    if name not in known:
        raise RunFailed(
            "--device",
            f"a device that is here: auto, {', '.join(known)}",
            found=name,
            remedy="Give another one; torch sees no more.",
        )
    return name
