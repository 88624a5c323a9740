"""Signers with real keys, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope, Signature, pae
from safetycase.envelope.keys import ML_DSA_CONTEXT, Algorithm, PublicKey
from safetycase.envelope.trust import Signer


@dataclass
class Hand:
    """A signer, and the private keys it would keep to itself."""

    name: str
    ed25519: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ml_dsa: MLDSA65PrivateKey = field(default_factory=MLDSA65PrivateKey.generate)

    @property
    def keys(self) -> tuple[PublicKey, PublicKey]:
        ed25519 = self.ed25519.public_key().public_bytes_raw()
        ml_dsa = self.ml_dsa.public_key().public_bytes_raw()
        return (
            PublicKey(Algorithm.ED25519, ed25519), PublicKey(Algorithm.ML_DSA_65, ml_dsa),
        )  # fmt: skip

    def signer(self, *roles: str) -> Signer:
        return Signer(self.name, roles or ("developer",), self.keys)

    def sign(self, message: bytes, context: bytes = ML_DSA_CONTEXT) -> list[Signature]:
        ed25519, ml_dsa = self.keys
        return [
            Signature(ed25519.keyid, self.ed25519.sign(message)),
            Signature(ml_dsa.keyid, self.ml_dsa.sign(message, context)),
        ]


@pytest.fixture(scope="session")
def lab() -> Hand:
    return Hand("lab")


@pytest.fixture(scope="session")
def reviewer() -> Hand:
    return Hand("reviewer")


@pytest.fixture(scope="session")
def stranger() -> Hand:
    return Hand("stranger")


@pytest.fixture(scope="session")
def sealed() -> Callable[..., Envelope]:
    """An envelope over a payload, signed by the hands given."""

    def seal(*hands: Hand, payload: bytes = b"{}", kind: str = STATEMENT_TYPE) -> Envelope:
        signatures = [s for hand in hands for s in hand.sign(pae(kind, payload))]
        return Envelope(kind, payload, tuple(signatures))

    return seal
