"""DSSE v1 envelopes: what was signed, as bytes, and the signatures over it.

The payload is held as the bytes received; nothing here parses it. An envelope is malleable
(white space, order, extra signatures), so nothing is ever identified by an envelope's hash.
Protocol: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from safetycase import canonical
from safetycase.errors import MalformedInput

STATEMENT_TYPE = "application/vnd.in-toto+json"
MAX_SIGNATURES = 64

_LIMITS = canonical.JsonLimits(max_bytes=16 * 2**20, max_depth=8)
_TO_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Signature:
    """Signature bytes, and the key id that came with them: a hint, never a reason to trust."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload, its type and its signatures; `remarks` name spellings we would not write."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]
    remarks: tuple[str, ...] = ()

    def signed_bytes(self) -> bytes:
        """What each signature is over."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: no other type and payload give the same bytes.

    Lengths count bytes, also where the type is not ASCII (protocol.md, "PAE definition").
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def read_envelope(data: bytes, *, where: str) -> Envelope:
    """The envelope these bytes spell, with 1 to 64 signatures.

    As the protocol demands, URL-safe base64 is accepted, unknown fields are ignored and a
    missing key id is empty; `remarks` say where. Refused: unpadded, mixed, wrapped or
    non-canonical base64, and all that strict JSON refuses. Says nothing of validity.
    """
    fields = canonical.as_object(
        canonical.read(data, where=where, limits=_LIMITS),
        where=where,
        required=("payload", "payloadType", "signatures"),
        optional=None,
    )
    remarks: list[str] = []
    _remark_unknown(fields, {"payload", "payloadType", "signatures"}, where, remarks)
    items = canonical.as_array(
        fields["signatures"], where=f"{where}#/signatures", max_items=MAX_SIGNATURES
    )
    if not items:
        raise MalformedInput(f"{where}#/signatures", "at least one signature")
    return Envelope(
        canonical.as_text(fields["payloadType"], where=f"{where}#/payloadType"),
        _decode(fields["payload"], f"{where}#/payload", remarks),
        tuple(
            _read_signature(item, f"{where}#/signatures/{index}", remarks)
            for index, item in enumerate(items)
        ),
        tuple(remarks),
    )


def write_envelope(envelope: Envelope) -> bytes:
    """The envelope in canonical JSON and canonical base64, signatures in the order held."""
    return canonical.write(
        {
            "payload": encode_base64(envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [
                {"keyid": signature.keyid, "sig": encode_base64(signature.sig)}
                for signature in envelope.signatures
            ],
        }
    )


def decode_base64(text: str, *, where: str) -> bytes:
    """The bytes of standard, padded base64 in its one spelling; all else is refused.

    Writing the bytes anew and comparing leaves no room for lax alphabets, white space, junk
    after the padding, or unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedInput(where, "standard base64", found=str(error)) from None
    if encode_base64(data) != text:
        raise MalformedInput(where, "base64 in its one spelling")
    return data


def encode_base64(data: bytes) -> str:
    """Standard, padded base64."""
    return base64.b64encode(data).decode()


def _read_signature(item: canonical.JsonValue, where: str, remarks: list[str]) -> Signature:
    fields = canonical.as_object(item, where=where, required=("sig",), optional=None)
    _remark_unknown(fields, {"sig", "keyid"}, where, remarks)
    keyid = canonical.as_text(fields.get("keyid", ""), where=f"{where}/keyid")
    return Signature(keyid, _decode(fields["sig"], f"{where}/sig", remarks))


def _decode(value: canonical.JsonValue, where: str, remarks: list[str]) -> bytes:
    text = canonical.as_text(value, where=where)
    is_url_safe = ("-" in text or "_" in text) and "+" not in text and "/" not in text
    if is_url_safe:
        remarks.append(f"{where}: URL-safe base64")
        text = text.translate(_TO_STANDARD)
    return decode_base64(text, where=where)


def _remark_unknown(
    fields: dict[str, canonical.JsonValue], known: set[str], where: str, remarks: list[str]
) -> None:
    remarks.extend(f"{where}: ignored field {key!a}" for key in sorted(fields.keys() - known))
