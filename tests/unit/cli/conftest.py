"""A small plan with its files, and the command line as a user has it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from safetycase.bundle.tensors import write_tensors
from safetycase.canonical import write
from tests.unit.methods.plans import plan_data

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Command = Callable[..., Said]


_CONFIG = {
    "model": b'{"model_type":"gemma3_text"}',
    "dictionary": write(
        {
            "architecture": "jump_relu",
            "affine_connection": False,
            "hf_hook_point_in": "model.layers.1.output",
            "hf_hook_point_out": "model.layers.1.output",
            "l0": 2,
            "model_name": "toy",
            "type": "sae",
            "width": 8,
        }
    ),
}
_TENSORS = {
    "model": {},
    "dictionary": {
        "w_enc": np.zeros((4, 8), dtype=np.float32),
        "w_dec": np.zeros((8, 4), dtype=np.float32),
        "b_enc": np.zeros(8, dtype=np.float32),
        "b_dec": np.zeros(4, dtype=np.float32),
        "threshold": np.zeros(8, dtype=np.float32),
    },
}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs `safetycase` in a process of its own, in a folder of its own."""

    def call(*arguments: object) -> Said:
        finished = subprocess.run(
            [sys.executable, "-m", "safetycase", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(finished.returncode, finished.stdout, finished.stderr)

    return call


Alter = Callable[[dict[str, Any]], None]


@pytest.fixture
def written_plan(tmp_path: Path) -> Callable[..., Path]:
    """Writes a plan, altered as asked, beside files that can be digested but not loaded."""

    def make(alter: Alter | None = None) -> Path:
        folder = tmp_path / "plan"
        for name, file in (("model", "model"), ("dictionary", "params")):
            part = folder / name
            part.mkdir(parents=True)
            (part / "config.json").write_bytes(_CONFIG[name])
            (part / f"{file}.safetensors").write_bytes(write_tensors(_TENSORS[name]))
        items = [
            {
                "id": f"i{n}",
                "cluster": f"c{n}",
                "kind": "k",
                "context": "yes",
                "prompt": f"p{n}",
            }
            for n in range(400)
        ]
        (folder / "items.jsonl").write_bytes(b"\n".join(map(write, items)) + b"\n")
        data = plan_data()
        for part in (data["model"], *data["dictionaries"]):
            del part["manifest_digest"]
        del data["datasets"][0]["sha256"]
        if alter is not None:
            alter(data)
        path = folder / "plan.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return make
