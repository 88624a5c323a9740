"""A time-stamping authority whose clock the kit sets: RFC 3161 replies, always the same bytes.

Written with `cryptography` and thirty lines of DER rather than by `openssl ts`, which stamps
only the present and may not be there. `openssl ts -verify` accepts what is made here
(tests/unit/envelope/test_timestamp.py). The flaws are those that a verifier has to notice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from safetycase.envelope.timestamp import TimeStampAuthority

SIGNED_DATA, STAMP = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.47"
POLICY = "1.2.3.4.1"
DIGESTS = {
    "md5": "1.2.840.113549.2.5", "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3",
}  # fmt: skip
SIGNS_WITH: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "sha1": ("1.2.840.10045.4.1", hashes.SHA1()),  # noqa: S303  # a flaw to be noticed
    "sha256": ("1.2.840.10045.4.3.2", hashes.SHA256()),
}
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


def der(tag: int, *parts: bytes) -> bytes:
    """One element: tag, length, contents."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    spelled = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(spelled)]) + spelled + body


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return der(0x06, bytes(body))


def sequence(*parts: bytes) -> bytes:
    return der(0x30, *parts)


def set_of(*parts: bytes, tag: int = 0x31) -> bytes:
    return der(tag, *sorted(parts))


def octets(data: bytes) -> bytes:
    return der(0x04, data)


@dataclass(frozen=True)
class ToyAuthority:
    """A root and a certificate below it; the name is both secret keys."""

    name: str = "toy clock"
    usages: tuple[x509.ObjectIdentifier, ...] = (TIME_STAMPING,)
    is_critical: bool = True
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    root_until: datetime = datetime(2036, 1, 1, tzinfo=UTC)
    until: datetime = datetime(2036, 1, 1, tzinfo=UTC)

    @property
    def root(self) -> x509.Certificate:
        return self.vouches_for(self)

    def vouches_for(self, other: ToyAuthority) -> x509.Certificate:
        """A certificate of the other's root by this one's, to stand between the two."""
        issuer = _name(f"{self.name} root")
        builder = other._builder("root", other.root_until).issuer_name(issuer)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        return self._signed(builder.add_extension(constraints, critical=True))

    @property
    def certificate(self) -> x509.Certificate:
        builder = self._builder("stamps", self.until).issuer_name(_name(f"{self.name} root"))
        if self.usages:
            usage = x509.ExtendedKeyUsage(self.usages)
            builder = builder.add_extension(usage, critical=self.is_critical)
        return self._signed(builder)

    def authority(self, *, pinned: bool = True) -> TimeStampAuthority:
        leaf = self.certificate.public_bytes(Encoding.DER) if pinned else None
        return TimeStampAuthority(self.name, self.root.public_bytes(Encoding.DER), leaf)

    def stamp(
        self,
        message: bytes,
        at: datetime,
        *,
        status: int = 0,
        imprint: str = "sha256",
        digest: str = "sha256",
        certificates: tuple[x509.Certificate, ...] | None = None,
        signers: tuple[ToyAuthority, ...] = (),
        accuracy: int | None = None,
    ) -> bytes:
        """The reply (DER of a TimeStampResp) to a request for these bytes, at this time."""
        info = sequence(
            integer(1),
            oid(POLICY),
            sequence(_algorithm(imprint), octets(hashlib.new(imprint, message).digest())),
            integer(int.from_bytes(hashlib.sha256(message).digest()[:7], "big")),
            der(0x18, _instant(at)),
            b"" if accuracy is None else sequence(integer(accuracy)),
        )
        held = (self.certificate,) if certificates is None else certificates
        spelled = [certificate.public_bytes(Encoding.DER) for certificate in held]
        signed = sequence(
            integer(3),
            set_of(_algorithm(digest)),
            sequence(oid(STAMP), der(0xA0, octets(info))),
            set_of(*spelled, tag=0xA0) if spelled else b"",
            set_of(*(signer.signature(info, digest) for signer in (self, *signers))),
        )
        return sequence(
            sequence(integer(status)), sequence(oid(SIGNED_DATA), der(0xA0, signed))
        )

    def signature(self, info: bytes, digest: str) -> bytes:
        """The SignerInfo over a TSTInfo (RFC 5652 §5.3, with RFC 5816's ESSCertIDv2)."""
        certificate = self.certificate
        fingerprint = octets(certificate.fingerprint(hashes.SHA256()))
        attributes = (
            _attribute(CONTENT_TYPE, oid(STAMP)),
            _attribute(MESSAGE_DIGEST, octets(hashlib.new(digest, info).digest())),
            _attribute(SIGNING_CERTIFICATE, sequence(sequence(sequence(fingerprint)))),
        )
        algorithm, hashing = SIGNS_WITH[digest]
        method = ec.ECDSA(hashing, deterministic_signing=True)
        return sequence(
            integer(1),
            sequence(certificate.issuer.public_bytes(), integer(certificate.serial_number)),
            _algorithm(digest),
            set_of(*attributes, tag=0xA0),
            sequence(oid(algorithm)),
            octets(self._key("stamps").sign(set_of(*attributes), method)),
        )

    def _key(self, role: str) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self._number(role, 31), ec.SECP256R1())

    def _number(self, role: str, size: int) -> int:
        digest = hashlib.sha256(f"toy authority {self.name} {role}".encode()).digest()
        return int.from_bytes(digest[:size], "big")

    def _builder(self, role: str, until: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(f"{self.name} {role}"))
            .public_key(self._key(role).public_key())
            .serial_number(self._number(role, 8))
            .not_valid_before(self.since)
            .not_valid_after(until)
        )

    def _signed(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        return builder.sign(self._key("root"), hashes.SHA256(), ecdsa_deterministic=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _instant(at: datetime) -> bytes:
    """GeneralizedTime in DER: no fraction that is zero, no zeros at its end."""
    spelled = at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f").rstrip("0").rstrip(".")
    return f"{spelled}Z".encode()


def _algorithm(digest: str) -> bytes:
    return sequence(oid(DIGESTS[digest]), der(0x05))


def _attribute(kind: str, value: bytes) -> bytes:
    return sequence(oid(kind), set_of(value))
