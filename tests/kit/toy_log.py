"""A transparency log and two witnesses in memory, with the same keys every time.

Spells proofs, notes and signed messages by itself, from the C2SP specifications, so that the
reader under test is not compared with itself. ML-DSA signatures differ from call to call.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from safetycase.digest import inclusion_proof, leaf_hash, root
from safetycase.envelope.log_proof import LogTrust
from safetycase.envelope.signed_note import read_vkey

ORIGIN = "log.example/toy"
CLASSIC = "witness.example/classic"
MODERN = "witness.example/modern"
TIME = 1_795_089_600
"""2026-11-19T12:00:00Z, some days before the kit's cases are verified."""

NOTE, COSIGNED, COSIGNED_PQ = 0x01, 0x04, 0x06


@dataclass(frozen=True)
class Hand:
    """Who signs, with which kind of key: 0x01 a note, 0x04 and 0x06 a checkpoint and time."""

    name: str
    kind: int
    private: Ed25519PrivateKey | MLDSA44PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        named = b"%s\n%c%s" % (self.name.encode(), self.kind, self.public)
        return hashlib.sha256(named).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def sign(self, text: str, time: int) -> bytes:
        """The signature over a checkpoint's text, without the key id."""
        if self.kind == NOTE:
            return self.private.sign(text.encode())
        stamp = struct.pack(">Q", time)
        if self.kind == COSIGNED:
            return stamp + self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        origin, size, head = text.split("\n")[:3]
        message = b"subtree/v1\n\x00" + opaque(self.name) + stamp + opaque(origin)
        message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(head)
        return stamp + self.private.sign(message)

    def line(self, text: str, time: int = TIME) -> str:
        """The signature line over a checkpoint's text."""
        return line(self.name, self.key_id, self.sign(text, time))


def hand(name: str, kind: int, seed: str = "") -> Hand:
    """A hand whose key follows from name, kind and seed."""
    secret = hashlib.sha256(f"toy log {name} {kind} {seed}".encode()).digest()
    if kind == COSIGNED_PQ:
        return Hand(name, kind, MLDSA44PrivateKey.from_seed_bytes(secret))
    return Hand(name, kind, Ed25519PrivateKey.from_private_bytes(secret))


@dataclass
class ToyLog:
    """A log that takes any entries. Its witnesses cosign whatever it shows them."""

    log: Hand = field(default_factory=lambda: hand(ORIGIN, NOTE))
    witnesses: tuple[Hand, ...] = field(
        default_factory=lambda: (hand(CLASSIC, COSIGNED), hand(MODERN, COSIGNED_PQ))
    )
    entries: list[bytes] = field(default_factory=list)

    def add(self, entries: Iterable[bytes], time: int = TIME) -> bytes:
        """Append entries; the proof of the last, cosigned by each witness a minute apart."""
        self.entries.extend(entries)
        return self.proof(len(self.entries) - 1, time)

    def proof(self, index: int, time: int = TIME) -> bytes:
        """The proof of an entry in the log as it is."""
        return spell(index, self.hashes(index), self.text(), self.lines(self.text(), time))

    def hashes(self, index: int) -> tuple[bytes, ...]:
        """The inclusion proof of an entry."""
        return inclusion_proof([leaf_hash(entry) for entry in self.entries], index)

    def text(self) -> str:
        """The checkpoint of the log as it is, without signatures."""
        head = root(leaf_hash(entry) for entry in self.entries)
        return f"{self.log.name}\n{len(self.entries)}\n{b64(head)}\n"

    def lines(self, text: str, time: int = TIME) -> list[str]:
        """The log's signature line and those of its witnesses, a minute apart."""
        cosigned = [w.line(text, time + 60 * n) for n, w in enumerate(self.witnesses)]
        return [self.log.line(text, time), *cosigned]

    def trust(self, quorum: int = 2) -> LogTrust:
        """Trust in the log and in its witnesses."""
        return trust([self.log], self.witnesses, quorum)


def trust(logs: Iterable[Hand], witnesses: Iterable[Hand], quorum: int) -> LogTrust:
    """Trust in these, read from their verifier keys."""
    return LogTrust(
        tuple(read_vkey(log.vkey, where="log") for log in logs),
        tuple(read_vkey(witness.vkey, where="witness") for witness in witnesses),
        quorum,
    )


def spell(index: int | str, hashes: Sequence[bytes], text: str, lines: Sequence[str]) -> bytes:
    """A tlog-proof of these parts, whether or not they fit together."""
    head = ["c2sp.org/tlog-proof@v1", f"index {index}", *map(b64, hashes)]
    return ("\n".join([*head, "", text, *lines]) + "\n").encode()


def line(name: str, key_id: bytes, signature: bytes) -> str:
    """A signature line of a note."""
    return f"\u2014 {name} {b64(key_id + signature)}"


def opaque(text: str) -> bytes:
    """Text after one byte that says how long it is."""
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def b64(data: bytes) -> str:
    """Standard, padded base64."""
    return base64.b64encode(data).decode()
