"""What `replay` and `attach` refuse before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

from safetycase.bundle.reader import open_case
from safetycase.cli.main import main
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from tests.kit.attacks.statistics import p_value_edited
from tests.kit.builder import KitCase, honest_case
from tests.kit.cases import other_world_case
from tests.kit.seal import sealed
from tests.kit.toy_replay import STATEMENT, replayed_case

pytestmark = pytest.mark.run

NONCE = "0123456789abcdef"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return write(tmp_path, honest_case())


@pytest.fixture
def reviewer(tmp_path: Path) -> Path:
    generate(tmp_path / "reviewer", "rev", roles=("reviewer",))
    return tmp_path / "reviewer"


def write(folder: Path, case: KitCase) -> Path:
    path = folder / "toy.safetycase"
    path.write_bytes(case.to_bytes())
    return path


def refused(
    capsys: pytest.CaptureFixture[str], case: Path, key: Path, code: int = 2, **changes: str
) -> str:
    options = {
        "model": "model",
        "dictionary": "toy_dictionary=dictionary",
        "nonce": NONCE,
        "key": str(key),
        "out": str(case.parent / "replay.dsse.json"),
    }
    flat = [(f"--{name}", value) for name, value in (options | changes).items()]
    assert main(["replay", str(case), *(part for pair in flat for part in pair)]) == code
    assert not (case.parent / "replay.dsse.json").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"nonce": "short"}, "16 to 128 visible ASCII characters, found 5 characters"),
        ({"nonce": "a nonce with spaces"}, "16 to 128 visible ASCII characters"),
        ({"dictionary": "toy_dictionary"}, "ID=PATH"),
        ({"rows": "0"}, "--rows"),
        ({"rows": "3001"}, "--rows"),
        ({"model": "nowhere"}, "--model: expected a folder or file, found no nowhere"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    changes: dict[str, str],
    expected: str,
    case: Path,
    reviewer: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert expected in refused(capsys, case, reviewer, **changes)


def test_a_statement_is_never_overwritten(
    case: Path, reviewer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "a new file" in refused(capsys, case, reviewer, out=str(case))


def test_keys_of_another_role_are_refused(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(tmp_path / "dev", "dev")
    assert "keygen NAME --role reviewer" in refused(capsys, case, tmp_path / "dev")


def test_whoever_signed_the_case_does_not_measure_it_again(
    case: Path, reviewer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_case(case, reviewer)
    said = refused(capsys, case, reviewer)
    assert "the keys of somebody who has not signed this case" in said


def test_a_case_that_does_not_recompute_is_not_measured(
    tmp_path: Path, reviewer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    altered = p_value_edited(honest_case())
    assert isinstance(altered, KitCase)
    said = refused(capsys, write(tmp_path, sealed(altered)), reviewer, code=1)
    assert "a case that recomputes, found STA-" in said


def test_an_unsigned_case_has_no_id_to_draw_by(
    tmp_path: Path, reviewer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = honest_case().with_members({"statements/case.dsse.json": None})
    assert "a case that recomputes" in refused(capsys, write(tmp_path, bare), reviewer, code=1)


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    path = tmp_path / "statement.json"
    path.write_bytes(replayed_case().members[STATEMENT])
    return path


def test_a_statement_goes_into_its_case_once(
    case: Path, statement: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attach", str(case), str(statement)]) == 0
    name = capsys.readouterr().out.splitlines()[1].split()[1]
    assert open_case(case).read(name) == statement.read_bytes()
    assert main(["attach", str(case), str(statement)]) == 2
    assert f"found {name}" in capsys.readouterr().err


def test_a_statement_does_not_go_into_another_case(
    tmp_path: Path, statement: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write(tmp_path, other_world_case())
    before = case.read_bytes()
    assert main(["attach", str(case), str(statement)]) == 2
    assert "a statement about the case" in capsys.readouterr().err
    assert case.read_bytes() == before


@pytest.mark.parametrize(
    "data", [b"", b"{}", honest_case().members["statements/case.dsse.json"]]
)
def test_what_is_no_statement_of_a_re_execution_is_not_attached(
    data: bytes, case: Path, statement: Path
) -> None:
    statement.write_bytes(data)
    before = case.read_bytes()
    assert main(["attach", str(case), str(statement)]) == 2
    assert case.read_bytes() == before
