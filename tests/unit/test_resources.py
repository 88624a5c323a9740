from __future__ import annotations

from pathlib import Path

import pytest

from safetycase import resources
from safetycase.errors import UnsafePath, UsageError


@pytest.mark.parametrize("part", ["..", "a/b", "/etc", "", ".hidden", "a\\b", "a\n"])
def test_a_part_that_could_leave_the_folder_is_refused(part: str) -> None:
    with pytest.raises(UnsafePath):
        resources.resource_path("schemas", part)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError):
        resources.resource_root("fixtures")


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(UsageError, match=r"schemas/none\.json"):
        resources.read_resource("schemas", "none.json")


def test_a_shipped_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "safetycase"
    packed = package / "data" / "policies"
    packed.mkdir(parents=True)
    (package.parent / "policies").mkdir()
    (package.parent / "policies" / "p.yaml").write_bytes(b"tree")
    (packed / "p.yaml").write_bytes(b"packed")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.read_resource("policies", "p.yaml") == b"packed"
    (packed / "p.yaml").unlink()
    packed.rmdir()
    assert resources.read_resource("policies", "p.yaml") == b"tree"
