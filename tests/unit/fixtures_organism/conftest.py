from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

ORGANISM = Path(__file__).resolve().parents[3] / "fixtures" / "organism"


@pytest.fixture(scope="session")
def organism() -> Path:
    return ORGANISM


@pytest.fixture(scope="session")
def corpus() -> ModuleType:
    sys.path.insert(0, str(ORGANISM))
    try:
        import corpus as module
    finally:
        sys.path.remove(str(ORGANISM))
    return module
