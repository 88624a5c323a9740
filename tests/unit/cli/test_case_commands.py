"""Commands on a whole, honest case: sign, verify, report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from safetycase.bundle.layout import is_added
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import write_case
from safetycase.cli import report
from safetycase.cli.as_written import policy_text, require_verified
from safetycase.cli.main import main
from safetycase.envelope.trust import Signer
from safetycase.errors import UsageError
from safetycase.report import pdf
from safetycase.sign.keys import generate
from tests.kit.builder import AT, honest_case
from tests.kit.cases import failing_case
from tests.unit.cli.conftest import Command

STATEMENT = "statements/case.dsse.json"


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetycase"
    members = dict(honest_case().members)
    del members[STATEMENT]
    write_case(path, members)
    return path


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return generate(tmp_path / "keys", "lab")


@pytest.fixture
def policy(tmp_path: Path, signer: Signer) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_bytes(policy_text("mine", signer))
    return path


@pytest.fixture
def signed(unsigned: Path, signer: Signer) -> Path:
    assert main(["sign", str(unsigned), "--key", str(unsigned.parent / "keys")]) == 0
    assert STATEMENT in open_case(unsigned)
    assert signer.name == "lab"
    return unsigned


def test_the_statement_of_the_signer_is_told(
    unsigned: Path, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sign", str(unsigned), "--key", str(unsigned.parent / "keys")]) == 0
    said = capsys.readouterr().out
    assert "signer  lab" in said
    for key in signer.keys:
        assert f"key     {key.keyid}" in said


def test_exit_0_with_the_policy_that_names_the_signer(signed: Path, policy: Path) -> None:
    assert main(["verify", str(signed), "--policy", str(policy), "--at", AT]) == 0


def test_exit_3_without_a_policy(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(signed), "--at", AT]) == 3
    assert "Intact, signer unknown" in capsys.readouterr().out


def test_exit_1_with_a_policy_that_names_somebody_else(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_bytes(policy_text("other", generate(tmp_path / "others", "other")))
    assert main(["verify", str(signed), "--policy", str(other), "--at", AT]) == 1


def test_exit_1_when_a_byte_is_changed(signed: Path, policy: Path) -> None:
    members = {name: open_case(signed).read(name) for name in open_case(signed).names}
    del members["mimetype"]
    members["case.json"] = members["case.json"].replace(b"2 features", b"3 features")
    write_case(signed, members)
    assert main(["verify", str(signed), "--policy", str(policy), "--at", AT]) == 1


def test_an_unsigned_case_is_not_rendered(
    unsigned: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(unsigned), "--policy", str(policy)]) == 2
    assert "Sign it first" in capsys.readouterr().err


@pytest.mark.parametrize("attach", [False, True])
def test_pages_stand_beside_the_case_and_in_it_if_asked(
    attach: bool, signed: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signed.read_bytes()
    extra = ["--attach"] if attach else []
    arguments = ["report", str(signed), "--policy", str(policy), "--no-pdf", "--at", AT]
    assert main([*arguments, *extra]) == 0
    page = signed.with_suffix(".html")
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")
    if attach:
        assert open_case(signed).read("report/case.html") == page.read_bytes()
    else:
        assert signed.read_bytes() == before
    assert main(["verify", str(signed), "--policy", str(policy), "--at", AT]) == 0


def test_a_page_that_says_something_else_is_found(signed: Path, policy: Path) -> None:
    arguments = ["report", str(signed), "--policy", str(policy), "--no-pdf", "--attach"]
    assert main(arguments) == 0
    container = open_case(signed)
    members = {name: container.read(name) for name in container.names if name != "mimetype"}
    changed, count = re.subn(rb">\d+ of (\d+) \(", rb">0 of \1 (", members["report/case.html"])
    assert count > 0
    assert changed != members["report/case.html"]
    write_case(signed, members | {"report/case.html": changed})
    assert main(["verify", str(signed), "--policy", str(policy), "--at", AT]) == 1


def test_without_pango_there_is_html_one_remark_and_exit_0(
    signed: Path,
    policy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_html: bytes) -> bytes:
        raise UsageError("PDF", "WeasyPrint with Pango", found="none", remedy="Install it.")

    monkeypatch.setattr(pdf, "render_pdf", refuse)
    assert main(["report", str(signed), "--policy", str(policy)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{signed.with_suffix('.html')}\n"
    assert captured.err.count("\n") == 1
    assert "Install it." in captured.err


def test_the_names_of_the_pages_are_those_of_the_layout() -> None:
    assert is_added(report.HTML_MEMBER)
    assert is_added(report.PDF_MEMBER)


def test_a_case_whose_claim_fails_is_honest_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetycase"
    write_case(path, dict(failing_case().members))
    before = path.read_bytes()
    require_verified(path, at=AT)
    assert path.read_bytes() == before


def test_as_a_process_the_verdict_is_the_exit_code(
    signed: Path, policy: Path, command: Command
) -> None:
    said = command("verify", signed, "--policy", policy)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("VERIFIED\n")
