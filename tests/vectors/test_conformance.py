"""The vectors of fixtures/vectors through the command line, as for any other implementation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
VECTORS = sorted(path.parent for path in FOLDER.glob("*/vector.json"))
SPEC = FOLDER.parents[1] / "docs" / "spec" / "conformance.md"


def of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "vector.json").read_bytes())
    return read


def test_there_are_vectors_of_every_character() -> None:
    characters = [of(folder)["character"] for folder in VECTORS]
    assert set(characters) == {"honest", "outsider", "insider", "forger"}
    assert len(VECTORS) >= 12
    assert characters.count("honest") == 7
    assert sum("escrow" in of(folder) for folder in VECTORS) == 4


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_the_command_line_says_what_is_expected(folder: Path) -> None:
    """If a check was added: `python -m tests.kit.vectors` makes them anew; look at the diff."""
    about = of(folder)
    command = [sys.executable, "-m", "safetycase", "verify", "--json", "--at", about["at"]]
    files = ["--policy", str(folder / about["policy"]), str(folder / about["case"])]
    if "escrow" in about:
        files += ["--escrow", str(folder / about["escrow"])]
    done = subprocess.run([*command, *files], capture_output=True, check=False)
    verdict = json.loads(done.stdout)
    expected = about["expected"]
    assert done.returncode == expected["exit_code"], done.stderr
    failing = [r["check"] for r in verdict["results"] if r["outcome"] in {"FAIL", "ERROR"}]
    assert failing == expected["failing"]
    claims = [{k: claim[k] for k in ("axis", "tier", "holds")} for claim in verdict["claims"]]
    assert claims == expected["claims"]
    assert verdict["decision_tier"] == expected["decision_tier"]


def test_the_specification_names_every_field() -> None:
    text = SPEC.read_text(encoding="utf-8")
    about = {name: held for folder in VECTORS for name, held in of(folder).items()}
    for name in [*about, *about["expected"], *about["expected"]["claims"][0]]:
        assert f"`{name}`" in text, name
