"""A beacon whose rounds the kit can sign: its secret key is known."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from safetycase.envelope.beacon import Beacon

DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"


@dataclass(frozen=True)
class ToyBeacon:
    """Round 1 at 2026-01-01T00:00:00Z, one more every three seconds; the name is the secret."""

    name: str = "toy"
    genesis: int = 1767225600
    period: int = 3

    @property
    def beacon(self) -> Beacon:
        key = (G2Point() * self._secret()).to_compressed_bytes()
        times = struct.pack(">Iq", self.period, self.genesis)
        chain = hashlib.sha256(times + key + self.name.encode()).hexdigest()
        return Beacon(self.name, chain, key, self.genesis, self.period)

    def sign(self, round: int, domain: bytes = DOMAIN) -> bytes:  # noqa: A002
        """The one signature over the round, 48 bytes."""
        message = hashlib.sha256(round.to_bytes(8, "big")).digest()
        return (G1Point.hash_to_curve(message, domain) * self._secret()).to_compressed_bytes()

    def _secret(self) -> Scalar:
        seed = hashlib.sha512(b"toy beacon " + self.name.encode()).digest()
        return Scalar.from_be_bytes_mod_order(seed)
