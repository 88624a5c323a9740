"""Private keys on disk: made once, never overwritten, readable by their owner only."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from safetycase import canonical
from safetycase.envelope.keys import ML_DSA_CONTEXT, Algorithm, PublicKey
from safetycase.envelope.trust import Signer, read_signer
from safetycase.errors import KeyRefused, UsageError

PrivateKey: TypeAlias = Ed25519PrivateKey | MLDSA65PrivateKey

_MAX_KEY_FILE_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PUBLIC_SUFFIX = ".pub.json"
_CLASSES: dict[Algorithm, type[PrivateKey]] = {
    Algorithm.ED25519: Ed25519PrivateKey,
    Algorithm.ML_DSA_65: MLDSA65PrivateKey,
}
_GENERATORS: dict[Algorithm, Callable[[], PrivateKey]] = {
    Algorithm.ED25519: Ed25519PrivateKey.generate,
    Algorithm.ML_DSA_65: MLDSA65PrivateKey.generate,
}


@dataclass(frozen=True, slots=True, repr=False)
class SigningKeys:
    """A signer's public entry and its private keys, in the same order."""

    signer: Signer
    private: tuple[PrivateKey, ...]

    def sign(self, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        """A signature by every key; ML-DSA under the fixed context, randomised."""
        signatures = (_sign(private, message) for private in self.private)
        return tuple(zip(self.signer.keys, signatures, strict=True))


def generate(folder: Path, name: str, *, roles: Sequence[str] = ("developer",)) -> Signer:
    """New keys stand in the folder: two private PEM files and `NAME.pub.json`.

    Private files are PKCS#8 without a password, mode 0600: the folder is to be guarded. The
    public file is an entry for the `signers` of a policy. Refuses to touch a file that exists.
    """
    private = {algorithm: make() for algorithm, make in _GENERATORS.items()}
    signer = Signer(name, tuple(roles), tuple(map(_public, private.values())))
    contents = {
        _private_path(folder, name, algorithm): key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        for algorithm, key in private.items()
    }
    contents[_public_path(folder, name)] = canonical.write(signer.to_json()) + b"\n"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_all(contents)
    return signer


def load(folder: Path, name: str | None = None) -> SigningKeys:
    """The keys of a signer in a folder; the name may be left out where there is only one.

    Refuses private files that others may read, keys with a password, and private keys that
    are not those of the public file.
    """
    path = _public_path(folder, name) if name else _only_public_file(folder)
    data = read_key_file(path)
    signer = read_signer(canonical.read(data, where=path.name), where=path.name)
    if _public_path(folder, signer.name) != path:
        raise KeyRefused(str(path), "the name of its signer", found=signer.name)
    private = tuple(_load_private(folder, signer.name, key) for key in signer.keys)
    return SigningKeys(signer, private)


def _load_private(folder: Path, name: str, public: PublicKey) -> PrivateKey:
    path = _private_path(folder, name, public.algorithm)
    pem = read_key_file(path)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        remedy = f"Run chmod 600 {path.name}, and ask who may have read it."
        raise KeyRefused(str(path), "a private key only its owner can read", remedy=remedy)
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyRefused(str(path), "PKCS#8 PEM, no password", found=str(error)) from None
    if not isinstance(private, _CLASSES[public.algorithm]) or _public(private) != public:
        raise KeyRefused(str(path), f"the private key of {_public_path(folder, name).name}")
    return private


def _public(private: PrivateKey) -> PublicKey:
    is_ed25519 = isinstance(private, Ed25519PrivateKey)
    algorithm = Algorithm.ED25519 if is_ed25519 else Algorithm.ML_DSA_65
    return PublicKey(algorithm, private.public_key().public_bytes_raw())


def _sign(private: PrivateKey, message: bytes) -> bytes:
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(message)
    return private.sign(message, ML_DSA_CONTEXT)


def _private_path(folder: Path, name: str, algorithm: Algorithm) -> Path:
    return folder / f"{name}.{algorithm}.pem"


def _public_path(folder: Path, name: str) -> Path:
    return folder / f"{name}{_PUBLIC_SUFFIX}"


def _only_public_file(folder: Path) -> Path:
    found = sorted(folder.glob(f"*{_PUBLIC_SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(str(folder), "one signer, or its name", found=names)
    return found[0]


def create_all(contents: dict[Path, bytes]) -> None:
    """All files are new and complete, or none is left behind; all but JSON are private."""
    created: list[Path] = []
    try:
        for path, data in contents.items():
            mode = 0o644 if path.suffix == ".json" else 0o600
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            created.append(path)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                os.fsync(file.fileno())
    except OSError as error:
        for path in created:
            path.unlink()
        remedy = "Keys are never overwritten: choose another name or folder."
        place, found = str(error.filename), error.strerror
        raise KeyRefused(place, "a new file", found=found, remedy=remedy) from None


def read_key_file(path: Path) -> bytes:
    """The bytes of a key file; refused if there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_FILE_BYTES)
    except OSError as error:
        raise KeyRefused(str(path), "a readable key file", found=error.strerror) from None
