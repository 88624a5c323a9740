"""An escrow opens for the auditors that it was sealed for, unaltered, and for nobody else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safetycase.errors import KeyRefused, MalformedInput, SchemaViolation
from safetycase.sign.sealing import (
    AuditorKey,
    SealedEscrow,
    generate_auditor,
    is_sealed,
    read_auditor,
    seal,
    unseal,
)
from safetycase.tables.escrow import Escrow, read_escrow, write_escrow

CASE = "ab" * 32
ESCROW = write_escrow(Escrow.empty())


@pytest.fixture
def two(tmp_path: Path) -> list[AuditorKey]:
    return [generate_auditor(tmp_path, name) for name in ("ann", "bob")]


def _altered(data: bytes, **changes: Any) -> bytes:
    whole = msgspec.json.decode(data, type=SealedEscrow)
    return msgspec.json.encode(msgspec.structs.replace(whole, **changes))


def test_every_auditor_opens_it(tmp_path: Path, two: list[AuditorKey]) -> None:
    data = seal(ESCROW, CASE, two)
    assert is_sealed(data)
    assert not is_sealed(ESCROW)
    assert b'"columns"' not in data
    for name in ("ann", "bob"):
        opened = read_escrow(unseal(data, tmp_path / f"{name}.auditor.key"))
        assert opened.auditors == sorted(one.fingerprint() for one in two)
        assert msgspec.structs.replace(opened, auditors=[]) == Escrow.empty()


def test_nobody_else_does(tmp_path: Path, two: list[AuditorKey]) -> None:
    data = seal(ESCROW, CASE, two[:1])
    with pytest.raises(KeyRefused, match="the key of ann, found another's"):
        unseal(data, tmp_path / "bob.auditor.key")
    whole = msgspec.json.decode(data, type=SealedEscrow)
    stolen = msgspec.structs.replace(whole.recipients[0], key=two[1].fingerprint())
    with pytest.raises(MalformedInput, match="as it was sealed"):
        unseal(_altered(data, recipients=[stolen]), tmp_path / "bob.auditor.key")


def test_what_was_altered_does_not_open(tmp_path: Path, two: list[AuditorKey]) -> None:
    data, key = seal(ESCROW, CASE, two), tmp_path / "ann.auditor.key"
    sealed = msgspec.json.decode(data, type=SealedEscrow).sealed
    recipients = msgspec.json.decode(data, type=SealedEscrow).recipients
    for bad in (
        _altered(data, case="cd" * 32),
        _altered(data, recipients=recipients[:1]),
        _altered(data, recipients=recipients[::-1]),
        _altered(data, recipients=[*recipients, recipients[1]]),
        _altered(data, sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])),
        _altered(data, sealed=b""),
    ):
        with pytest.raises(MalformedInput, match="as it was sealed"):
            unseal(bad, key)
    for bad in (b"", b"{}", data[:-40], _altered(data, case="x")):
        with pytest.raises(MalformedInput, match="a sealed escrow"):
            unseal(bad, key)


def test_what_was_sealed_must_be_an_escrow(tmp_path: Path, two: list[AuditorKey]) -> None:
    with pytest.raises(SchemaViolation, match="an escrow"):
        unseal(seal(b"{}", CASE, two), tmp_path / "ann.auditor.key")


def test_two_sealings_have_nothing_in_common(two: list[AuditorKey]) -> None:
    one, other = (
        msgspec.json.decode(seal(ESCROW, CASE, two), type=SealedEscrow) for _ in range(2)
    )
    assert one.sealed != other.sealed
    assert len({r.wrapped for r in (*one.recipients, *other.recipients)}) == 4


def test_the_private_file_is_for_its_owner(tmp_path: Path, two: list[AuditorKey]) -> None:
    key = tmp_path / "ann.auditor.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert read_auditor(tmp_path / "ann.auditor.json") == two[0]
    data = seal(ESCROW, CASE, two)
    key.chmod(0o640)
    with pytest.raises(KeyRefused, match="only its owner"):
        unseal(data, key)


@pytest.mark.parametrize("text", ["", "xyz", "00" * 95, "00" * 97])
def test_what_is_no_private_key_is_refused(
    text: str, tmp_path: Path, two: list[AuditorKey]
) -> None:
    key = tmp_path / "bad.auditor.key"
    key.write_text(text)
    key.chmod(0o600)
    with pytest.raises(KeyRefused, match="private key"):
        unseal(seal(ESCROW, CASE, two), key)


@pytest.mark.parametrize(
    "changes",
    [{"public": b"short"}, {"public": bytes(1217)}, {"name": "../ann"}, {"kem": "rsa"}],
)
def test_what_is_no_auditor_s_key_is_refused(
    changes: dict[str, Any], tmp_path: Path, two: list[AuditorKey]
) -> None:
    path = tmp_path / "bad.auditor.json"
    path.write_bytes(msgspec.json.encode(msgspec.to_builtins(two[0]) | changes))
    with pytest.raises(KeyRefused, match="public key"):
        read_auditor(path)


def test_keys_are_never_overwritten(tmp_path: Path, two: list[AuditorKey]) -> None:
    assert two
    with pytest.raises(KeyRefused, match="never overwritten"):
        generate_auditor(tmp_path, "ann")
    with pytest.raises(KeyRefused):
        generate_auditor(tmp_path, "../eve")
