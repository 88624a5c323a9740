"""Whose words a statement about a case counts as."""

from __future__ import annotations

import pytest

from safetycase.envelope.attestation import Attestation
from safetycase.envelope.trust import Incomplete, SignatureReport, TrustedSigners, read_signer
from safetycase.sign.keys import SigningKeys
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
