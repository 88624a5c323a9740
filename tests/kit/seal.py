"""Statements and signatures as attackers make them: over any payload, with any keys."""

from __future__ import annotations

from collections.abc import Iterable

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.digest import FileDigest
from safetycase.envelope.dsse import (
    STATEMENT_TYPE,
    Envelope,
    Signature,
    pae,
    read_envelope,
    write_envelope,
)
from safetycase.envelope.statement import write_statement
from safetycase.errors import SafetyCaseError
from tests.kit.builder import SIGNER, Json, KitCase, keys
from tests.kit.toy_plan import MODEL_FILES, manifest_of

STATEMENT = layout.CASE_STATEMENT_NAME


def bound_files(case: KitCase) -> list[FileDigest]:
    """Digests of the members that a statement must list."""
    return [FileDigest.of(n, data) for n, data in case.members.items() if layout.is_bound(n)]


def payload_of(case: KitCase) -> bytes:
    """The right statement of a case's present files; of the toy if the record is unreadable."""
    try:
        subject: str = case.record["subject"]["manifest_digest"]
    except (SafetyCaseError, KeyError, TypeError):
        subject = manifest_of(MODEL_FILES)
    return write_statement(subject, bound_files(case))


def signatures(payload: bytes, signer: str = SIGNER) -> tuple[Signature, ...]:
    """Signatures by both keys of a signer, each under its own key id."""
    made = keys(signer).sign(pae(STATEMENT_TYPE, payload))
    return tuple(Signature(public.keyid, sig) for public, sig in made)


def sealed(
    case: KitCase,
    payload: bytes | None = None,
    made: Iterable[Signature] | None = None,
    payload_type: str = STATEMENT_TYPE,
) -> KitCase:
    """The case under a statement of its present files, or this payload and signatures."""
    stated = payload_of(case) if payload is None else payload
    signed = signatures(stated) if made is None else tuple(made)
    envelope = write_envelope(Envelope(payload_type, stated, signed))
    return case.with_members({STATEMENT: envelope})


def unsealed(case: KitCase, base: KitCase) -> KitCase:
    """The case as somebody without a key leaves it: the base's signatures, whatever they cover.

    A case without a statement gets the base's whole statement.
    """
    honest = base.members[STATEMENT]
    own = case.members.get(STATEMENT, honest)
    signed = read_envelope(honest, where=STATEMENT).signatures
    payload = read_envelope(own, where=STATEMENT).payload
    return case.with_members(
        {STATEMENT: write_envelope(Envelope(STATEMENT_TYPE, payload, signed))}
    )


def statement_of(case: KitCase) -> Json:
    """The statement of a case as plain values."""
    payload = read_envelope(case.members[STATEMENT], where=STATEMENT).payload
    return canonical.read(payload, where=STATEMENT)
