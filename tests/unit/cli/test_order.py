"""From a plan to its receipt, and what others state into a case: freeze, receipt, attach."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import open_case
from safetycase.cli.main import main
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import read_envelope
from safetycase.envelope.statement import RECEIPT_PREDICATE, open_statement_about
from safetycase.sign.keys import generate
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, KitCase
from tests.kit.toy_order import (
    PROOF,
    RECEIPT,
    STAMP,
    awaited_case,
    trusts_all,
    witnessed_case,
)


@pytest.fixture
def witness_keys(tmp_path: Path) -> Path:
    generate(tmp_path / "w", "wit", roles=("witness",))
    return tmp_path / "w"


def test_a_plan_is_frozen_and_its_witness_confirms_it(
    written_plan: Callable[..., Path],
    witness_keys: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fixed, receipt = tmp_path / "plan.json", tmp_path / "receipt.dsse.json"
    assert main(["plan", "freeze", str(written_plan()), "--out", str(fixed)]) == 0
    data = fixed.read_bytes()
    assert canonical.write(json.loads(data)) == data
    assert f"digest  {sha256_hex(data)}" in capsys.readouterr().out
    asked = ["plan", "receipt", str(fixed), "--key", str(witness_keys), "--out", str(receipt)]
    assert main(asked) == 0
    envelope = read_envelope(receipt.read_bytes(), where="receipt")
    about, said = open_statement_about(envelope, RECEIPT_PREDICATE, where="receipt")
    assert about == sha256_hex(data)
    assert isinstance(said, dict)
    assert main(asked) == 2, "what is there is never written over"
    again = tmp_path / "again.dsse.json"
    assert main([*asked[:-1], str(again)]) == 0
    envelope = read_envelope(again.read_bytes(), where="again")
    _, once_more = open_statement_about(envelope, RECEIPT_PREDICATE, where="again")
    assert isinstance(once_more, dict)
    assert once_more["nonce"] == said["nonce"]


def test_a_developer_gives_no_receipts(
    written_plan: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = tmp_path / "plan.json"
    assert main(["plan", "freeze", str(written_plan()), "--out", str(fixed)]) == 0
    generate(tmp_path / "d", "dev")
    out = tmp_path / "r.dsse.json"
    asked = ["plan", "receipt", str(fixed), "--key", str(tmp_path / "d"), "--out", str(out)]
    assert main(asked) == 2
    assert "--role witness" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("base", "member", "file"),
    [
        (witnessed_case, RECEIPT, "receipt.dsse.json"),
        (awaited_case, STAMP, "plan.tsr"),
        (awaited_case, PROOF, "plan.tlog-proof"),
    ],
)
def test_what_others_state_is_attached_and_counts(
    base: Callable[[], KitCase],
    member: str,
    file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = tmp_path / "toy.safetycase"
    case.write_bytes(base().with_members({RECEIPT: None, STAMP: None, PROOF: None}).to_bytes())
    assert verify(case, trusts_all(), at=AT).outcomes()["ORD-001"] is Outcome.UNKNOWN
    (tmp_path / file).write_bytes(base().members[member])
    assert main(["attach", str(case), str(tmp_path / file)]) == 0
    plan = open_case(case).read(layout.PLAN_NAME)
    assert f"plan       {sha256_hex(plan)}" in capsys.readouterr().out
    assert verify(case, trusts_all(), at=AT).outcomes()["ORD-001"] is Outcome.PASS


def test_a_receipt_of_another_plan_is_not_attached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, receipt = tmp_path / "toy.safetycase", tmp_path / "r.dsse.json"
    case.write_bytes(awaited_case().to_bytes())
    before = case.read_bytes()
    receipt.write_bytes(witnessed_case().members[RECEIPT])
    assert main(["attach", str(case), str(receipt)]) == 2
    assert "a statement about the plan" in capsys.readouterr().err
    assert case.read_bytes() == before
