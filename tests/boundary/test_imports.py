"""What importing and running a part of the package must not bring along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "transformers",
    "safetensors",
    "huggingface_hub",
    "gguf",
    "jinja2",
    "weasyprint",
    "scipy",
    "statsmodels",
    "rfc3161_client",
    "py_arkworks_bls12381",
    "safetycase.run",
)


def _python(*arguments: str, timeout: float = 120) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def _loaded_by(statements: str, wanted: tuple[str, ...]) -> list[str]:
    script = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"{statements}\n"
        f"print([m for m in {wanted!r} if m in sys.modules])"
    )
    found: list[str] = ast_list(_python("-I", "-c", script))
    return found


def ast_list(text: str) -> list[str]:
    return [part.strip("' ") for part in text.splitlines()[-1].strip("[]").split(",") if part]


def test_the_probe_sees_what_is_loaded() -> None:
    assert _loaded_by("import jinja2", HEAVY) == ["jinja2"]


@pytest.mark.parametrize(
    "module",
    [
        "verify.engine",
        "sign.signer",
        "bundle.writer",
        "methods.derive",
        "cli.main",
        "report.text",
    ],
)
def test_importing_the_core_loads_neither_runner_nor_templates(module: str) -> None:
    assert _loaded_by(f"import safetycase.{module}", HEAVY) == []


def test_help_loads_nothing_that_takes_time() -> None:
    slow = (*HEAVY, "numpy", "pydantic", "cryptography", "msgspec", "yaml", "rich")
    statements = "from safetycase.cli.main import main\nassert main(['--help']) == 0"
    assert _loaded_by(statements, slow) == []


def test_verifying_loads_neither_runner_nor_templates(tmp_path: Path) -> None:
    case = tmp_path / "x.safetycase"
    case.write_bytes(b"not a case")
    statements = (
        f"from safetycase.cli.main import main\nassert main(['verify', {str(case)!r}]) == 1"
    )
    assert _loaded_by(statements, HEAVY) == []


@pytest.mark.run
def test_every_module_can_be_imported_first() -> None:
    """No module rests on another having been imported before it."""
    script = str(Path(__file__).with_name("import_each.py"))
    count, *failing = _python(script, str(REPOSITORY), timeout=600).split()
    assert failing == []
    assert int(count) > 80
