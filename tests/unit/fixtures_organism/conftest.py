"""The maker's modules, which import one another by plain names as scripts do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ORGANISM = Path(__file__).resolve().parents[3] / "fixtures" / "organism"


@pytest.fixture(scope="session")
def organism() -> Path:
    return ORGANISM


@pytest.fixture(scope="session")
def _on_path() -> Iterator[None]:
    sys.path.insert(0, str(ORGANISM))
    yield
    sys.path.remove(str(ORGANISM))


@pytest.fixture(scope="session")
def corpus(_on_path: None) -> ModuleType:
    return importlib.import_module("corpus")


@pytest.fixture(scope="session")
def measure(_on_path: None) -> ModuleType:
    pytest.importorskip("torch", reason="the run extra is not installed")
    return importlib.import_module("measure")


@pytest.fixture(scope="session")
def page(_on_path: None) -> ModuleType:
    return importlib.import_module("page")


@pytest.fixture(scope="session")
def dictionary(_on_path: None) -> ModuleType:
    pytest.importorskip("torch", reason="the run extra is not installed")
    return importlib.import_module("dictionary")


@pytest.fixture(scope="session")
def train(_on_path: None) -> ModuleType:
    pytest.importorskip("torch", reason="the run extra is not installed")
    return importlib.import_module("train")
