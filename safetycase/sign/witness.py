"""A witness's receipt of a plan: that it was there, and a nonce for its seeds."""

from __future__ import annotations

from safetycase import canonical
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import Envelope, encode_base64
from safetycase.envelope.keys import Algorithm
from safetycase.envelope.statement import write_receipt
from safetycase.errors import KeyRefused
from safetycase.methods.plan_order import WITNESS
from safetycase.record.plan import Plan
from safetycase.record.randomness import NonceOfWitness, PlanReceipt
from safetycase.record.reading import read_as
from safetycase.sign.keys import SigningKeys
from safetycase.sign.signer import sign_payload

_DOMAIN = b"safetycase.nonce.v1\x00"


def sign_receipt(
    plan: bytes, keys: SigningKeys, *, received: str, where: str
) -> tuple[Envelope, str]:
    """The witness's signed receipt of a plan.json, and the plan's digest.

    Refused: bytes that are no plan in its one spelling, a signer in another role, and a plan
    that waits for another witness.
    """
    if WITNESS not in keys.signer.roles:
        raise KeyRefused(
            keys.signer.name,
            f"a signer in the role {WITNESS}",
            found=", ".join(keys.signer.roles),
            remedy=f"Make keys with `safetycase keygen NAME --role {WITNESS}`.",
        )
    canonical.read_canonical(plan, where=where)
    awaited = read_as(Plan, plan, where=where, expected="a plan").randomness
    public = _public(keys)
    if isinstance(awaited, NonceOfWitness) and awaited.public != public:
        expected = f"a plan that waits for {keys.signer.name}, {public}"
        raise KeyRefused(f"{where}#/randomness/public", expected, found=awaited.public)
    digest = sha256_hex(plan)
    said = PlanReceipt(received=received, nonce=nonce_for(digest, keys))
    return sign_payload(write_receipt(digest, said.spelled()), keys), digest


def nonce_for(plan_digest: str, keys: SigningKeys) -> str:
    """The nonce of a witness for a plan: SHA-256 of an Ed25519 signature over its digest.

    Such a signature is the same every time (RFC 8032 §5.1.6), and nobody without the key can
    make it. What is signed here is no DSSE envelope's message.
    """
    message = _DOMAIN + bytes.fromhex(plan_digest)
    made = dict(keys.sign(message))
    return sha256_hex(
        next(sig for key, sig in made.items() if key.algorithm is Algorithm.ED25519)
    )


def _public(keys: SigningKeys) -> str:
    return next(
        encode_base64(key.raw) for key in keys.signer.keys if key.algorithm is Algorithm.ED25519
    )
