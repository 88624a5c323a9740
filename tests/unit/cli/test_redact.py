"""`safetycase redact` writes a case and an escrow that only its owner can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.bundle.reader import open_case
from safetycase.cli.main import main
from safetycase.record.case import Case
from safetycase.sign.keys import generate
from safetycase.sign.sealing import read_auditor
from tests.kit.builder import AT, honest_case, policy


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetycase"
    path.write_bytes(honest_case().to_bytes())
    return path


def _redact(full: Path, *more: str, columns: str = "generations.output") -> int:
    folder = full.parent
    return main(
        [
            "redact", str(full), "--columns", columns, "--ground", "public_safety",
            "--reason", "Recipes.", "--out", str(folder / "red.safetycase"),
            "--escrow", str(folder / "red.escrow.json"), *more,
        ]
    )  # fmt: skip


def test_redact_sign_verify_and_open(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = full.parent
    assert _redact(full) == 0
    said = capsys.readouterr().out
    assert "withheld  evidence/generations.jsonl: output (2413)" in said
    assert "in the clear" in said
    escrow, redacted = folder / "red.escrow.json", folder / "red.safetycase"
    assert escrow.stat().st_mode & 0o777 == 0o600
    assert not any(name.startswith("statements/") for name in open_case(redacted).names)

    signer = generate(folder / "keys", "lab", roles=("developer",))
    assert main(["sign", str(redacted), "--key", str(folder / "keys")]) == 0
    asked = folder / "policy.json"
    trust = policy(signers=[signer.to_json()])
    asked.write_bytes(canonical.write(trust.spelled()))
    under = ["--policy", str(asked), "--at", AT]
    capsys.readouterr()
    assert main(["verify", str(redacted), *under, "--samples"]) == 3
    assert "No answers are drawn: evidence/generations.jsonl" in capsys.readouterr().out
    assert main(["verify", str(redacted), *under, "--escrow", str(escrow)]) == 0
    assert main(["report", str(redacted), *under, "--no-pdf"]) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--columns", "generations.nothing"], "a column of this case"),
        (["--coarse", "generations.stop"], "a column of numbers of this case"),
        (["--coarse", "generations.sample"], "a column of numbers of this case"),
        (["--ground", "shame"], "one of public_safety"),
        (["--reason", ""], "a reason in words"),
    ],
)
def test_what_cannot_be_redacted_leaves_nothing_behind(
    more: list[str], message: str, full: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _redact(full, *more) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert list(full.parent.iterdir()) == [full]


def test_lengths_can_stay_coarsely(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _redact(full, "--coarse", "generations.tokens,generations.nll") == 0
    said = capsys.readouterr().out
    assert "coarse    evidence/generations.jsonl: tokens (2413)" in said
    assert "withheld  evidence/generations.jsonl: delta (2413)" in said


def test_nothing_is_written_over(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _redact(full) == 0
    before = (full.parent / "red.escrow.json").read_bytes()
    assert _redact(full) == 2
    assert "a new file" in capsys.readouterr().err
    assert (full.parent / "red.escrow.json").read_bytes() == before


def test_an_escrow_does_not_go_into_a_case(full: Path) -> None:
    assert _redact(full) == 0
    redacted, escrow = full.parent / "red.safetycase", full.parent / "red.escrow.json"
    before = redacted.read_bytes()
    assert main(["attach", str(redacted), str(escrow)]) == 2
    assert redacted.read_bytes() == before


def test_a_folder_has_no_escrow(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(full.parent), "--escrow", str(full)]) == 2
    assert "--escrow" in capsys.readouterr().err


def test_an_escrow_for_an_auditor_opens_with_his_key(
    full: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = full.parent
    for name in ("ann", "bob"):
        assert main(["keygen", name, "--auditor", "--out", str(folder / "keys")]) == 0
    assert _redact(full, "--to", str(folder / "keys" / "ann.auditor.json")) == 0
    assert "for ann " in capsys.readouterr().out
    escrow, redacted = folder / "red.escrow.json", folder / "red.safetycase"
    secrets = [row.output.encode() for row in honest_case().rows("generations")]
    assert not [text for text in secrets if text in escrow.read_bytes()]
    generate(folder / "keys", "lab", roles=("developer",))
    assert main(["sign", str(redacted), "--key", str(folder / "keys")]) == 0
    ask = ["verify", str(redacted), "--json", "--escrow", str(escrow)]
    assert main(ask) == 2
    assert "--escrow-key" in capsys.readouterr().err
    assert main([*ask, "--escrow-key", str(folder / "keys" / "bob.auditor.key")]) == 2
    assert "the key of ann" in capsys.readouterr().err
    assert main([*ask, "--escrow-key", str(folder / "keys" / "ann.auditor.key")]) == 3
    verdict = canonical.read(capsys.readouterr().out.encode(), where="verdict")
    assert isinstance(verdict, dict)
    ledger = Case.model_validate_json(open_case(redacted).read("case.json")).redactions
    ann = read_auditor(folder / "keys" / "ann.auditor.json")
    assert {entry.auditors for entry in ledger or ()} == {(ann.fingerprint(),)}
    claims = verdict["claims"]
    assert isinstance(claims, list)
    assert [claim["tier"] for claim in claims] == ["recomputed", "recomputed"]  # type: ignore[index,call-overload]
