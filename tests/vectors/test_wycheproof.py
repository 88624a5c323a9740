"""C2SP/wycheproof: Ed25519 and ML-DSA-65 verification through our key class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetycase.envelope import keys
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.errors import KeyRefused


def groups(shared: Path, name: str, count: int) -> list[dict[str, Any]]:
    suite = json.loads((shared / "vectors/wycheproof" / name).read_bytes())
    assert sum(len(group["tests"]) for group in suite["testGroups"]) == count
    found: list[dict[str, Any]] = suite["testGroups"]
    return found


def test_ed25519(shared: Path) -> None:
    verdicts = {"valid": 0, "invalid": 0}
    for group in groups(shared, "ed25519_test.json", 151):
        key = PublicKey(Algorithm.ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        for test in group["tests"]:
            message, sig = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            assert key.verifies(message, sig) is (test["result"] == "valid"), test
            verdicts[test["result"]] += 1
    assert verdicts["valid"] > 0
    assert verdicts["invalid"] > 0


def test_ml_dsa_65(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context is fixed in the package; the suite's own is put in its place here."""
    verdicts = {"valid": 0, "invalid": 0, "refused key": 0}
    for group in groups(shared, "mldsa_65_verify_test.json", 210):
        try:
            key = PublicKey(Algorithm.ML_DSA_65, bytes.fromhex(group["publicKey"]))
        except KeyRefused:
            assert {test["result"] for test in group["tests"]} == {"invalid"}
            verdicts["refused key"] += len(group["tests"])
            continue
        for test in group["tests"]:
            context = bytes.fromhex(test.get("ctx", ""))
            if len(context) > 255:
                assert test["result"] == "invalid"
                continue
            monkeypatch.setattr(keys, "ML_DSA_CONTEXT", context)
            message, sig = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            assert key.verifies(message, sig) is (test["result"] == "valid"), test
            verdicts[test["result"]] += 1
    assert min(verdicts.values()) > 0
