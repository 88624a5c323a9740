"""The specification suffices: a verifier written from its text finds what this one finds."""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.kit.builder import KitCase, resign
from tests.kit.cases import HONEST
from tests.kit.redacted import (
    for_auditors,
    lengths_coarse,
    opens_for_auditors,
    opens_lengths,
    opens_prompts,
    opens_texts,
    prompts_withheld,
    texts_withheld,
)
from tests.kit.register import register_all
from tests.spec.second.agree import differences
from tests.spec.second.argument import argument, limitations
from tests.spec.second.container import Refused
from tests.spec.second.results import results
from tests.spec.second.verifier import Unknown, Verifier

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

UNKNOWN = {"honest-redacted"}
"""Vectors of which nothing can be derived."""

REFUSED_BY = {
    "insider-exact-length-in-a-coarse-column": "clause 20.3",
    "insider-label-swapped": "clause 11.5",
    "insider-model-file-swapped": "clause 3.2",
    "outsider-another-text-in-a-single-cell": "clause 20.5",
    "outsider-another-text-under-the-right-salt": "clause 20.5",
    "outsider-claim-wording-strengthened": "clause 4.3",
    "outsider-label-swapped": "clause 4.3",
}


@cache
def schemas() -> dict[str, Any]:
    """The published schemas by name: a second verifier may read them."""
    files = (ROOT / "schemas/v1").glob("*.schema.json")
    return {f.name.removesuffix(".schema.json"): json.loads(f.read_text()) for f in files}


RULES = (ROOT / "docs/spec/rules.md").read_text(encoding="utf-8")


def opened(path: Path, escrow: Path | None = None) -> Verifier:
    given = None if escrow is None else escrow.read_bytes()
    return Verifier(path.read_bytes(), schemas(), given, RULES)


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


@pytest.mark.parametrize("name", HONEST)
def test_every_result_of_the_kits_cases_is_found_again(name: str) -> None:
    assert disagreements(Verifier(HONEST[name]().to_bytes(), schemas())) == []


REDACTED = {
    "texts": (texts_withheld, opens_texts),
    "prompts": (prompts_withheld, opens_prompts),
    "coarse lengths": (lengths_coarse, opens_lengths),
    "auditors": (for_auditors, opens_for_auditors),
}


@pytest.mark.parametrize("name", REDACTED)
def test_a_redacted_case_opens_to_the_results_of_the_full_one(name: str) -> None:
    build, opens = REDACTED[name]
    case = build()
    verifier = Verifier(case.to_bytes(), schemas(), opens(case), RULES)
    assert disagreements(verifier) == []
    with pytest.raises(Unknown):
        Verifier(case.to_bytes(), schemas(), None, RULES)


NOT_REFUSED = {"ground-of-ones-own", "file-that-was-never-there-withheld"}
"""What the second does not look at: schemas of documents, and which files a plan asks for."""

CLAUSE_OF = {
    "EVI-001": "11.5",
    "RED-001": "20.1",
    "RED-002": "20.3",
    "RED-003": "20.5",
    "RED-004": "20.5a",
    "SCH-003": "6.1a?",
}
"""Where the second verifier refuses what a check of the first does."""


@pytest.mark.parametrize("family", ["opening", "redaction"])
def test_what_the_first_refuses_of_a_redaction_the_second_refuses_too(family: str) -> None:
    for name, one in register_all().items():
        if one.family != family or not one.refused_by or name in NOT_REFUSED:
            continue
        altered = one.alters(one.base())
        assert isinstance(altered, KitCase)
        case = altered if one.character == "outsider" else resign(altered)
        escrow = None if one.escrow is None else one.escrow(case)
        with pytest.raises(Refused, match=rf"^clause {CLAUSE_OF[min(one.refused_by)]}:"):
            Verifier(case.to_bytes(), schemas(), escrow, RULES)


@pytest.mark.parametrize("path", VECTORS, ids=lambda p: p.parent.name)
def test_of_a_vector_what_it_expects_is_found(path: Path) -> None:
    vector = json.loads(path.read_text())
    case = path.parent / vector["case"]
    expected = vector["expected"]
    escrow = path.parent / vector["escrow"] if "escrow" in vector else None
    clause = REFUSED_BY.get(path.parent.name)
    if clause is not None:
        with pytest.raises(Refused, match=f"^{clause}:"):
            opened(case, escrow)
        return
    if path.parent.name in UNKNOWN:
        with pytest.raises(Unknown):
            opened(case, escrow)
        assert {claim["holds"] for claim in expected["claims"]} == {None}
        return
    verifier = opened(case, escrow)
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
