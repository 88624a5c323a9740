from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import write_case
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import read_envelope
from safetycase.envelope.statement import open_statement
from safetycase.envelope.trust import TrustedSigners, verify_envelope
from safetycase.errors import MalformedInput, SafetyCaseError
from safetycase.sign import keys, signer
from safetycase.sign.signer import sign_case

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODEL = "cd" * 32
STATEMENT = "statements/case.dsse.json"
CASE = {
    "case.json": f'{{"subject":{{"manifest_digest":"{MODEL}"}}}}'.encode(),
    "plan.json": b"{}",
    "evidence/rows.jsonl": b'["a"]\n[1]\n',
    "circuits/g.json": b"{}",
    "report/case.html": b"<p>",
    "statements/plan.dsse.json": b"{}",
}


@pytest.fixture
def case(tmp_path: Path) -> Path:
    write_case(tmp_path / "c.safetycase", CASE)
    return tmp_path / "c.safetycase"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.generate(tmp_path / "keys", "lab")
    return tmp_path / "keys"


def verified(path: Path, *trusted: keys.SigningKeys) -> tuple[str, ...]:
    envelope = read_envelope(open_case(path).read(STATEMENT), where="x")
    return verify_envelope(
        envelope, TrustedSigners(tuple(k.signer for k in trusted)), NOW
    ).verified


def test_a_signed_case_verifies_and_its_statement_lists_every_bound_file(
    case: Path, folder: Path
) -> None:
    before = open_case(case)
    signed = sign_case(case, folder)
    after = open_case(case)
    envelope = read_envelope(after.read(STATEMENT), where="x")
    statement = open_statement(envelope, where="x")
    assert signed.case_id == sha256_hex(envelope.payload)
    assert signed.keyids == tuple(s.keyid for s in envelope.signatures)
    assert envelope.remarks == ()
    assert statement.model_manifest_digest == MODEL
    assert statement.files == after.bound_digests() == before.bound_digests()
    assert [file.path for file in statement.files] == [
        "case.json", "circuits/g.json", "evidence/rows.jsonl", "plan.json",
    ]  # fmt: skip
    assert {n: after.read(n) for n in CASE} == CASE
    assert verified(case, keys.load(folder)) == ("lab",)


def test_a_second_signer_joins_and_signing_again_replaces_ones_own(
    case: Path, folder: Path
) -> None:
    keys.generate(folder, "reviewer")
    first = sign_case(case, folder, name="lab")
    second = sign_case(case, folder, name="reviewer")
    again = sign_case(case, folder, name="lab")
    assert first.case_id == second.case_id == again.case_id
    both = keys.load(folder, "lab"), keys.load(folder, "reviewer")
    assert verified(case, *both) == ("lab", "reviewer")
    envelope = read_envelope(open_case(case).read(STATEMENT), where="x")
    assert len(envelope.signatures) == 4


def test_a_case_changed_since_it_was_signed_is_refused(case: Path, folder: Path) -> None:
    sign_case(case, folder)
    envelope = open_case(case).read(STATEMENT)
    write_case(case, CASE | {"evidence/rows.jsonl": b"[2]\n", STATEMENT: envelope})
    before = case.read_bytes()
    with pytest.raises(MalformedInput, match="the files as they were signed"):
        sign_case(case, folder)
    assert case.read_bytes() == before
    sign_case(case, folder, replace=True)
    assert verified(case, keys.load(folder)) == ("lab",)


def test_replacing_drops_signatures_over_the_earlier_files(case: Path, folder: Path) -> None:
    keys.generate(folder, "reviewer")
    sign_case(case, folder, name="reviewer")
    envelope = open_case(case).read(STATEMENT)
    write_case(case, CASE | {"evidence/rows.jsonl": b"[2]\n", STATEMENT: envelope})
    sign_case(case, folder, name="lab", replace=True)
    both = keys.load(folder, "lab"), keys.load(folder, "reviewer")
    assert verified(case, *both) == ("lab",)


def test_a_case_that_changes_while_it_is_signed_is_refused(
    case: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = keys.load

    def change_then_load(*arguments: object) -> keys.SigningKeys:
        write_case(case, CASE | {"evidence/rows.jsonl": b"[3]\n"})
        return load(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(signer, "load", change_then_load)
    with pytest.raises(MalformedInput, match="the case as it was opened"):
        sign_case(case, folder)
    assert STATEMENT not in open_case(case)


@pytest.mark.parametrize(
    "record",
    [b"{}", b"[]", b"not json", b'{"subject":{}}', b'{"subject":{"manifest_digest":null}}',
     b'{"subject":{"manifest_digest":"abc"}}',
     CASE["case.json"].replace(b"cdcd", b"CDCD"),
     CASE["case.json"].replace(b'{"subject"', b'{"subject":1,"subject"')],
)  # fmt: skip
def test_a_record_without_one_model_digest_is_refused(
    case: Path, folder: Path, record: bytes
) -> None:
    write_case(case, CASE | {"case.json": record})
    with pytest.raises(SafetyCaseError):
        sign_case(case, folder)
    assert STATEMENT not in open_case(case)


def test_what_is_not_a_case_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "x").write_bytes(b"not a zip")
    with pytest.raises(MalformedInput):
        sign_case(tmp_path / "x", folder)
    assert (tmp_path / "x").read_bytes() == b"not a zip"
