"""`safetycase open` shows what it can prove, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from safetycase.cli.main import main
from safetycase.sign.sealing import generate_auditor, read_auditor, seal
from safetycase.tables.escrow import Escrow, read_escrow
from tests.kit.builder import KitCase, honest_case, resign
from tests.kit.cases import small_case
from tests.kit.redacted import PROMPTS, TEXTS, addressed, case_id_of, edit_opened, redacted_from

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "v1" / "opened.schema.json").read_bytes()
)
Ask = Callable[..., tuple[int, str, str]]
POOLED = "evidence/pooled.safetensors"


@cache
def _made() -> tuple[KitCase, bytes]:
    redacted = redacted_from(small_case(), PROMPTS, coarse=["generations.tokens"])
    case = resign(KitCase(redacted.members))
    return case, addressed(redacted.escrow, case)


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `open` on the small case with an escrow: exit code, output, complaints."""
    case, escrow = _made()
    (tmp_path / "red.safetycase").write_bytes(case.to_bytes())

    def asked(*more: str, escrow: bytes = escrow) -> tuple[int, str, str]:
        (tmp_path / "escrow.json").write_bytes(escrow)
        capsys.readouterr()
        named = [str(tmp_path / "red.safetycase"), "--escrow", str(tmp_path / "escrow.json")]
        code = main(["open", *named, *more])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    return asked


def _part(change: Callable[[Escrow], dict[str, Any]]) -> bytes:
    whole = read_escrow(_made()[1])
    return msgspec.json.encode(msgspec.structs.replace(whole, **change(whole))) + b"\n"


def _texts() -> list[str]:
    return [row.output for row in small_case().rows("generations")]


def test_the_places_are_listed_with_how_far_they_are_open(ask: Ask) -> None:
    code, said, _ = ask()
    assert code == 0
    count = len(_texts())
    assert f"open      generations.output ({count} of {count})" in said.splitlines()
    assert f"open      {POOLED} (1 of 1)" in said.splitlines()
    without = _part(lambda e: {"columns": [c for c in e.columns if c.column != "output"]})
    code, said, _ = ask("--json", escrow=without)
    Draft202012Validator(SCHEMA).validate(json.loads(said))
    listed = {one["place"]: one for one in json.loads(said)["places"]}
    assert code == 3
    assert listed["generations.output"] == {
        "place": "generations.output", "state": "closed", "cells": 0, "of": count,
    }  # fmt: skip
    assert listed["generations.nll"]["state"] == "open"


def test_a_column_is_shown_row_by_row(ask: Ask) -> None:
    code, said, _ = ask("--column", "generations.output", "--json")
    document = json.loads(said)
    assert code == 0
    Draft202012Validator(SCHEMA).validate(document)
    assert document["case"] == case_id_of(_made()[0])
    assert [one["cell"] for one in document["cells"]] == _texts()
    assert document["cells"][3]["place"] == "generations.output:3"


def test_a_cell_is_shown_with_what_is_published_of_its_row(ask: Ask) -> None:
    code, said, _ = ask(
        "--cell", "generations.output:2", "--cell", "generations.tokens:2", "--json"
    )
    Draft202012Validator(SCHEMA).validate(json.loads(said))
    text, tokens = json.loads(said)["cells"]
    row = small_case().rows("generations")[2]
    assert code == 0
    assert (text["cell"], tokens["cell"]) == (row.output, row.tokens)
    published = text["published"]
    assert published["outcome"] == row.outcome
    assert published["tokens"] <= row.tokens < 2 * published["tokens"]
    assert set(published) == {
        "evaluation", "arm", "item", "sample", "tokens", "outcome",
    }  # fmt: skip
    _, said, _ = ask("--cell", "generations.output:2")
    assert said.startswith(f'generations.output:2  "{row.output}"\n    published: ')


def test_what_is_written_is_for_its_owner(ask: Ask, tmp_path: Path) -> None:
    out = tmp_path / "opened.json"
    assert ask("--column", "items.prompt", "--json", "--out", str(out))[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_bytes())["cells"][0]["cell"]
    code, _, told = ask("--column", "items.prompt", "--out", str(out))
    assert (code, "a new file" in told) == (2, True)
    file = tmp_path / "pooled"
    assert ask("--file", POOLED, "--out", str(file))[0] == 0
    assert file.read_bytes() == small_case().members[POOLED]
    assert file.stat().st_mode & 0o777 == 0o600


def _kept(tmp_path: Path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "place", ["--column generations.output", "--cell generations.output:0"]
)
def test_nothing_is_shown_of_what_was_not_committed_to(
    place: str, ask: Ask, tmp_path: Path
) -> None:
    cells = ["I cannot help.", *_texts()[1:]]
    other = edit_opened(_made()[1], "generations", "output", cells=cells)
    option, name = place.split()
    asked = ["--cell", "generations.nll:0", option, name, "--out", str(tmp_path / "out")]
    code, said, told = ask(*asked, escrow=other)
    assert (code, said) == (1, "")
    assert "expected what was committed to, found another value" in told
    assert _kept(tmp_path) == {"red.safetycase", "escrow.json"}
    code, said, _ = ask(escrow=other)
    assert code == 1
    assert "refused   generations.output" in said


