"""The value that a plan waits for, read from what a witness or a beacon gave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.digest import sha256_hex
from safetycase.envelope.beacon import QUICKNET, SIGNATURE_BYTES, value_of
from safetycase.envelope.dsse import decode_base64, read_envelope
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.envelope.statement import RECEIPT_PREDICATE, open_statement_about
from safetycase.envelope.trust import read_instant
from safetycase.errors import ExtraMissing, RunFailed, UsageError
from safetycase.methods.plan_order import plan_receipt
from safetycase.record.randomness import NonceOfWitness, Randomness, RoundOfBeacon
from safetycase.run.freeze import FrozenPlan

_MAX_BYTES = 2**16
_OPTIONS = {"witness": "--receipt", "beacon": "--beacon"}
_HOWTO = "See docs/howto/prove-the-order.md."


@dataclass(frozen=True)
class ValueFiles:
    """Where the value is: a receipt that a witness signed, or a beacon's answer in JSON."""

    receipt: Path | None = None
    beacon: Path | None = None


def with_value(
    frozen: FrozenPlan, files: ValueFiles, *, clock: Callable[[], datetime]
) -> FrozenPlan:
    """The plan with the value that it waits for, and the statement that gave it.

    Refused before anything is measured: a value that the plan does not wait for, or that is
    missing; a receipt of another plan, by another key than the plan names, or from a time that
    is still to come; another round, or one whose signature is not that of the beacon. Whether
    the witness is somebody else is for a verifier's policy to say.
    """
    awaited = frozen.plan.randomness
    wanted = None if awaited is None else _OPTIONS[awaited.source]
    given = {"--receipt": files.receipt, "--beacon": files.beacon}
    for option, path in given.items():
        if path is not None and option != wanted:
            expected = f"{wanted or 'no value'}, which the plan waits for"
            raise UsageError(option, expected, found=str(path), remedy=_HOWTO)
    if awaited is None:
        return frozen
    path = given[str(wanted)]
    if path is None:
        raise UsageError(
            str(wanted), f"what the plan {frozen.digest} waits for", found="none", remedy=_HOWTO
        )
    data = _read(path)
    if isinstance(awaited, NonceOfWitness):
        return _with_nonce(frozen, awaited, data, path.name, clock())
    return _with_round(frozen, awaited, data, path.name, clock())


def _with_nonce(
    frozen: FrozenPlan, awaited: NonceOfWitness, data: bytes, where: str, now: datetime
) -> FrozenPlan:
    envelope = read_envelope(data, where=where)
    about, predicate = open_statement_about(envelope, RECEIPT_PREDICATE, where=where)
    if about != frozen.digest:
        raise RunFailed(where, f"a receipt of the plan {frozen.digest}", found=about)
    raw = decode_base64(awaited.public, where="plan.json#/randomness/public")
    key, message = PublicKey(Algorithm.ED25519, raw), envelope.signed_bytes()
    if not any(key.verifies(message, each.sig) for each in envelope.signatures):
        expected = f"a signature by the witness that the plan names, {awaited.public}"
        raise RunFailed(where, expected, found="none")
    said = plan_receipt(predicate, where)
    if read_instant(said.received, where=where) > now:
        raise RunFailed(where, "a receipt from before the run", found=said.received)
    name = f"{layout.RECEIPT_PREFIX}{sha256_hex(envelope.payload)[:16]}.dsse.json"
    return replace(frozen, randomness=Randomness(value=said.nonce), statements={name: data})


def _with_round(
    frozen: FrozenPlan, awaited: RoundOfBeacon, data: bytes, where: str, now: datetime
) -> FrozenPlan:
    said = canonical.read(data, where=where)
    fields = said if isinstance(said, dict) else {}
    if fields.get("round") != awaited.round:
        found = ascii(fields.get("round"))[:80]
        raise RunFailed(f"{where}#/round", f"round {awaited.round}", found=found)
    place = f"{where}#/signature"
    text = canonical.as_text(fields.get("signature"), where=place)
    try:
        signature = bytes.fromhex(text)
    except ValueError:
        raise RunFailed(place, "hexadecimal", found=ascii(text)[:80]) from None
    if len(signature) != SIGNATURE_BYTES:
        raise RunFailed(place, f"{SIGNATURE_BYTES} bytes", found=f"{len(signature)}")
    if awaited.chain == QUICKNET.chain:
        _require_past(QUICKNET.time_of(awaited.round), where, now)
        # whoever has not the extra is told by `verify`; the value is the same
        with suppress(ExtraMissing):
            value_of(QUICKNET, awaited.round, signature, where=place)
    value = Randomness(value=sha256_hex(signature), signature=signature.hex())
    return replace(frozen, randomness=value)


def _require_past(public: datetime, where: str, now: datetime) -> None:
    if public > now:
        raise RunFailed(where, "a round that is public", found=f"one of {public.isoformat()}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise UsageError(str(path), "a readable file", found=error.strerror) from None
