"""Transparency log proofs: that bytes stand in a public log, and that witnesses saw it by when.

A C2SP tlog-proof holds an RFC 6962 inclusion proof and the checkpoint it leads to, signed by
the log and cosigned by witnesses, each of whom has seen the log only grow. It is verified
offline, with keys of the user's policy. It proves that the entry was public by a time; it does
not prove that nothing else was registered, nor anything of what the entry says.
Specification: https://c2sp.org/tlog-proof@v1
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from safetycase.digest import leaf_hash, verify_inclusion
from safetycase.envelope.checkpoint import (
    Checkpoint,
    read_checkpoint,
    read_hash,
    read_number,
)
from safetycase.envelope.dsse import decode_base64
from safetycase.envelope.signed_note import KeyType, VerifierKey
from safetycase.errors import KeyRefused, MalformedInput, SchemaViolation, TooLarge

MAX_PROOF_BYTES = 2**17
"""Room for the 16 signatures of 5 kB that signed-note asks for, base64 and all."""

MAX_HASHES = 64
"""Nodes of an inclusion proof: no tree of a 64-bit size needs more."""

_HEADER = "c2sp.org/tlog-proof@v1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds())
_LOG_KINDS = (KeyType.NOTE_ED25519, KeyType.COSIGNATURE_ML_DSA_44)
_WITNESS_KINDS = (KeyType.COSIGNATURE_ED25519, KeyType.COSIGNATURE_ML_DSA_44)


@dataclass(frozen=True, slots=True)
class LogTrust:
    """The logs and witnesses that a verifier's user trusts, and how many witnesses it takes.

    A log is its origin, a witness is its name; either may have several keys (two algorithms, or
    an old key and a new one). A witness counts once. One log's word suffices, of any here.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...]
    quorum: int

    def __post_init__(self) -> None:
        """Refuse keys that could be counted or taken twice, and a quorum out of reach."""
        _require_kinds(self.logs, _LOG_KINDS, "logs")
        _require_kinds(self.witnesses, _WITNESS_KINDS, "witnesses")
        _require_apart(self.logs, self.witnesses)
        able = len({key.name for key in self.witnesses})
        if type(self.quorum) is not int or not 1 <= self.quorum <= able:
            found = ascii(self.quorum)
            raise SchemaViolation("quorum", f"an integer from 1 to {able}", found=found)


@dataclass(frozen=True, slots=True)
class Logged:
    """Where an entry stands in a log, and who saw the log hold it."""

    origin: str
    """The log's name."""
    index: int
    """The entry's place in the log, from 0."""
    size: int
    """How many entries the cosigned tree has."""
    root: bytes
    """The head of that tree, 32 bytes (RFC 6962 §2.1)."""
    at: datetime
    """When a quorum of witnesses had seen it: of their earliest times, in order, the quorum-th.

    While fewer witnesses lie than make a quorum, an honest one saw it no later. Whoever drops
    cosignatures from a proof can make the time later, never earlier.
    """
    witnesses: tuple[str, ...]
    """Names of all trusted witnesses who cosigned with a time, sorted."""


def logged(proof: bytes, entry: bytes, trust: LogTrust, *, where: str) -> Logged:
    """Where the entry (its bytes, not their hash) stands in a trusted log, and since when.

    Raises MalformedInput for a proof that is malformed, false, or about other bytes: also, as
    signed-note has it, if one signature under a trusted key's name and id does not verify.
    Raises KeyRefused for a proof in which nothing is wrong, but whose log is not trusted or
    whose trusted witnesses are fewer than the quorum. Signatures by unknown keys are skipped,
    the proof's extra data is ignored: nobody has signed it.
    """
    index, hashes, checkpoint = _read_proof(proof, where)
    _require_log(checkpoint, trust, where)
    earliest = _seen(checkpoint, trust, where)
    try:
        verify_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    except MalformedInput as error:
        place = f"{where}: {error.where}"
        raise MalformedInput(place, error.expected, found=error.found) from None
    if len(earliest) < trust.quorum:
        raise KeyRefused(
            where,
            f"cosignatures with a time of {trust.quorum} trusted witnesses",
            found=", ".join(sorted(earliest)) or "none",
            remedy="Ask the log for a checkpoint that more of the policy's witnesses cosigned.",
        )
    time = sorted(earliest.values())[trust.quorum - 1]
    return Logged(
        origin=checkpoint.origin,
        index=index,
        size=checkpoint.size,
        root=checkpoint.root,
        at=_EPOCH + timedelta(seconds=time),
        witnesses=tuple(sorted(earliest)),
    )


