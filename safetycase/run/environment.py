"""The machine and libraries of a run, as far as they bear on its numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch

from safetycase import __version__
from safetycase.record.case import Environment
from safetycase.run.model import LoadedModel

PACKAGES = ("numpy", "safetensors", "tokenizers", "torch", "transformers")
"""Packages whose version can change a number."""

_SMALL, _MEDIUM = 20_000_000, 1_000_000_000


def default_batch_rows(parameters: int) -> int:
    """Rows of a batch for a model of that many weights: never by the machine."""
    if parameters < _SMALL:
        return 1024
    return 64 if parameters < _MEDIUM else 16


def default_threads(parameters: int) -> int | None:
    """Threads for a model of that many weights; none leaves it to torch.

    A small model spends longer on waiting for a second thread than on adding, and one thread
    gives the same numbers on machines with more or fewer cores.
    """
    return 1 if parameters < _SMALL else None


def environment(
    model: LoadedModel, *, batch_rows: int, batch_rows_by: Literal["trial"] | None = None
) -> Environment:
    """The environment of this process, for the record and for the key of every unit."""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages={"safetycase": __version__}
        | {name: version(name) for name in PACKAGES}
        | _kernels(_devices(model)),
        device=", ".join(_device(device) for device in _devices(model)),
        threads=torch.get_num_threads(),
        attention=model.attention,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        batch_rows=batch_rows,
        batch_rows_by=batch_rows_by,
        device_map=model.device_map,
        flags=_flags(_devices(model)),
    )


def _devices(model: LoadedModel) -> list[torch.device]:
    """The devices that compute, the one that tokens go to first."""
    placed = (model.device_map or {}).values()
    others = {torch.device(name) for name in placed if name != "disk"} - {model.device}
    return [model.device, *sorted(others, key=str)]


def _flags(devices: Sequence[torch.device]) -> dict[str, str] | None:
    """What is set of a GPU's kernels, as far as numbers can depend on it; else nothing is."""
    if all(device.type != "cuda" for device in devices):
        return None
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    kernels = ("flash", "mem_efficient", "math", "cudnn")
    enabled = [name for name in kernels if getattr(cuda, f"{name}_sdp_enabled")()]
    return {
        "attention kernels": ", ".join(enabled),
        "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG", "none"),
        "cudnn.benchmark": str(cudnn.benchmark),
        "cudnn.deterministic": str(cudnn.deterministic),
        "float32 matmul": torch.get_float32_matmul_precision(),
        "tf32": str(cuda.matmul.allow_tf32),
    }


def _kernels(devices: Sequence[torch.device]) -> dict[str, str]:
    """What computes on a GPU, by version; a processor's kernels come with torch."""
    if any(device.type == "mps" for device in devices):
        return {"macos": platform.mac_ver()[0] or "not told"}
    if all(device.type != "cuda" for device in devices):
        return {}
    driver = Path("/proc/driver/nvidia/version")
    found = driver.read_text().splitlines()[0] if driver.is_file() else "not told"
    return {
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        "driver": " ".join(found.split()),
    }


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"mps {platform.processor()}"
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
