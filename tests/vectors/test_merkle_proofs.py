"""transparency-dev/merkle testdata: RFC 6962 inclusion and consistency proofs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from safetycase import digest
from safetycase.errors import MalformedInput

COUNT = 98


def vectors(shared: Path, family: str) -> list[tuple[str, dict[str, Any]]]:
    folder = shared / "vectors/merkle/testdata" / family
    found = [(str(path), json.loads(path.read_bytes())) for path in folder.rglob("*.json")]
    assert len(found) == COUNT
    return found


def raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def proof(vector: dict[str, Any]) -> list[bytes]:
    return [raw(node) for node in vector["proof"] or []]


def test_inclusion(shared: Path) -> None:
    refused, expected = set(), set()
    for name, v in vectors(shared, "inclusion"):
        leaf, top = raw(v["leafHash"]), raw(v["root"])
        if v["wantErr"]:
            expected.add(name)
        try:
            digest.verify_inclusion(leaf, v["leafIdx"], v["treeSize"], proof(v), top)
        except MalformedInput:
            refused.add(name)
    assert refused == expected
    assert 0 < len(refused) < COUNT


STRICTER_ON_PURPOSE = {
    "sizes-are-equal-one-and-proof-is-empty": "its roots are not 32 bytes long",
}


def test_consistency(shared: Path) -> None:
    stricter, laxer, refused = set(), set(), 0
    for name, v in vectors(shared, "consistency"):
        arguments = (v["size1"], v["size2"], proof(v), raw(v["root1"]), raw(v["root2"]))
        try:
            digest.verify_consistency(*arguments)
        except MalformedInput:
            refused += 1
            if not v["wantErr"]:
                stricter.add(Path(name).stem)
        else:
            if v["wantErr"]:
                laxer.add(name)
    assert laxer == set()
    assert stricter == STRICTER_ON_PURPOSE.keys()
    assert refused < COUNT
