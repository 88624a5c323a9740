"""Attacks on signatures and on who is trusted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from safetycase import canonical
from safetycase.envelope.dsse import STATEMENT_TYPE, Signature, pae, read_envelope
from safetycase.envelope.statement import write_statement
from safetycase.verify.policy import Policy
from tests.kit.builder import OTHER_SIGNER, KitCase, edit_record, keys, policy
from tests.kit.register import after_stage, attack
from tests.kit.seal import STATEMENT, bound_files, payload_of, sealed, signatures

_LATER = after_stage(3)
_UNSIGNED = {"SIG-001"}
_FALSE = {"SIG-001", "SIG-002"}


@cache
def two_signers() -> Policy:
    """A policy that asks for two of two developers."""
    return policy(
        signers=[keys().signer.to_json(), keys(OTHER_SIGNER).signer.to_json()],
        signatures=[{"role": "developer", "threshold": 2}],
    )


@cache
def expired_signer() -> Policy:
    """A policy whose signer was trusted until a month before the verification."""
    window = {"not_before": "2026-01-01T00:00:00Z", "not_after": "2026-10-22T00:00:00Z"}
    return policy(signers=[keys().signer.to_json() | window])


@cache
def later_signer() -> Policy:
    """A policy whose signer is trusted from a month after the verification on."""
    return policy(signers=[keys().signer.to_json() | {"not_before": "2026-12-22T00:00:00Z"}])


@cache
def reviewer_needed() -> Policy:
    """A policy that asks for a reviewer beside the developer."""
    reviewer = keys(OTHER_SIGNER).signer.to_json() | {"roles": ["reviewer"]}
    wanted = [{"role": role, "threshold": 1} for role in ("developer", "reviewer")]
    return policy(signers=[keys().signer.to_json(), reviewer], signatures=wanted)


def _own(case: KitCase) -> tuple[Signature, ...]:
    return read_envelope(case.members[STATEMENT], where=STATEMENT).signatures


@attack("signature", "outsider", refused_by=_FALSE, unknown=_LATER)
def bit_of_the_payload_flipped(case: KitCase) -> KitCase:
    """Change the subject's digest in the signed payload.

    The case is said to be about another model.
    """
    payload = write_statement("a" * 64, bound_files(case))
    return sealed(case, payload, _own(case))


@attack("signature", "outsider", refused_by=_FALSE, unknown=_LATER)
def bit_of_each_signature_flipped(case: KitCase) -> KitCase:
    """Flip one bit of each signature.

    Any bytes pass for a signature.
    """
    broken = [replace(s, sig=s.sig[:-1] + bytes([s.sig[-1] ^ 1])) for s in _own(case)]
    return sealed(case, payload_of(case), broken)


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER)
def signed_by_a_stranger(case: KitCase) -> KitCase:
    """Sign with keys that the policy does not name.

    Anybody who can make a key can make a verified case.
    """
    payload = payload_of(case)
    return sealed(case, payload, signatures(payload, OTHER_SIGNER))


@attack("signature", "outsider", refused_by=_FALSE, unknown=_LATER)
def stranger_under_a_trusted_key_id(case: KitCase) -> KitCase:
    """Sign with a stranger's keys, under the key ids of the trusted signer.

    A verifier that believes key ids takes the stranger for the signer.
    """
    payload = payload_of(case)
    made = zip(_own(case), signatures(payload, OTHER_SIGNER), strict=True)
    claimed = [Signature(own.keyid, strange.sig) for own, strange in made]
    return sealed(case, payload, claimed)


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER)
def key_inside_the_envelope(case: KitCase) -> KitCase:
    """Sign with a stranger's keys, and put their public halves beside the signatures.

    A verifier that takes keys from the artifact verifies anything.
    """
    payload = payload_of(case)
    signed = sealed(case, payload, signatures(payload, OTHER_SIGNER))
    envelope = canonical.read(signed.members[STATEMENT], where=STATEMENT)
    assert isinstance(envelope, dict)
    envelope["keys"] = keys(OTHER_SIGNER).signer.to_json()["keys"]  # type: ignore[assignment]
    return signed.with_members({STATEMENT: canonical.write(envelope)})


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER)
def post_quantum_half_stripped(case: KitCase) -> KitCase:
    """Leave only the Ed25519 signature.

    Whoever breaks elliptic curves later can sign cases in the signer's name.
    """
    return sealed(case, payload_of(case), [s for s in _own(case) if len(s.sig) == 64])


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER)
def classical_half_stripped(case: KitCase) -> KitCase:
    """Leave only the ML-DSA-65 signature.

    A fault found in the young algorithm is enough to forge a case.
    """
    return sealed(case, payload_of(case), [s for s in _own(case) if len(s.sig) != 64])


@attack(
    "signature",
    "insider",
    refused_by=_FALSE,
    unknown=_LATER,
    as_outsider=None,
    seals_itself=True,
)
def ml_dsa_without_its_context(case: KitCase) -> KitCase:
    """Sign with the right ML-DSA key, but without the context of these signatures.

    A signature that the key made for another protocol is shown here.
    """
    payload = payload_of(case)
    message = pae(STATEMENT_TYPE, payload)
    made = []
    for own, private in zip(_own(case), keys().private, strict=True):
        sig = private.sign(message) if isinstance(private, MLDSA65PrivateKey) else own.sig
        made.append(Signature(own.keyid, sig))
    return sealed(case, payload, made)


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER, under=two_signers)
def one_signer_counted_twice(case: KitCase) -> KitCase:
    """Repeat the signatures of one signer where the policy asks for two signers.

    One person passes for two.
    """
    return sealed(case, payload_of(case), [*_own(case), *_own(case)])


@attack("signature", "outsider", refused_by=_UNSIGNED, unknown=_LATER, under=reviewer_needed)
def developer_in_the_role_of_reviewer(case: KitCase) -> KitCase:
    """Repeat the developer's signatures, nameless, where a reviewer has to sign too.

    The developer approves his own case.
    """
    spare = [Signature("", s.sig) for s in _own(case)]
    return sealed(case, payload_of(case), [*_own(case), *spare])


@attack(
    "signature",
    "insider",
    refused_by=_UNSIGNED,
    unknown=_LATER,
    as_outsider=_FALSE,
    under=expired_signer,
    seals_itself=True,
)
def signed_after_the_window(case: KitCase) -> KitCase:
    """Sign another title with keys that the policy trusted until a month ago.

    Keys of people who left go on making verified cases.
    """
    return sealed(edit_record(case, "/title", "Another title"))


@attack(
    "signature",
    "insider",
    refused_by=_UNSIGNED,
    unknown=_LATER,
    as_outsider=_FALSE,
    under=later_signer,
    seals_itself=True,
)
def signed_before_the_window(case: KitCase) -> KitCase:
    """Sign another title with keys that the policy trusts only from next month on.

    A key is used before anybody has vouched for it.
    """
    return sealed(edit_record(case, "/title", "Another title"))


@attack("signature", "insider", refused_by={"SIG-003"}, as_outsider=_FALSE, seals_itself=True)
def statement_about_another_model(case: KitCase) -> KitCase:
    """Sign a statement whose subject is another model than the record's.

    A registry files the case under a model that was never measured.
    """
    return sealed(case, write_statement("b" * 64, bound_files(case)))


@attack("signature", "outsider")
def unknown_signature_beside_the_right_ones(case: KitCase) -> KitCase:
    """Add a stranger's signatures beside the right ones.

    Anybody could veto a case if this counted against it. It is let through, counts for
    nothing, and the verdict names the trusted signer alone.
    """
    payload = payload_of(case)
    return sealed(case, payload, [*_own(case), *signatures(payload, OTHER_SIGNER)])
