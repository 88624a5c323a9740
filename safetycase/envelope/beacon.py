"""Randomness beacons: values that nobody could know or choose before a known time.

A round of drand is a BLS signature by a group of operators over the round's number; its value
is the signature's hash. There is exactly one signature that verifies, so whoever holds it can
prove the value, and nobody can choose between two. Scheme bls-unchained-g1-rfc9380: signatures
in G1, public keys in G2 of BLS12-381. https://docs.drand.love/docs/cryptography
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from safetycase.digest import sha256_hex
from safetycase.errors import (
    ExtraMissing,
    KeyRefused,
    MalformedInput,
    ProofRefused,
    SchemaViolation,
)

if TYPE_CHECKING:
    from py_arkworks_bls12381 import G2Point

SIGNATURE_BYTES = 48
PUBLIC_KEY_BYTES = 96
MAX_ROUND = 2**64 - 1

_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHAIN = re.compile(r"[0-9a-f]{64}")
_COMPRESSED, _INFINITY = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Beacon:
    """A chain of rounds by one key: round 1 at `genesis`, one more every `period`.

    `chain` is the chain's hash in hexadecimal, which names it; `public_key` a compressed point
    of G2; `genesis` in seconds since 1970 UTC; `period` in seconds.
    """

    name: str
    chain: str
    public_key: bytes
    genesis: int
    period: int

    def __post_init__(self) -> None:
        """Refuse parameters out of shape; that the key is a sound point `value_of` sees."""
        if _CHAIN.fullmatch(self.chain) is None:
            found = ascii(self.chain)
            raise SchemaViolation(self.where, "a chain hash of 64 hex digits", found=found)
        for field, least in (("genesis", 0), ("period", 1)):
            value = getattr(self, field)
            if type(value) is not int or value < least:
                expected = f"{field} in seconds, an integer ≥ {least}"
                raise SchemaViolation(self.where, expected)
        if not _is_compressed(self.public_key, PUBLIC_KEY_BYTES):
            raise KeyRefused(self.where, f"{PUBLIC_KEY_BYTES} bytes, a compressed point of G2")

    @property
    def where(self) -> str:
        """The beacon as errors name it."""
        return f"beacon {self.name}"

    def time_of(self, round: int) -> datetime:  # noqa: A002  # the field's word
        """When the operators release the round, and not before: genesis + (round - 1) period.

        Refused: a round that is not an integer from 1 to 2⁶⁴ - 1, or falls after year 9999.
        """
        _require_round(round, self.where)
        try:
            return _EPOCH + timedelta(seconds=self.genesis + (round - 1) * self.period)
        except OverflowError:
            expected = "a round before the year 10000"
            raise MalformedInput(self.where, expected, found=str(round)) from None


def value_of(beacon: Beacon, round: int, signature: bytes, *, where: str) -> str:  # noqa: A002
    """The round's value, SHA-256 of its signature in hex, if the signature is the beacon's.

    The pairing equation e(signature, g₂) = e(H(SHA-256(round as 8 bytes, big-endian)), key)
    with the hash to G1 of RFC 9380 (BLS signatures draft, §2.7, minimal-signature-size).
    Raises MalformedInput if the bytes are not the one encoding of a point of G1's prime-order
    subgroup, or are the identity, which would verify every round under an identity key;
    ProofRefused if the signature is not this beacon's over this round; KeyRefused if the
    beacon's key is no point of G2's subgroup; ExtraMissing without the extra `time`.
    """
    _require_round(round, where)
    if not _is_compressed(signature, SIGNATURE_BYTES):
        expected = f"{SIGNATURE_BYTES} bytes, a compressed point of G1 other than the identity"
        raise MalformedInput(where, expected, found=_described(signature))
    try:
        from py_arkworks_bls12381 import GT, G1Point, G2Point  # noqa: PLC0415  # an extra
    except ImportError:
        library = "py-arkworks-bls12381, which checks beacons"
        raise ExtraMissing(where, library, extra="time") from None
    key = _read_key(beacon)
    try:
        point = G1Point.from_compressed_bytes(signature)
    except ValueError:
        raise MalformedInput(where, "a point of G1's subgroup, x reduced") from None
    message = hashlib.sha256(round.to_bytes(8, "big")).digest()
    hashed = G1Point.hash_to_curve(message, _DOMAIN)
    if not GT.pairing_check([point, -hashed], [G2Point(), key]):
        expected = f"the signature of {beacon.where} over round {round}"
        raise ProofRefused(where, expected, found="another's, or over another round")
    return sha256_hex(signature)


def _read_key(beacon: Beacon) -> G2Point:
    from py_arkworks_bls12381 import G2Point  # noqa: PLC0415  # an extra; the caller has it

    try:
        return G2Point.from_compressed_bytes(beacon.public_key)
    except ValueError:
        raise KeyRefused(beacon.where, "a point of G2's subgroup, x reduced") from None


def _require_round(number: int, where: str) -> None:
    if type(number) is not int or not 1 <= number <= MAX_ROUND:
        raise MalformedInput(where, "a round, an integer from 1 to 2⁶⁴ - 1")


def _is_compressed(data: bytes, size: int) -> bool:
    """Whether the length and the flags are those of a compressed point, not the identity.

    The library reads the identity with any of the other bits set, so it is refused here.
    """
    return len(data) == size and data[0] & (_COMPRESSED | _INFINITY) == _COMPRESSED


def _described(data: bytes) -> str:
    identity = len(data) == SIGNATURE_BYTES and data[0] & _INFINITY
    return "the identity" if identity else f"{len(data)} bytes, or not compressed"


QUICKNET = Beacon(
    name="quicknet",
    chain="52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    public_key=bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c"
        "8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
        "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    genesis=1692803367,
    period=3,
)
"""The League of Entropy's chain of three-second rounds, since 2023-08-23."""
