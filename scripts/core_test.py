"""The verifier works where only the core is installed, without network, writing nothing.

Run by `make core-test` with the Python of an environment that holds the wheel and no extra:
`python -I scripts/core_test.py`. Every case of fixtures/cases is verified in a process that may
neither open a socket, nor start a program, nor open a file for writing.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

CASES = Path(__file__).resolve().parents[1] / "fixtures" / "cases"
POLICY = CASES / "policy.yaml"
ABSENT = (
    "torch",
    "transformers",
    "safetensors",
    "jinja2",
    "weasyprint",
    "scipy",
    "rfc3161_client",
    "py_arkworks_bls12381",
)

SEALED = """
import os, sys

def refuse(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.fork", "os.system")):
        raise PermissionError(event)
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        raise PermissionError(f"open {arguments[0]} for writing")

sys.dont_write_bytecode = True
sys.addaudithook(refuse)
from safetycase.cli.main import main
code = main(sys.argv[1:])
loaded = [name for name in ABSENT if name in sys.modules]
sys.exit(99 if loaded else code)
""".replace("ABSENT", repr(ABSENT))


def verified(*arguments: str) -> tuple[int, str]:
    """Exit code and output of one cold verification."""
    finished = subprocess.run(
        [sys.executable, "-I", "-c", SEALED, "verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr


def require(holds: bool, told: str) -> None:  # noqa: FBT001
    """Stop with what is wrong, or go on."""
    if not holds:
        sys.exit(f"core test failed: {told}")


def main() -> None:
    """Every case: 0 under its policy, 3 without one."""
    require("site-packages" in str(find_spec("safetycase")), "the wheel is not installed")
    for name in ABSENT:
        require(find_spec(name) is None, f"{name} is installed: this is not the core alone")
    cases = sorted(CASES.glob("*.safetycase"))
    require(bool(cases), f"no cases in {CASES}")
    for case in cases:
        code, said = verified(str(case), "--policy", str(POLICY))
        require(code == 0, f"{case.name}: exit {code} with its policy\n{said}")
        code, said = verified(str(case))
        require(code == 3, f"{case.name}: exit {code} without a policy\n{said}")
        sys.stdout.write(f"{case.name}: verified, core alone\n")


if __name__ == "__main__":
    main()
