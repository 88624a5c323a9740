from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from safetycase import canonical
from safetycase.envelope.trust import read_signer
from safetycase.errors import KeyRefused, SafetyCaseError, SchemaViolation, UsageError
from safetycase.sign import keys

FILES = {"lab.ed25519.pem", "lab.ml-dsa-65.pem", "lab.pub.json"}


def test_generated_keys_load_and_sign(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    signer = keys.generate(folder, "lab", roles=("developer", "operator"))
    assert {path.name for path in folder.iterdir()} == FILES
    loaded = keys.load(folder)
    assert loaded.signer == signer
    assert signer.roles == ("developer", "operator")
    for public, signature in loaded.sign(b"message"):
        assert public.verifies(b"message", signature)
        assert not public.verifies(b"other", signature)


def test_private_files_are_pkcs8_for_their_owner_only(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    for path in tmp_path.glob("*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
        load_pem_private_key(path.read_bytes(), None)


def test_the_public_file_is_a_policy_entry_and_holds_nothing_private(tmp_path: Path) -> None:
    signer = keys.generate(tmp_path, "lab")
    data = (tmp_path / "lab.pub.json").read_bytes()
    assert read_signer(canonical.read(data, where="x"), where="x") == signer
    assert len(data) < 3000


@pytest.mark.parametrize("existing", sorted(FILES))
def test_no_file_is_ever_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_bytes(b"mine")
    with pytest.raises(KeyRefused, match="never overwritten"):
        keys.generate(tmp_path, "lab")
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../lab", "", "a/b", "Lab", "lab\n"])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaViolation):
        keys.generate(tmp_path / "keys", name)
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_private_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.generate(tmp_path, "lab")
    (tmp_path / "lab.ed25519.pem").chmod(mode)
    with pytest.raises(KeyRefused, match=r"chmod 600 lab\.ed25519\.pem"):
        keys.load(tmp_path)


def test_a_private_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    keys.generate(tmp_path, "other")
    for algorithm in ("ed25519", "ml-dsa-65"):
        mine, theirs = (tmp_path / f"{name}.{algorithm}.pem" for name in ("lab", "other"))
        kept = mine.read_bytes()
        mine.write_bytes(theirs.read_bytes())
        with pytest.raises(KeyRefused, match=r"the private key of lab\.pub\.json"):
            keys.load(tmp_path, "lab")
        mine.write_bytes(kept)
    assert keys.load(tmp_path, "lab").signer.name == "lab"


def test_a_key_of_the_other_algorithm_is_refused(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    ed25519 = (tmp_path / "lab.ed25519.pem").read_bytes()
    (tmp_path / "lab.ml-dsa-65.pem").write_bytes(ed25519)
    with pytest.raises(KeyRefused, match="the private key of"):
        keys.load(tmp_path)


@pytest.mark.parametrize("pem", [b"", b"garbage"])
def test_what_is_not_a_key_is_refused(tmp_path: Path, pem: bytes) -> None:
    keys.generate(tmp_path, "lab")
    (tmp_path / "lab.ed25519.pem").write_bytes(pem)
    with pytest.raises(KeyRefused, match="PKCS#8 PEM"):
        keys.load(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    (tmp_path / "lab.ed25519.pem").unlink()
    with pytest.raises(KeyRefused, match="a readable key file"):
        keys.load(tmp_path)


def test_a_renamed_public_file_is_refused(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    (tmp_path / "lab.pub.json").rename(tmp_path / "other.pub.json")
    with pytest.raises(KeyRefused, match="the name of its signer"):
        keys.load(tmp_path, "other")


def test_with_none_or_two_signers_the_name_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        keys.load(tmp_path)
    keys.generate(tmp_path, "lab")
    keys.generate(tmp_path, "other")
    with pytest.raises(UsageError, match=r"lab\.pub\.json, other\.pub\.json"):
        keys.load(tmp_path)
    assert keys.load(tmp_path, "other").signer.name == "other"


def test_a_public_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.pub.json").write_bytes(b"{")
    with pytest.raises(SafetyCaseError):
        keys.load(tmp_path)


def test_private_keys_do_not_show_in_a_repr(tmp_path: Path) -> None:
    keys.generate(tmp_path, "lab")
    assert "Private" not in repr(keys.load(tmp_path))
