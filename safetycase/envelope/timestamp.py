"""Time stamps: that bytes existed before a time, said by an authority that the user trusts.

RFC 3161, verified offline. A reply is malleable (its status and some versions and algorithm
names are not signed), so nothing is ever identified by a reply's hash. Chains are checked at
the time of the stamp: a certificate that has expired since still proves what it signed.
"""

from __future__ import annotations

import re
import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safetycase.errors import (
    ExtraMissing,
    KeyRefused,
    MalformedInput,
    ProofRefused,
    TooLarge,
)

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse
    from rfc3161_client.tsp import Accuracy

MAX_TOKEN_BYTES = 64 * 2**10
MAX_ACCURACY_SECONDS = 60
"""What an authority may leave open of its own clock; RFC 3161 sets no limit."""

_GRANTED = 0
_REASON = re.compile(r'(?:Verify error: |reason: ")([^"]+)"')
_STRONG = {
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
}


@dataclass(frozen=True, slots=True)
class TimeStampAuthority:
    """Whose stamps count: those of certificates below `root`, or of `certificate` alone.

    All are X.509 in DER. A pinned `certificate` still has to chain to the root;
    `intermediates` are those between them that the authority's replies leave out.
    """

    name: str
    root: bytes
    certificate: bytes | None = None
    intermediates: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no certificate, and a root that has not signed itself."""
        _require_root(_read_certificate(self.root, f"{self.where}, root"), self.where)
        if self.certificate is not None:
            _read_certificate(self.certificate, f"{self.where}, certificate")
        for data in self.intermediates:
            _read_certificate(data, f"{self.where}, intermediates")

    @property
    def where(self) -> str:
        """The authority as errors name it."""
        return f"time-stamping authority {self.name}"


def stamped_at(
    token: bytes, message: bytes, authority: TimeStampAuthority, *, where: str
) -> datetime:
    """When the authority says it saw the message: the reply's genTime, in UTC.

    `token` is a whole reply (DER of a TimeStampResp, as `openssl ts -reply` writes it).
    Fractions of a second are dropped, and a stated accuracy may be up to 60 seconds, so a
    comparison with it needs that much margin. Required are RFC 3161 §2.3 and §2.4.2 (granted;
    a chain to the root, valid at that time; critical extended key usage timeStamping and no
    other), and that there is one signer, the pinned one if one is pinned, with SHA-2 under
    signature and imprint. A nonce is not asked for: it would prove the reply fresh, not old.
    Raises MalformedInput for bytes that are no granted reply (TooLarge above 64 KiB),
    ProofRefused for a reply that is not this authority's over this message, ExtraMissing
    without the extra `time`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        found = f"{len(token)} bytes"
        raise TooLarge(where, f"a time stamp of at most {MAX_TOKEN_BYTES} bytes", found=found)
    response = _read(token, where)
    from cryptography import x509  # noqa: PLC0415  # slow
    from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415  # an extra

    load = x509.load_der_x509_certificate
    refusals = (
        ValueError, TypeError, KeyError,  # the last two of names of a kind that is not known
        VerificationError, x509.InvalidVersion, x509.DuplicateExtension,
    )  # fmt: skip
    try:
        with _without_warnings():
            pinned = None if authority.certificate is None else load(authority.certificate)
            # a builder shares its lists with its copies: one for each call, all at once
            verifier = VerifierBuilder(
                roots=[load(authority.root)],
                tsa_certificate=pinned,
                intermediates=[load(data) for data in authority.intermediates],
            ).build()
            _require_our_terms(response, pinned, where)
            verifier.verify_message(response, message)
            return response.tst_info.gen_time.astimezone(UTC)
    except refusals as error:
        expected = f"a stamp of {authority.where} over these bytes"
        # of OpenSSL's stack of errors the innermost reason, without files and lines
        reason = (_REASON.findall(str(error)) or [str(error)])[-1]
        raise ProofRefused(where, expected, found=f"{reason!a:.200}") from None


def _read(token: bytes, where: str) -> TimeStampResponse:
    try:
        from rfc3161_client import decode_timestamp_response  # noqa: PLC0415  # an extra
    except ImportError:
        library = "rfc3161-client, which checks time stamps"
        raise ExtraMissing(where, library, extra="time") from None
    try:
        response = decode_timestamp_response(token)
    except ValueError:
        raise MalformedInput(where, "a TimeStampResp in DER and nothing after it") from None
    if response.status != _GRANTED:
        found = f"status {response.status}"
        raise MalformedInput(where, "a granted time stamp (status 0)", found=found)
    return response


def _require_our_terms(
    response: TimeStampResponse, pinned: Certificate | None, where: str
) -> None:
    """What the library leaves open.

    It counts signers only where the reply brings certificates, and compares the signer with
    the pinned certificate only there. OpenSSL below it takes any digest under the signature.
    """
    signers = response.signed_data.signer_infos
    if len(signers) != 1:
        raise ProofRefused(where, "one signer", found=str(len(signers)))
    signer = signers.pop()
    named = (signer.issuer, signer.serial_number)
    if pinned is not None and named != (pinned.issuer, pinned.serial_number):
        found = f"one issued by {signer.issuer.rfc4514_string()!a:.200}"
        raise ProofRefused(where, "the pinned certificate's signature", found=found)
    info = response.tst_info
    used = {*response.signed_data.digest_algorithms, info.message_imprint.hash_algorithm}
    if weak := sorted(oid.dotted_string for oid in used if oid.dotted_string not in _STRONG):
        expected = f"{', '.join(_STRONG.values())} under signature and imprint"
        raise ProofRefused(where, expected, found=f"algorithm {weak[0]}")
    accuracy: Accuracy | None = info.accuracy
    seconds = None if accuracy is None else accuracy.seconds
    if seconds is not None and seconds > MAX_ACCURACY_SECONDS:
        expected = f"an accuracy of at most {MAX_ACCURACY_SECONDS} seconds"
        raise ProofRefused(where, expected, found=f"{seconds} seconds")


def _require_root(root: Certificate, where: str) -> None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # with x509, below

    try:
        root.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise KeyRefused(f"{where}, root", "a certificate signed by its own key") from None


def _read_certificate(data: bytes, where: str) -> Certificate:
    """The certificate, all of which `cryptography` can read.

    The library would answer one that OpenSSL cannot read with a panic, which is no Exception.
    """
    from cryptography import x509  # noqa: PLC0415  # 90 ms that only time stamps need
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    refusals = (
        ValueError, TypeError, KeyError, x509.InvalidVersion, x509.DuplicateExtension,
        UnsupportedAlgorithm,
    )  # fmt: skip
    try:
        with _without_warnings():
            certificate = x509.load_der_x509_certificate(data)
            _ = certificate.subject, certificate.issuer, certificate.extensions
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            _ = certificate.public_key(), certificate.signature_hash_algorithm
    except refusals as error:
        found = ascii(str(error))
        raise KeyRefused(where, "an X.509 certificate in DER", found=found) from None
    return certificate


def _without_warnings() -> AbstractContextManager[object]:
    """`cryptography` warns of serial numbers and names that roots in use do have."""
    return warnings.catch_warnings(action="ignore")
