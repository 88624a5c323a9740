"""Fixtures of the runner's tests; skipped where the run extra is not installed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

import torch

from safetycase.run.model import make_deterministic
from tests.unit.run.tiny_world import Tiny, build


@pytest.fixture(scope="session", autouse=True)
def _deterministic() -> None:
    make_deterministic()
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The tiny world, in memory and on disk."""
    return build(tmp_path_factory.mktemp("tiny"))
