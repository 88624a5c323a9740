"""Escrows encrypted to named auditors: HPKE with X-Wing (ML-KEM-768 and X25519) a recipient.

What is withheld today can be recorded today and read later, so the key agreement is secure
unless both of its halves are broken. The content is encrypted once, under a key of its own
(ChaCha20-Poly1305), with the list of auditors as additional data; HPKE in base mode wraps that
key for every auditor, in the context of the case (RFC 9180;
https://datatracker.ietf.org/doc/draft-connolly-cfrg-xwing-kem/). Nobody is authenticated: what
is opened is held against the signed case, and so is for whom it was.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Meta

from safetycase.digest import sha256_hex
from safetycase.errors import KeyRefused, MalformedInput
from safetycase.sign.keys import create_all, read_key_file
from safetycase.tables.escrow import read_escrow, write_escrow

SEALED_SCHEMA: Literal["https://safetycase.dev/sealed-escrow/v1alpha"] = (
    "https://safetycase.dev/sealed-escrow/v1alpha"
)

_CONTEXT = b"safetycase.escrow.v1\x00"
_SEED_BYTES, _ML_KEM_PUBLIC_BYTES = 64, 1184
_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_ONCE = bytes(12)
"""Nonce of the content: its key encrypts nothing else."""

_Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$")]
_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class AuditorKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An auditor's public key, to be compared by another way before it is used."""

    name: Annotated[_Name, Meta(description="Who holds the private key.")]
    kem: Annotated[Literal["x-wing"], Meta(description="The key agreement.")]
    public: Annotated[
        bytes, Meta(description="ML-KEM-768 and X25519 public keys, joined; in base64.")
    ]

    def fingerprint(self) -> str:
        """SHA-256 of the public key."""
        return sha256_hex(self.public)


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who can open a sealed escrow."""

    name: Annotated[_Name, Meta(description="Who.")]
    key: Annotated[_Digest, Meta(description="SHA-256 of the public key.")]
    wrapped: Annotated[bytes, Meta(description="The content's key, by HPKE; in base64.")]


class SealedEscrow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An escrow that only the auditors it names can open."""

    schema: Annotated[
        Literal["https://safetycase.dev/sealed-escrow/v1alpha"],
        Meta(description="This version."),
    ]
    case: Annotated[_Digest, Meta(description="Id of the redacted case that it opens.")]
    recipients: Annotated[list[Recipient], Meta(description="Who can open it.", min_length=1)]
    sealed: Annotated[bytes, Meta(description="The escrow, by ChaCha20-Poly1305; in base64.")]


@dataclass(frozen=True, slots=True, repr=False)
class _Private:
    ml_kem: MLKEM768PrivateKey
    x25519: X25519PrivateKey

    def spelled(self) -> bytes:
        return self.ml_kem.private_bytes_raw() + self.x25519.private_bytes_raw()

    def public(self) -> bytes:
        ml_kem, x25519 = self.ml_kem.public_key(), self.x25519.public_key()
        return ml_kem.public_bytes_raw() + x25519.public_bytes_raw()


def generate_auditor(folder: Path, name: str) -> AuditorKey:
    """New keys stand in the folder: `NAME.auditor.key`, mode 0600, and `NAME.auditor.json`.

    Refuses to touch a file that exists, and names that are no plain file names.
    """
    private = _Private(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
    public = _checked(msgspec.json.encode(AuditorKey(name, "x-wing", private.public())), name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_all(
        {
            folder / f"{name}.auditor.key": private.spelled().hex().encode() + b"\n",
            folder / f"{name}.auditor.json": msgspec.json.encode(public) + b"\n",
        }
    )
    return public


def read_auditor(path: Path) -> AuditorKey:
    """The public key in an auditor's file."""
    return _checked(read_key_file(path), str(path))


def seal(escrow: bytes, case: str, auditors: Sequence[AuditorKey]) -> bytes:
    """The escrow of the case with this id, for these auditors and nobody else."""
    key = ChaCha20Poly1305.generate_key()
    recipients = [
        Recipient(one.name, one.fingerprint(), _wrap(key, one, case)) for one in auditors
    ]
    sealed = ChaCha20Poly1305(key).encrypt(_ONCE, escrow, _about_all(case, recipients))
    whole = SealedEscrow(SEALED_SCHEMA, case, recipients, sealed)
    return msgspec.json.encode(whole) + b"\n"


def is_sealed(data: bytes) -> bool:
    """Whether an escrow is one that has to be opened with an auditor's key."""
    return SEALED_SCHEMA.encode() in data[:200]


def unseal(data: bytes, key: Path) -> bytes:
    """The escrow, opened with an auditor's private key; it says for which auditors it was.

    Refused: keys that others may read, an escrow for other auditors, and one that was altered
    or made for another case than it says.
    """
    try:
        whole = msgspec.json.decode(data, type=SealedEscrow, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput("escrow", "a sealed escrow", found=str(error)) from None
    private = _load(key)
    own = sha256_hex(private.public())
    mine = next((one for one in whole.recipients if one.key == own), None)
    if mine is None:
        named = ", ".join(one.name for one in whole.recipients)
        raise KeyRefused(str(key), f"the key of {named}", found="another's")
    try:
        pair = hpke.MLKEM768X25519PrivateKey(private.ml_kem, private.x25519)
        opened = _SUITE.decrypt(mine.wrapped, pair, info=_about(whole.case))
        about = _about_all(whole.case, whole.recipients)
        escrow = ChaCha20Poly1305(opened).decrypt(_ONCE, whole.sealed, about)
    except (InvalidTag, ValueError):
        raise MalformedInput("escrow", "one as it was sealed", found="another") from None
    auditors = sorted({one.key for one in whole.recipients})
    return write_escrow(msgspec.structs.replace(read_escrow(escrow), auditors=auditors))


def _wrap(key: bytes, auditor: AuditorKey, case: str) -> bytes:
    public = auditor.public
    pair = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_ML_KEM_PUBLIC_BYTES]),
        X25519PublicKey.from_public_bytes(public[_ML_KEM_PUBLIC_BYTES:]),
    )
    return _SUITE.encrypt(key, pair, info=_about(case))


def _about(case: str) -> bytes:
    return _CONTEXT + case.encode()


def _about_all(case: str, recipients: Sequence[Recipient]) -> bytes:
    return _about(case) + b"".join(bytes.fromhex(one.key) for one in recipients)


def _checked(data: bytes, where: str) -> AuditorKey:
    try:
        public = msgspec.json.decode(data, type=AuditorKey, strict=True)
        _wrap(bytes(32), public, "")
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise KeyRefused(where, "an auditor's X-Wing public key", found=str(error)) from None
    return public


def _load(path: Path) -> _Private:
    text = read_key_file(path)
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyRefused(str(path), "a private key only its owner can read")
    try:
        raw = bytes.fromhex(text.decode("ascii"))
        return _Private(
            MLKEM768PrivateKey.from_seed_bytes(raw[:_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(raw[_SEED_BYTES:]),
        )
    except ValueError as error:
        raise KeyRefused(str(path), "an auditor's private key", found=str(error)) from None
