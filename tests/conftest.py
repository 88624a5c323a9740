"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


os.environ.pop("COLUMNS", None)
"""A parallel worker of pytest says 80; what is printed without a terminal is not cut."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of outside conformance vectors; tests that need it are skipped without it."""
    folder = Path(os.environ.get("SAFETYCASE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "vectors").is_dir():
        pytest.skip(f"no conformance vectors in {folder}: set SAFETYCASE_SHARED")
    return folder
