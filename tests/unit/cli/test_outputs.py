"""verify on a folder, as SARIF and with a summary; gate; summary verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetycase.bundle.writer import write_case
from safetycase.cli.as_written import policy_text
from safetycase.cli.main import main
from safetycase.cli.verify import worst
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from tests.kit.builder import AT, honest_case


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three cases: verified, unsigned, and no case at all; with a policy beside the folder."""
    made = tmp_path / "cases"
    made.mkdir()
    signer = generate(tmp_path / "keys", "lab")
    (tmp_path / "p.yaml").write_bytes(policy_text("mine", signer))
    bare = {n: d for n, d in honest_case().members.items() if not n.startswith("statements/")}
    for name in ("b-signed", "c-unsigned"):
        write_case(made / f"{name}.safetycase", bare)
    sign_case(made / "b-signed.safetycase", tmp_path / "keys")
    (made / "a-junk.safetycase").write_bytes(b"PK")
    (made / "other.txt").write_text("not a case")
    return made


def _arguments(case: Path, *more: str) -> list[str]:
    policy = str(next(iter(case.parents[0].glob("p.yaml")), case.parents[1] / "p.yaml"))
    return ["verify", str(case), "--policy", policy, "--at", AT, *more]


def test_a_folder_is_a_table_with_a_line_a_case(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_arguments(folder)) == 1
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if line.startswith(("a-", "b-", "c-"))]
    assert [line.split()[0] for line in lines] == ["a-junk", "b-signed", "c-unsigned"]
    assert "not verified" in lines[0]
    assert "CON-001" in lines[0]
    assert "recomputed holds, recomputed holds" in lines[1]
    assert "undecided" in lines[2]
    assert "3 cases: 1 not verified, 1 verified, 1 undecided." in said
    assert "other" not in said


def test_a_folder_as_json_is_a_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_arguments(folder, "--json")) == 1
    said = json.loads(capsys.readouterr().out)
    assert [one["exit_code"] for one in said] == [1, 0, 3]
    assert said[1]["file"] == "b-signed.safetycase"


def test_a_folder_as_sarif_is_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(_arguments(folder, "--sarif")) == 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert len(run["artifacts"]) == 3
    places = {r["locations"][0]["physicalLocation"]["artifactLocation"]["index"]
              for r in run["results"]}  # fmt: skip
    assert places == {0, 2}


def test_a_folder_without_cases_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "*.safetycase" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 3], 3), ([3, 4], 4), ([4, 1, 3, 0], 1), ([0, 4], 4)],
)
def test_the_worst_code_counts(codes: list[int], code: int) -> None:
    assert worst(codes) == code


@pytest.mark.parametrize(
    "more", [["--json", "--sarif"], ["--summary", "s.json"], ["--key", "k"]]
)
def test_options_that_do_not_go_together_are_refused(folder: Path, more: list[str]) -> None:
    assert main(_arguments(folder / "b-signed.safetycase", *more)) == 2


@pytest.mark.parametrize(
    ("name", "code", "state"),
    [
        ("a-junk", 1, "NOT VERIFIED"),
        ("b-signed", 0, "VERIFIED"),
        ("c-unsigned", 3, "UNDECIDED"),
    ],
)
def test_a_gate_is_one_line_and_an_exit_code(
    folder: Path, name: str, code: int, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case, policy = folder / f"{name}.safetycase", folder.parent / "p.yaml"
    assert main(["gate", str(case), "--policy", str(policy), "--at", AT]) == code
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.startswith(f"{state}  {name}.safetycase  ")


def test_a_gate_needs_a_policy(folder: Path) -> None:
    assert main(["gate", str(folder / "b-signed.safetycase")]) == 2


@pytest.fixture
def summarised(folder: Path) -> dict[str, Any]:
    """A summary of the signed case by a verifier whom a policy trusts."""
    home = folder.parent
    verifier = generate(home / "own", "reviewer", roles=("verifier",))
    trust = home / "trust.yaml"
    trust.write_bytes(policy_text("trust", verifier))
    case, path = folder / "b-signed.safetycase", home / "s.json"
    given = _arguments(case, "--summary", str(path), "--key", str(home / "own"))
    assert main(given) == 0
    return {"case": case, "path": path, "trust": trust, "home": home}


def _checked(summarised: dict[str, Any], *more: object, at: str = AT) -> int:
    path, trust = str(summarised["path"]), str(summarised["trust"])
    arguments = ["summary", "verify", path, "--policy", trust, "--at", at]
    return main([*arguments, *map(str, more)])


def test_a_summary_names_case_verifier_and_levels(
    summarised: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert _checked(summarised, "--case", summarised["case"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("PASSED\ncase      ")
    assert "says      reviewer, by safetycase" in said
    assert "level     SAFETYCASE_RECOMPUTED/watched" in said


def test_a_summary_of_a_failure_is_a_failure(
    summarised: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    home = summarised["home"]
    given = ["verify", str(summarised["case"]), "--at", AT, "--summary",
             str(summarised["path"]), "--key", str(home / "own")]  # fmt: skip
    assert main(given) == 3
    capsys.readouterr()
    assert _checked(summarised) == 1
    assert "level     FAILED" in capsys.readouterr().out


def test_a_summary_of_another_case_is_refused(summarised: dict[str, Any]) -> None:
    other = summarised["home"] / "other.safetycase"
    members = dict(honest_case().members)
    members["evidence/more.jsonl"] = b"[]\n"
    write_case(other, {n: d for n, d in members.items() if not n.startswith("statements/")})
    sign_case(other, summarised["home"] / "keys")
    assert _checked(summarised, "--case", other) == 1


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text.replace("verifier", "developer"),
        lambda text: text.replace("ed25519", "ed25519", 1).replace("reviewer", "somebody"),
    ],
    ids=["role", "name"],
)
def test_only_a_trusted_verifier_counts(summarised: dict[str, Any], alter: Any) -> None:
    trust = summarised["trust"]
    text = trust.read_text()
    trust.write_text(alter(text))
    assert _checked(summarised) == (1 if "developer" in trust.read_text() else 0)


def test_a_summary_from_the_future_or_with_other_bytes_is_refused(
    summarised: dict[str, Any],
) -> None:
    assert _checked(summarised, at="2026-11-22T15:59:59Z") == 1
    envelope = json.loads(summarised["path"].read_text())
    envelope["signatures"] = envelope["signatures"][:1]
    summarised["path"].write_text(json.dumps(envelope))
    assert _checked(summarised) == 1


def test_a_developer_s_keys_sign_no_summary(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = folder.parent
    given = _arguments(
        folder / "b-signed.safetycase",
        "--summary", str(home / "s.json"), "--key", str(home / "keys"),
    )  # fmt: skip
    assert main(given) == 2
    assert "--role verifier" in capsys.readouterr().err
    assert not (home / "s.json").exists()


def test_a_folder_has_no_summary(folder: Path) -> None:
    home = folder.parent
    generate(home / "own", "reviewer", roles=("verifier",))
    given = ["--summary", str(home / "s.json"), "--key", str(home / "own")]
    assert main(_arguments(folder, *given)) == 2
