"""Public keys, and whether a signature is theirs.

The algorithm comes from the key that the user trusts, never from the message. Keys for which
anyone can make signatures are refused before they can be trusted: the library underneath
accepts them (`cryptography` 50 verifies a signature by the identity point on every message).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from safetycase.digest import sha256_hex
from safetycase.errors import KeyRefused

ML_DSA_CONTEXT = b"safetycase/dsse/v1"
"""FIPS 204 context string of every ML-DSA signature here: none is valid elsewhere."""


class Algorithm(StrEnum):
    """The two halves of a hybrid signature: one long tried, one against quantum computers."""

    ED25519 = "ed25519"
    ML_DSA_65 = "ml-dsa-65"


KEY_BYTES = {Algorithm.ED25519: 32, Algorithm.ML_DSA_65: 1952}
SIGNATURE_BYTES = {Algorithm.ED25519: 64, Algorithm.ML_DSA_65: 3309}

_PRIME = 2**255 - 19
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME
_SQRT_MINUS_ONE = pow(2, (_PRIME - 1) // 4, _PRIME)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key in its raw encoding (RFC 8032 §5.1.5, FIPS 204 §7.2)."""

    algorithm: Algorithm
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse a key of the wrong length, and an Ed25519 key that is not a sound point."""
        expected = KEY_BYTES[self.algorithm]
        if len(self.raw) != expected:
            found = f"{len(self.raw)} bytes"
            raise KeyRefused(f"{self.algorithm} key", f"{expected} bytes", found=found)
        if self.algorithm is Algorithm.ED25519:
            _refuse_unsound_point(self.raw)

    @property
    def keyid(self) -> str:
        """SHA-256 of the key's SubjectPublicKeyInfo in DER, in hexadecimal."""
        spki = self._loaded().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256_hex(spki)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over exactly this message."""
        if len(signature) != SIGNATURE_BYTES[self.algorithm]:
            return False
        key = self._loaded()
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
            else:
                key.verify(signature, message, ML_DSA_CONTEXT)
        except InvalidSignature:
            return False
        return True

    def _loaded(self) -> Ed25519PublicKey | MLDSA65PublicKey:
        if self.algorithm is Algorithm.ED25519:
            return Ed25519PublicKey.from_public_bytes(self.raw)
        return MLDSA65PublicKey.from_public_bytes(self.raw)


def _refuse_unsound_point(raw: bytes) -> None:
    """Refuse an encoding that is not canonical, not on the curve, or of small order.

    Multiplying by 8 takes exactly the points of small order to the identity (RFC 8032 §5.1,
    cofactor 8).
    """
    where = "ed25519 key"
    encoded = int.from_bytes(raw, "little")
    y, sign = encoded & (1 << 255) - 1, encoded >> 255
    if y >= _PRIME:
        raise KeyRefused(where, "a canonical encoding")
    x = _recover_x(y, sign)
    if x is None:
        raise KeyRefused(where, "a point of the curve")
    for _ in range(3):
        x, y = _double(x, y)
    if (x, y) == (0, 1):
        raise KeyRefused(where, "a point of large order")


def _recover_x(y: int, sign: int) -> int | None:
    """The x of an encoded point, or None where there is none (RFC 8032 §5.1.3)."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    x = pow(square, (_PRIME + 3) // 8, _PRIME)
    if x * x % _PRIME != square:
        x = x * _SQRT_MINUS_ONE % _PRIME
    if x * x % _PRIME != square or (x == 0 and sign):
        return None
    return x if x & 1 == sign else _PRIME - x


def _double(x: int, y: int) -> tuple[int, int]:
    """The sum of a point with itself on -x² + y² = 1 + dx²y² (RFC 8032 §5.1.4, affine)."""
    product = _D * x * x * y * y % _PRIME
    doubled_x = 2 * x * y * pow(1 + product, -1, _PRIME) % _PRIME
    doubled_y = (y * y + x * x) * pow(1 - product, -1, _PRIME) % _PRIME
    return doubled_x, doubled_y
