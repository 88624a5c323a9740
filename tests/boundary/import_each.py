"""Imports every module of the package in a fresh child of a process that has none of ours.

Third-party packages are loaded once, in the parent, so that a hundred imports take seconds.
Prints the modules that cannot be imported by themselves.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path

PRELOADED = ("numpy", "pydantic", "msgspec", "yaml", "typer", "rich.progress", "jinja2")
FOR_THE_RUNNER = ("torch", "safetensors.torch", "transformers.cache_utils")
LOADED_WHEN_ASKED_FOR = (
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "PreTrainedModel",
    "PreTrainedTokenizerFast",
)
"""Names of transformers, which loads what stands behind a name when that is first used."""

NEEDS = {"ray": "safetycase.run.engines.ray"}
"""Packages that the tests do not install, and the module that each is for."""


def modules(package: Path) -> list[str]:
    """Every module below the package but `__main__`, which runs."""
    paths = sorted(package.rglob("*.py"))
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names if "__main__" not in name]


def fails_alone(name: str) -> bool:
    """Whether a child that imports this module first, and alone, fails."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            importlib.import_module(name)
        except BaseException:  # noqa: BLE001  # the child has nobody else to tell
            traceback.print_exc()
            status = 1
        sys.stderr.flush()
        os._exit(status)
    return os.waitpid(child, 0)[1] != 0


def main() -> None:
    """Print the names, light modules first."""
    root = Path(sys.argv[1])
    sys.path.insert(0, str(root))
    absent = [NEEDS[extra] for extra in NEEDS if find_spec(extra) is None]
    names = [name for name in modules(root / "safetycase") if name not in absent]
    runner = [name for name in names if name.startswith("safetycase.run")]
    for name in PRELOADED:
        importlib.import_module(name)
    failing = [name for name in names if name not in runner and fails_alone(name)]
    for name in FOR_THE_RUNNER:
        importlib.import_module(name)
    transformers = importlib.import_module("transformers")
    for name in LOADED_WHEN_ASKED_FOR:
        getattr(transformers, name)
    failing += [name for name in runner if fails_alone(name)]
    assert not [name for name in sys.modules if name.startswith("safetycase")]
    sys.stdout.write(" ".join([str(len(names)), *failing]))


if __name__ == "__main__":
    main()
