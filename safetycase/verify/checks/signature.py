"""Stage 3: who signed exactly these bytes, of those whom the user trusts."""

from __future__ import annotations

from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run

FAMILY = Family(
    "SIG", "Signatures", "The user's signers must have signed exactly this statement.",
    stage=3, tier="intact", needs=("statement",),
)  # fmt: skip

_DSSE = "https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md"
_WHERE = "statements/case.dsse.json"


@FAMILY.check(
    1,
    proves="As many of the policy's signers as it asks for have signed this statement, each "
    "with every one of its keys (Ed25519 and ML-DSA-65), inside its window at the time given.",
    cannot_prove="That a key's holder is the person it is named after, or tells the truth.",
    references=(_DSSE, "https://csrc.nist.gov/pubs/fips/204/final", "design 6"),
    owns=("statements/case.dsse.json#/signatures",),
    asks_policy=True,
)
def policy_signers_have_signed(case: OpenedCase) -> Run:
    """Enough of the policy's signers have signed this statement."""
    if not case.policy.signers:
        text = "Intact, signer unknown: the policy names nobody."
        expected = "a signer whom the policy names"
        yield Fault.unknown(_WHERE, expected, "a policy without signers", text)
        return 0
    report, trust = case.signatures, case.policy.trust()
    for requirement in case.policy.requirements():
        if not report.satisfies(requirement, trust):
            counted = ", ".join(report.counted(trust, requirement.role)) or "nobody"
            why = f" ({'; '.join(report.reasons)})" if report.reasons else ""
            expected = f"{requirement.threshold} signers in the role {requirement.role}"
            yield Fault(_WHERE, expected, counted + why)
    return len(case.envelope.signatures)


@FAMILY.check(
    2,
    proves="Every signature that names a key of the policy was made by that key over this "
    "statement.",
    cannot_prove="Anything about signatures by keys that the policy does not name.",
    references=(_DSSE, "design 6"),
    owns=("statements/case.dsse.json#/signatures",),
    absence_is_harmless=True,
    asks_policy=True,
)
def no_signature_claims_a_key_falsely(case: OpenedCase) -> Run:
    """No signature names a trusted key that did not make it."""
    if not case.policy.signers:
        return NotApplicable("the policy names no keys that a signature could claim")
    for keyid in case.signatures.false_claims:
        yield Fault(_WHERE, "a signature by the key it names", f"another under {keyid}")
    return len(case.envelope.signatures)


@FAMILY.check(
    3,
    stage=4,
    needs=("statement", "record"),
    proves="The statement's subject is the model that the record is about.",
    cannot_prove="That the model was the one measured; only its weights could show that.",
    references=("https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md",),
    owns=("the statement's subject",),
)
def statement_is_about_the_model(case: OpenedCase) -> Run:
    """The statement's subject is the record's model."""
    stated = case.record.subject.manifest_digest
    if case.statement.model_manifest_digest != stated:
        yield Fault(f"{_WHERE}#/payload/subject", stated, case.statement.model_manifest_digest)
    return 1
