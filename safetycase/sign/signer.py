"""Sign a case: state its files, sign the statement, put the envelope into the case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import Container, open_case
from safetycase.bundle.writer import add_members
from safetycase.digest import as_sha256
from safetycase.envelope.dsse import (
    STATEMENT_TYPE,
    Envelope,
    Signature,
    pae,
    read_envelope,
    write_envelope,
)
from safetycase.envelope.statement import case_id, write_statement
from safetycase.errors import KeyRefused, MalformedInput
from safetycase.sign.keys import SigningKeys, load

MANIFEST_DIGEST_POINTER = "/subject/manifest_digest"


@dataclass(frozen=True, slots=True)
class SignedCase:
    """The id of the case that was signed, by whom, and the ids of the keys used."""

    case_id: str
    signer: str
    keyids: tuple[str, ...]


def sign_case(
    path: Path, key_folder: Path, *, name: str | None = None, replace: bool = False
) -> SignedCase:
    """The case carries this signer's signatures over the statement of all its bound files.

    A second signer's signatures join the first's. Refuses a case whose files are no longer
    those that its statement lists (`replace` drops that statement and its signatures), and a
    file that changes while it is signed. Says nothing of whether the case holds: verify first.
    """
    container = open_case(path)
    keys = load(key_folder, name)
    payload = case_payload(container)
    signed = sign_payload(payload, keys)
    earlier = _earlier_signatures(container, payload, replace=replace)
    own = {signature.keyid for signature in signed.signatures}
    kept = tuple(signature for signature in earlier if signature.keyid not in own)
    envelope = Envelope(STATEMENT_TYPE, payload, kept + signed.signatures)
    members = {layout.CASE_STATEMENT_NAME: write_envelope(envelope)}
    add_members(path, members, opened=container, replace=True)
    keyids = tuple(signature.keyid for signature in signed.signatures)
    return SignedCase(case_id(payload), keys.signer.name, keyids)


def case_payload(container: Container) -> bytes:
    """The statement of a case: its model's manifest digest and every bound file."""
    where = f"{container.where}:{layout.RECORD_NAME}"
    record = canonical.read(container.read(layout.RECORD_NAME), where=where)
    digest = canonical.at(record, MANIFEST_DIGEST_POINTER, where=where)
    place = f"{where}#{MANIFEST_DIGEST_POINTER}"
    return write_statement(as_sha256(digest, where=place), container.bound_digests())


def sign_payload(
    payload: bytes, keys: SigningKeys, *, payload_type: str = STATEMENT_TYPE
) -> Envelope:
    """An envelope with a signature by every key of the signer, each checked once made."""
    message = pae(payload_type, payload)
    signatures: list[Signature] = []
    for public, sig in keys.sign(message):
        if not public.verifies(message, sig):
            raise KeyRefused(keys.signer.name, "a signature that verifies", found="a bad one")
        signatures.append(Signature(public.keyid, sig))
    return Envelope(payload_type, payload, tuple(signatures))


def require_outsider(keys: SigningKeys, case: Envelope) -> None:
    """Return only if no key of the signer made any signature of the case's own envelope.

    Nobody vouches for himself; the verifier asks the same again.
    """
    message = case.signed_bytes()
    for key in keys.signer.keys:
        if any(key.verifies(message, signature.sig) for signature in case.signatures):
            raise KeyRefused(
                keys.signer.name,
                "the keys of somebody who has not signed this case",
                found=f"its {key.algorithm} key among the case's signatures",
                remedy="A re-execution counts only by somebody else.",
            )


def _earlier_signatures(
    container: Container, payload: bytes, *, replace: bool
) -> tuple[Signature, ...]:
    if layout.CASE_STATEMENT_NAME not in container:
        return ()
    where = f"{container.where}:{layout.CASE_STATEMENT_NAME}"
    earlier = read_envelope(container.read(layout.CASE_STATEMENT_NAME), where=where)
    if earlier.payload == payload and earlier.payload_type == STATEMENT_TYPE:
        return earlier.signatures
    if replace:
        return ()
    remedy = "Sign with `replace` to drop the earlier statement and its signatures."
    raise MalformedInput(where, "the files as they were signed", found="others", remedy=remedy)
