from __future__ import annotations

import stat
from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.cli.main import main


def test_keys_stand_in_the_folder_and_only_their_owner_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", "lab", "--out", str(tmp_path / "keys")]) == 0
    names = sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert names == ["lab.ed25519.pem", "lab.ml-dsa-65.pem", "lab.pub.json"]
    for name in names[:2]:
        assert stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) == 0o600
    entry = canonical.read((tmp_path / "keys" / "lab.pub.json").read_bytes(), where="entry")
    assert isinstance(entry, dict)
    assert (entry["name"], entry["roles"]) == ("lab", ["developer"])
    said = capsys.readouterr().out
    assert "PRIVATE" not in said
    assert "lab.pub.json" in said


def test_roles_are_those_asked_for(tmp_path: Path) -> None:
    roles = ["--role", "reviewer", "--role", "auditor"]
    assert main(["keygen", "lab", "--out", str(tmp_path), *roles]) == 0
    entry = canonical.read((tmp_path / "lab.pub.json").read_bytes(), where="entry")
    assert isinstance(entry, dict)
    assert entry["roles"] == ["reviewer", "auditor"]


def test_keys_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "lab", "--out", str(tmp_path)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["keygen", "lab", "--out", str(tmp_path)]) == 2
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert "never overwritten" in capsys.readouterr().err


def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path) -> None:
    assert main(["keygen", "../lab", "--out", str(tmp_path / "keys")]) == 2
    assert not (tmp_path / "lab.pub.json").exists()
    assert not (tmp_path / "keys").exists()
