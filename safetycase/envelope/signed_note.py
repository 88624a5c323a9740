"""C2SP signed notes: a text, the signatures under it, and the keys that verify them.

Transparency logs sign their checkpoints in this format, and witnesses cosign them. A name and
a key id say which key to try; the algorithm comes from the key that the user trusts.
Specification: https://c2sp.org/signed-note@v1.0.0
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from safetycase.envelope.dsse import decode_base64, encode_base64
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.errors import KeyRefused, MalformedInput, TooLarge

MAX_SIGNATURES = 64
"""Signature lines of a note; the specification asks for at least 16."""

_KEY_ID_BYTES = 4
_MAX_NAME_BYTES = 255  # as ML-DSA-44 cosignatures spell names: opaque cosigner_name<1..2^8-1>
_ML_DSA_44_KEY_BYTES = 1312
_ML_DSA_44_SIGNATURE_BYTES = 2420
_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_EM_DASH = "\u2014"


class KeyType(IntEnum):
    """What a key signs, and how: the signature type identifier of its verifier key."""

    NOTE_ED25519 = 0x01
    """The text of a note (signed-note)."""
    COSIGNATURE_ED25519 = 0x04
    """A checkpoint and a time (tlog-cosignature)."""
    COSIGNATURE_ML_DSA_44 = 0x06
    """The same, with the name of the cosigner, safe from quantum computers."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The raw public key of a log or witness (RFC 8032 §5.1.5, FIPS 204 §7.2), and its name."""

    name: str
    kind: KeyType
    raw: bytes

    def __post_init__(self) -> None:
        """Refuse a name that no note can carry, a wrong length, an unsound Ed25519 point."""
        if not _is_name(self.name):
            raise KeyRefused(
                "verifier key",
                f"a name of at most {_MAX_NAME_BYTES} bytes without spaces and +",
                found=ascii(self.name[:80]),
            )
        if self.kind is not KeyType.COSIGNATURE_ML_DSA_44:
            PublicKey(Algorithm.ED25519, self.raw)
        elif len(self.raw) != _ML_DSA_44_KEY_BYTES:
            found = f"{len(self.raw)} bytes"
            raise KeyRefused("ml-dsa-44 key", f"{_ML_DSA_44_KEY_BYTES} bytes", found=found)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || type || public key): a hint."""
        named = self.name.encode() + b"\n" + bytes([self.kind]) + self.raw
        return hashlib.sha256(named).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as NAME+KEYID+BASE64."""
        encoded = encode_base64(bytes([self.kind]) + self.raw)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over exactly this message (no ML-DSA context)."""
        if self.kind is not KeyType.COSIGNATURE_ML_DSA_44:
            return PublicKey(Algorithm.ED25519, self.raw).verifies(message, signature)
        if len(signature) != _ML_DSA_44_SIGNATURE_BYTES:
            return False
        try:
            MLDSA44PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it claims to be, and the bytes after the key id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its final newline, and the 1 to 64 signatures under it, none verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def claimed_by(self, key: VerifierKey) -> tuple[bytes, ...]:
        """The signatures that bear the key's name and id: each must be verified."""
        wanted = key.name, key.key_id
        return tuple(s.signature for s in self.signatures if (s.name, s.key_id) == wanted)


def read_vkey(text: str, *, where: str) -> VerifierKey:
    """The key that a verifier key NAME+KEYID+BASE64 spells.

    Refused: other signature types than those of KeyType, a key id that is not the recommended
    digest of name and key, and what VerifierKey refuses.
    """
    parts = text.split("+", 2)  # base64 may hold a + of its own
    if len(parts) != 3:
        raise MalformedInput(where, "a verifier key NAME+KEYID+BASE64", found=ascii(text[:80]))
    name, key_id, encoded = parts
    material = decode_base64(encoded, where=where)
    if material[:1] not in {bytes([kind]) for kind in KeyType}:
        found = material[:1].hex() or "nothing"
        raise KeyRefused(where, "a signature type of 01, 04 or 06", found=found)
    try:
        key = VerifierKey(name, KeyType(material[0]), material[1:])
    except KeyRefused as error:
        place = f"{where}: {error.where}"
        raise KeyRefused(place, error.expected, found=error.found) from None
    if key_id != key.key_id.hex():
        raise KeyRefused(where, f"the key id {key.key_id.hex()}", found=ascii(key_id[:80]))
    return key


def read_note(text: str, *, where: str) -> Note:
    """The note that this text spells; what it says is not judged, and nobody has signed yet.

    The last empty line parts text and signatures. Refused: control characters other than
    newline, and any line under the text that is no signature line in its one spelling.
    """
    if _CONTROL.search(text) is not None:
        raise MalformedInput(where, "newlines and no other control characters")
    body, parted, block = text.rpartition("\n\n")
    if not parted or not block.endswith("\n"):
        raise MalformedInput(where, "a text, an empty line, and signature lines to the end")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise TooLarge(where, f"at most {MAX_SIGNATURES} signatures", found=str(len(lines)))
    return Note(body + "\n", tuple(_read_signature(line, where) for line in lines))


def _read_signature(line: str, where: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _EM_DASH or not _is_name(parts[1]):
        raise MalformedInput(
            where, "an em dash, a name and a signature", found=ascii(line[:80])
        )
    decoded = decode_base64(parts[2], where=f"{where}: signature of {parts[1]!a}")
    if len(decoded) <= _KEY_ID_BYTES:
        found = f"{len(decoded)} bytes"
        raise MalformedInput(where, "a key id of 4 bytes and a signature", found=found)
    return NoteSignature(parts[1], decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:])


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and len(text.encode()) <= _MAX_NAME_BYTES