def equivocates(one: Logged, other: Logged) -> bool:
    """Whether a log showed two trees of one size: proof that it, and its witnesses, lied.

    False says little: heads of different sizes are compared by a consistency proof alone.
    """
    return (one.origin, one.size) == (other.origin, other.size) and one.root != other.root


def _read_proof(data: bytes, where: str) -> tuple[int, tuple[bytes, ...], Checkpoint]:
    if len(data) > MAX_PROOF_BYTES:
        raise TooLarge(where, f"at most {MAX_PROOF_BYTES} bytes", found=str(len(data)))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedInput(where, "UTF-8", found=error.reason) from None
    head, _, rest = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != _HEADER:
        expected = f"{_HEADER}, its lines, an empty line and a checkpoint"
        raise MalformedInput(where, expected, found=ascii(header[:80]))
    if lines and lines[0].startswith("extra "):
        decode_base64(lines.pop(0).removeprefix("extra "), where=f"{where}: extra")
    if not lines or not lines[0].startswith("index "):
        raise MalformedInput(where, "a line 'index N'")
    index = read_number(lines.pop(0).removeprefix("index "), where=f"{where}: index")
    if len(lines) > MAX_HASHES:
        raise TooLarge(where, f"at most {MAX_HASHES} hashes", found=str(len(lines)))
    hashes = tuple(read_hash(line, where=f"{where}: inclusion proof") for line in lines)
    return index, hashes, read_checkpoint(rest, where=f"{where}: checkpoint")


def _require_log(checkpoint: Checkpoint, trust: LogTrust, where: str) -> None:
    """Return only if a trusted log whose name is the origin has signed the checkpoint."""
    keys = [key for key in trust.logs if key.name == checkpoint.origin]
    signed = [time for key in keys for time in checkpoint.times_signed_by(key, where=where)]
    if not signed:
        raise KeyRefused(
            where,
            "a checkpoint by a log that the policy trusts, named by its origin",
            found=ascii(checkpoint.origin[:80]),
            remedy="Check the log's verifier key, then add it to the policy.",
        )


def _seen(checkpoint: Checkpoint, trust: LogTrust, where: str) -> dict[str, int]:
    """The earliest time at which each trusted witness says to have seen the checkpoint.

    Time 0 states no time (tlog-cosignature), and one after the year 9999 none that can be told:
    such cosignatures must verify, but do not count.
    """
    earliest: dict[str, int] = {}
    for key in trust.witnesses:
        for time in checkpoint.times_signed_by(key, where=where):
            if 0 < time <= _LAST_SECOND:
                earliest[key.name] = min(time, earliest.get(key.name, time))
    return earliest


def _require_kinds(
    keys: tuple[VerifierKey, ...], kinds: tuple[KeyType, ...], where: str
) -> None:
    if not keys:
        raise SchemaViolation(where, "at least one verifier key")
    for key in keys:
        if key.kind not in kinds:
            expected = "keys of type " + " or ".join(f"{kind:02x}" for kind in kinds)
            raise KeyRefused(where, expected, found=f"{key.kind:02x} of {key.name}")


def _require_apart(logs: tuple[VerifierKey, ...], witnesses: tuple[VerifierKey, ...]) -> None:
    """Refuse a log that is its own witness, a key that is there twice, and colliding ids."""
    where = "logs and witnesses"
    both = {key.name for key in logs} & {key.name for key in witnesses}
    if both:
        raise KeyRefused(where, "no name in both", found=min(both))
    owners: dict[bytes, str] = {}
    ids: set[tuple[str, bytes]] = set()
    for key in (*logs, *witnesses):
        if key.raw in owners:
            found = f"one of {owners[key.raw]} again with {key.name}"
            raise KeyRefused(where, "every public key once", found=found)
        if (key.name, key.key_id) in ids:
            raise KeyRefused(where, "keys of one name with ids that differ", found=key.name)
        owners[key.raw] = key.name
        ids.add((key.name, key.key_id))