def test_nothing_is_shown_of_what_this_escrow_does_not_open(ask: Ask, tmp_path: Path) -> None:
    without = _part(lambda e: {"columns": e.columns[:1], "files": []})
    for asked in (
        ["--column", "generations.output"],
        ["--cell", "generations.output:0"],
        ["--file", POOLED, "--out", str(tmp_path / "out")],
    ):
        code, said, told = ask(*asked, escrow=without)
        assert (code, said) == (3, "")
        assert "none in this escrow" in told
    assert _kept(tmp_path) == {"red.safetycase", "escrow.json"}


def test_another_file_is_not_written(ask: Ask, tmp_path: Path) -> None:
    other = _part(lambda e: {"files": [msgspec.structs.replace(f, data=b"x") for f in e.files]})
    code, _, told = ask("--file", POOLED, "--out", str(tmp_path / "out"), escrow=other)
    assert (code, "the file that was committed to" in told) == (1, True)
    assert "out" not in _kept(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--column", "generations.outcome"], "a column that this case withholds"),
        (["--column", "nothing.output"], "a column that this case withholds"),
        (["--column", "generations.output:1"], "expected table.column"),
        (["--cell", "generations.output"], "table.column:row"),
        (["--cell", "generations.output:x"], "table.column:row"),
        (["--cell", "generations.output:-1"], "table.column:row"),
        (["--cell", "generations.output:1000000"], "a row below"),
        (["--column", "generations"], "table.column"),
        (["--file", "evidence/dictionary.safetensors", "--out", "x"], "this case leaves out"),
        (["--file", POOLED], "--out"),
        (["--to", "ann.auditor.json"], "--escrow-out"),
        (["--escrow-out", "part.json"], "--column, --cell or --file"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked: list[str], message: str, ask: Ask) -> None:
    code, said, told = ask(*asked)
    assert (code, said) == (2, "")
    assert message in told


def test_a_case_that_is_not_as_it_was_signed_is_not_opened(ask: Ask, tmp_path: Path) -> None:
    case, _ = _made()
    lines = case.members["evidence/generations.jsonl"].replace(b'"eval', b'"Eval', 1)
    altered = case.with_members({"evidence/generations.jsonl": lines})
    (tmp_path / "red.safetycase").write_bytes(altered.to_bytes())
    code, said, told = ask("--column", "generations.output")
    assert (code, said) == (1, "")
    assert "the file that was signed" in told


def test_another_case_s_escrow_is_refused(ask: Ask) -> None:
    code, said, told = ask(escrow=redacted_from(honest_case(), TEXTS).escrow)
    assert (code, said) == (2, "")
    assert "that of the case" in told


def test_an_auditor_is_given_single_cells(ask: Ask, tmp_path: Path) -> None:
    """Of an escrow of cells nothing else opens; it may be for whom the ledger does not name."""
    generate_auditor(tmp_path / "keys", "ann")
    part, public = tmp_path / "part.json", tmp_path / "keys" / "ann.auditor.json"
    asked = ["--cell", "generations.output:1", "--cell", "items.item:0"]
    code, said, _ = ask(*asked, "--escrow-out", str(part), "--to", str(public))
    assert (code, "for ann " in said) == (0, True)
    assert part.stat().st_mode & 0o777 == 0o600
    given = part.read_bytes()
    assert _texts()[1].encode() not in given
    key = ["--escrow-key", str(tmp_path / "keys" / "ann.auditor.key")]
    code, said, _ = ask(*asked, *key, escrow=given)
    assert code == 0
    assert _texts()[1] in said
    assert ask("--cell", "generations.output:0", *key, escrow=given)[0] == 3
    assert ask("--column", "generations.output", *key, escrow=given)[0] == 3
    code, said, _ = ask(*key, escrow=given)
    assert code == 3
    assert f"cells     generations.output (1 of {len(_texts())})" in said
    again = tmp_path / "again.json"
    assert ask(asked[0], asked[1], *key, "--escrow-out", str(again), escrow=given)[0] == 0
    assert [one.row for one in read_escrow(again.read_bytes()).cells] == [1]
    code, _, told = ask(*asked, escrow=given)
    assert (code, "--escrow-key" in told) == (2, True)


def test_whole_columns_are_for_auditors_of_the_ledger(ask: Ask, tmp_path: Path) -> None:
    generate_auditor(tmp_path / "keys", "ann")
    part, public = tmp_path / "part.json", tmp_path / "keys" / "ann.auditor.json"
    asked = ["--column", "generations.output", "--escrow-out", str(part)]
    code, _, told = ask(*asked, "--to", str(public))
    assert (code, "whom the ledger names" in told) == (2, True)
    assert not part.exists()
    assert ask(*asked)[0] == 0
    opened = read_escrow(part.read_bytes())
    assert [one.column for one in opened.columns] == ["output"]
    assert (opened.files, opened.cells) == ([], [])

    ann = read_auditor(public)
    redacted = redacted_from(small_case(), TEXTS, auditors=[ann.fingerprint()])
    case = resign(KitCase(redacted.members))
    (tmp_path / "red.safetycase").write_bytes(case.to_bytes())
    sealed = seal(addressed(redacted.escrow, case), case_id_of(case), [ann])
    key = ["--escrow-key", str(tmp_path / "keys" / "ann.auditor.key")]
    other = tmp_path / "other.json"
    asked = ["--column", "generations.output", *key, "--escrow-out", str(other)]
    assert ask(*asked, "--to", str(public), escrow=sealed)[0] == 0
    assert ask("--column", "generations.output", *key, escrow=other.read_bytes())[0] == 0
