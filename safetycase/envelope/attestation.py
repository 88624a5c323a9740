"""What others say about a case or its plan: a statement, and whose words it counts as.

Attestations lie beside a signed case and are not bound by it, so that they can come later. One
by nobody whom the user trusts counts for nothing and vetoes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from safetycase import canonical
from safetycase.envelope.dsse import read_envelope
from safetycase.envelope.statement import open_statement_about
from safetycase.envelope.trust import SignatureReport, TrustedSigners, verify_envelope

DEVELOPER = "developer"
"""Role of those whose case it is: whatever else they are, they are not independent of it."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """A statement about something, what it says, and who signed it."""

    name: str
    about: str
    """What it is about: the id of a case, or the digest of a plan."""
    predicate: canonical.JsonValue
    signed: SignatureReport

    def counts_for(
        self, role: str, trust: TrustedSigners, case_signed: SignatureReport
    ) -> tuple[str, ...]:
        """Holders of a role who say so, none of them a developer or a signer of the case."""
        inside = _insiders(trust, case_signed)
        return tuple(n for n in self.signed.counted(trust, role) if n not in inside)

    def false_witnesses(
        self, trust: TrustedSigners, case_signed: SignatureReport
    ) -> Iterator[str]:
        """What speaks against the statement's signatures, in words.

        Those who speak for themselves, halves of trusted signatures, and keys claimed falsely.
        Signatures by keys that nobody trusts, or no longer does, are passed over.
        """
        inside = _insiders(trust, case_signed)
        verified = (*self.signed.verified, *self.signed.outside_window)
        yield from (f"{n}, who made or signed the case" for n in verified if n in inside)
        yield from (
            f"{i.signer} without {', '.join(i.missing)}" for i in self.signed.incomplete
        )
        yield from (f"another than {key} under its id" for key in self.signed.false_claims)


def _insiders(trust: TrustedSigners, case_signed: SignatureReport) -> frozenset[str]:
    return trust.in_role(DEVELOPER) | case_signed.took_part


def read_attestation(
    data: bytes, predicate_type: str, *, trust: TrustedSigners, at: datetime, name: str
) -> Attestation:
    """The attestation of a known type in an envelope; its predicate's fields are not judged."""
    envelope = read_envelope(data, where=name)
    about, predicate = open_statement_about(envelope, predicate_type, where=name)
    return Attestation(name, about, predicate, verify_envelope(envelope, trust, at))
