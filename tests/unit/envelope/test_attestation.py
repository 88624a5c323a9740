"""Whose words a statement about a case counts as."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from safetycase.envelope.attestation import Attestation, read_attestation
from safetycase.envelope.dsse import write_envelope
from safetycase.envelope.statement import write_statement_about
from safetycase.envelope.trust import Incomplete, SignatureReport, TrustedSigners, read_signer
from safetycase.errors import SafetyCaseError
from safetycase.sign.keys import SigningKeys
from safetycase.sign.signer import sign_payload
from tests.kit.builder import OTHER_SIGNER, REVIEWER, SIGNER, keys


def signer(made: SigningKeys, *roles: str) -> dict[str, object]:
    return made.signer.to_json() | {"roles": list(roles)}


TRUST = TrustedSigners(
    (
        read_signer(signer(keys(SIGNER), "developer"), where="x"),  # type: ignore[arg-type]
        read_signer(signer(keys(REVIEWER), "reviewer"), where="x"),  # type: ignore[arg-type]
        read_signer(signer(keys(OTHER_SIGNER), "auditor"), where="x"),  # type: ignore[arg-type]
    )
)


def report(
    verified: tuple[str, ...] = (),
    outside: tuple[str, ...] = (),
    incomplete: tuple[Incomplete, ...] = (),
    false_claims: tuple[str, ...] = (),
) -> SignatureReport:
    return SignatureReport("0" * 64, verified, outside, incomplete, false_claims, (), ())


BY_DEVELOPER = report((SIGNER,))


@pytest.mark.parametrize(
    ("signed", "case_signed", "counts", "against"),
    [
        (report((REVIEWER,)), BY_DEVELOPER, (REVIEWER,), 0),
        (report((REVIEWER,)), report((SIGNER, REVIEWER)), (), 1),
        (report((REVIEWER,)), report((SIGNER,), (REVIEWER,)), (), 1),
        (report((REVIEWER,)), report((SIGNER,), (), (Incomplete(REVIEWER, ("x",)),)), (), 1),
        (report((SIGNER,)), BY_DEVELOPER, (), 1),
        (report((SIGNER,)), report(), (), 1),
        (report((SIGNER, REVIEWER)), BY_DEVELOPER, (REVIEWER,), 1),
        (report((OTHER_SIGNER,)), BY_DEVELOPER, (), 0),
        (report(), BY_DEVELOPER, (), 0),
        (report((), (REVIEWER,)), BY_DEVELOPER, (), 0),
        (report((), (SIGNER,)), BY_DEVELOPER, (), 1),
        (report((), (), (Incomplete(REVIEWER, ("ml-dsa-65",)),)), BY_DEVELOPER, (), 1),
        (report((), (), (), ("k",)), BY_DEVELOPER, (), 1),
    ],
)
def test_who_counts_and_what_speaks_against_it(
    signed: SignatureReport,
    case_signed: SignatureReport,
    counts: tuple[str, ...],
    against: int,
) -> None:
    attestation = Attestation("n", "0" * 64, None, signed)
    assert attestation.counts_for("reviewer", TRUST, case_signed) == counts
    assert len(list(attestation.false_witnesses(TRUST, case_signed))) == against


def test_a_role_other_than_reviewer_can_be_asked_for() -> None:
    attestation = Attestation("n", "0" * 64, None, report((OTHER_SIGNER,)))
    assert attestation.counts_for("auditor", TRUST, BY_DEVELOPER) == (OTHER_SIGNER,)


TYPE = "https://safetycase.dev/replay/v1alpha"
NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)


def test_what_a_trusted_key_signed_is_read_with_whom_it_is_by() -> None:
    payload = write_statement_about("cd" * 32, TYPE, {"rows": 3})
    data = write_envelope(sign_payload(payload, keys(REVIEWER)))
    read = read_attestation(data, TYPE, trust=TRUST, at=NOW, name="n")
    assert (read.name, read.about, read.predicate) == ("n", "cd" * 32, {"rows": 3})
    assert read.signed.verified == (REVIEWER,)
    assert read.counts_for("reviewer", TRUST, BY_DEVELOPER) == (REVIEWER,)


def test_an_attestation_of_another_type_or_broken_bytes_is_refused_by_its_name() -> None:
    payload = write_statement_about("cd" * 32, TYPE, {"rows": 3})
    data = write_envelope(sign_payload(payload, keys(REVIEWER)))
    for broken, kind in ((data, f"{TYPE}/"), (data[:-2], TYPE)):
        with pytest.raises(SafetyCaseError, match=r"^n"):
            read_attestation(broken, kind, trust=TRUST, at=NOW, name="n")


def test_what_speaks_against_a_statement_is_said_in_words() -> None:
    half = report((SIGNER,), (), (Incomplete(REVIEWER, ("ml-dsa-65",)),), ("k",))
    attestation = Attestation("n", "0" * 64, None, half)
    assert list(attestation.false_witnesses(TRUST, BY_DEVELOPER)) == [
        f"{SIGNER}, who made or signed the case",
        f"{REVIEWER} without ml-dsa-65",
        "another than k under its id",
    ]
