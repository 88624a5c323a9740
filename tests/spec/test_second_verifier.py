"""The specification suffices: a verifier written from its text finds what this one finds."""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cases import HONEST
from tests.spec.second.agree import differences
from tests.spec.second.argument import argument, limitations
from tests.spec.second.container import Refused
from tests.spec.second.results import results
from tests.spec.second.verifier import Verifier

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "fixtures/cases").glob("*.safetycase"))
VECTORS = sorted((ROOT / "fixtures/vectors").glob("*/vector.json"))

FOUND_IN = {
    "insider-claim-wording-strengthened": ["/axes/0/claim/wording"],
    "insider-control-redrawn": ["/axes/0/arms/22/features/0", "/axes/0/arms/22/features/1"],
    "insider-interval-narrowed": ["/axes/1/comparisons/0/high"],
    "insider-p-value-edited": ["/axes/0/comparisons/0/p"],
}
"""Where a vector's results differ; those of all others are what follows from their rows."""

REFUSED_BY = {
    "insider-label-swapped": "clause 11.5",
    "insider-model-file-swapped": "clause 3.2",
    "outsider-claim-wording-strengthened": "clause 4.3",
    "outsider-label-swapped": "clause 4.3",
}


@cache
def schemas() -> dict[str, Any]:
    """The published schemas by name: a second verifier may read them."""
    files = (ROOT / "schemas/v1").glob("*.schema.json")
    return {f.name.removesuffix(".schema.json"): json.loads(f.read_text()) for f in files}


OF_THE_KIT = (
    "two claims",
    "small effect",
    "ties",
    "no effect",
    "clusters",
    "every control",
    "three samples",
    "majority of three samples",
    "other searches",
    "given texts",
    "strata",
    "refusals alone",
    "missing answers",
    "no feature on one axis",
    "no feature at all",
    "scaled and clamped",
    "projected out",
    "the better of two edits",
    "many edits, one state",
    "graders tried",
    "a judge",
    "audit traces",
)
"""Honest cases of the kit with what the shipped ones have not."""


def opened(path: Path) -> Verifier:
    return Verifier(path.read_bytes(), schemas())


def disagreements(verifier: Verifier) -> list[str]:
    derived = results(verifier)
    found = list(differences(derived, verifier.case["results"]))
    found += differences(
        argument(verifier.plan, derived), verifier.case["argument"], "/argument"
    )
    for axis, rows in verifier.directions.items():
        published = verifier.tensors.rows(f"{axis}.directions")
        found += [f"{axis}.directions/{i}" for i, r in enumerate(rows) if r != published[i]]
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_every_result_of_an_honest_case_is_found_again(path: Path) -> None:
    verifier = opened(path)
    assert disagreements(verifier) == []
    assert set(limitations(verifier.plan)) <= set(verifier.case["limitations"])


@pytest.mark.parametrize("name", OF_THE_KIT)
def test_every_result_of_the_kits_cases_is_found_again(name: str) -> None:
    assert disagreements(Verifier(HONEST[name]().to_bytes(), schemas())) == []


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.parent.name)
def test_of_a_vector_what_it_expects_is_found(path: Path) -> None:
    vector = json.loads(path.read_text())
    case = path.parent / vector["case"]
    expected = vector["expected"]
    clause = REFUSED_BY.get(path.parent.name)
    if clause is not None:
        with pytest.raises(Refused, match=f"^{clause}:"):
            opened(case)
        return
    verifier = opened(case)
    derived = results(verifier)
    assert [a["claim"]["holds"] for a in derived["axes"]] == [
        claim["holds"] for claim in expected["claims"]
    ]
    assert derived["decision"]["tier"] == expected["decision_tier"]
    assert disagreements(verifier) == FOUND_IN.get(path.parent.name, [])


def test_it_imports_nothing_of_the_first() -> None:
    for path in (ROOT / "tests/spec/second").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [n.name for n in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n.startswith(("safetycase", "numpy", "tests.kit"))]
