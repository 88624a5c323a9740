from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from safetycase.bundle import writer
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import add_members, write_case
from safetycase.errors import MalformedInput, SafetyCaseError, UnsafePath, UsageError

CASE = {
    "plan.json": b"{}",
    "evidence/rows.jsonl": b'["a"]\n[1]\n',
    "statements/plan.dsse.json": b"{}",
    "case.json": b"{}",
    "circuits/g.json": b"{}",
}


def test_equal_members_give_equal_bytes_in_one_order(tmp_path: Path) -> None:
    write_case(tmp_path / "a", CASE)
    case = write_case(tmp_path / "b", dict(reversed(CASE.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert case.names == (
        "mimetype", "case.json", "plan.json", "evidence/rows.jsonl", "circuits/g.json",
        "statements/plan.dsse.json",
    )  # fmt: skip


def test_any_zip_program_reads_it(tmp_path: Path) -> None:
    write_case(tmp_path / "a", CASE)
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert archive.testzip() is None
        assert {n: archive.read(n) for n in archive.namelist() if n != "mimetype"} == CASE
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert {i.external_attr >> 16 for i in archive.infolist()} == {0o100644}


def test_members_may_be_files(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"x" * 3_000_000)
    from_file = write_case(tmp_path / "a", CASE | {"evidence/x.jsonl": tmp_path / "rows"})
    assert from_file.read("evidence/x.jsonl") == b"x" * 3_000_000
    write_case(tmp_path / "b", CASE | {"evidence/x.jsonl": b"x" * 3_000_000})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (CASE | {"notes.txt": b"x"}, UnsafePath),
        (CASE | {"evidence/x.jsonl": b""}, MalformedInput),
        (CASE | {"mimetype": b"application/zip"}, MalformedInput),
        ({"case.json": b"{}"}, MalformedInput),
    ],
)
def test_a_refusal_leaves_what_was_there(
    tmp_path: Path, members: dict[str, bytes], kind: type[SafetyCaseError]
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"earlier")
    with pytest.raises(kind):
        write_case(path, members)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_while_writing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_case(path, CASE)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_require_written", fail)
    with pytest.raises(KeyboardInterrupt):
        write_case(path, CASE | {"case.json": b"[]"})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_source_that_changes_while_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_file_pieces", lambda _: iter([b"other"]))
    (tmp_path / "rows").write_bytes(b"rows")
    with pytest.raises(MalformedInput, match=r"what was written, found evidence/x\.jsonl"):
        write_case(tmp_path / "a", CASE | {"evidence/x.jsonl": tmp_path / "rows"})
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a folder to write in"):
        write_case(tmp_path / "none" / "a", CASE)


def test_members_are_added_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    before = write_case(path, CASE)
    extra = {"report/case.html": b"<p>", "statements/case.dsse.json": b"{}"}
    after = add_members(path, extra, opened=before)
    assert after.bound_digests() == before.bound_digests()
    assert {name: after.read(name) for name in extra} == extra
    assert set(after.names) == {*before.names, *extra}
    write_case(tmp_path / "b", CASE | extra)
    assert path.read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["case.json", "evidence/x.jsonl", "mimetype", "x"])
def test_bound_members_cannot_be_added(tmp_path: Path, name: str) -> None:
    write_case(tmp_path / "a", CASE)
    with pytest.raises(UnsafePath, match="a statement or a rendering"):
        add_members(tmp_path / "a", {name: b"{}"})


def test_an_added_member_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_case(path, CASE)
    with pytest.raises(MalformedInput, match="not there yet"):
        add_members(path, {"statements/plan.dsse.json": b"[]"})
    case = add_members(path, {"statements/plan.dsse.json": b"[]"}, replace=True)
    assert case.read("statements/plan.dsse.json") == b"[]"


def test_a_case_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    opened = write_case(path, CASE)
    write_case(path, CASE | {"case.json": b"[]"})
    with pytest.raises(MalformedInput, match="the case as it was opened"):
        add_members(path, {"report/case.html": b"<p>"}, opened=opened)
    assert open_case(path).read("case.json") == b"[]"
