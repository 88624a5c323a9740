"""Checkpoints of transparency logs, and what a log or witness signs when it signs one.

A checkpoint is a signed note that names a log, its size and its Merkle root. A cosignature
adds the time at which somebody saw it, after checking that the log had only grown.
Specifications: https://c2sp.org/tlog-checkpoint@v1.0.0, https://c2sp.org/tlog-cosignature
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from safetycase.envelope.dsse import decode_base64
from safetycase.envelope.signed_note import KeyType, Note, VerifierKey, read_note
from safetycase.errors import MalformedInput

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")
_HASH_BYTES = 32
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says, and the note that says it; nobody has signed it yet.

    Lines of the text after the third are opaque, and not all signatures cover them.
    """

    note: Note
    origin: str
    """The log's name."""
    size: int
    """Entries of the tree, below 2^64."""
    root: bytes
    """Head of the tree, 32 bytes (RFC 6962 §2.1)."""

    def times_signed_by(self, key: VerifierKey, *, where: str) -> tuple[int, ...]:
        """The POSIX times in a key's signatures, one for each, 0 where none is stated.

        Every signature under the key's name and id must verify: the specification gives up the
        whole note otherwise. The key's name and the origin are at most 255 bytes.
        """
        times = tuple(self._time_in(made, key) for made in self.note.claimed_by(key))
        if any(time is None for time in times):
            found = f"a false one of {key.name}, key id {key.key_id.hex()}"
            raise MalformedInput(where, "no false signature under a trusted key", found=found)
        return tuple(time for time in times if time is not None)

    def _time_in(self, made: bytes, key: VerifierKey) -> int | None:
        """The time in a signature of the key; None if it is not the key's."""
        if key.kind is KeyType.NOTE_ED25519:
            return 0 if key.verifies(self.note.text.encode(), made) else None
        time = int.from_bytes(made[:_TIME_BYTES], "big")
        if time >= 2**63 or not key.verifies(self._cosigned(key, time), made[_TIME_BYTES:]):
            return None
        return time

    def _cosigned(self, key: VerifierKey, time: int) -> bytes:
        """What a cosignature is over: tlog-cosignature, "signed message" of either kind."""
        if key.kind is KeyType.COSIGNATURE_ED25519:
            return f"cosignature/v1\ntime {time}\n{self.note.text}".encode()
        name, origin = key.name.encode(), self.origin.encode()
        start, end = 0, self.size
        return b"".join(
            (
                b"subtree/v1\n\0",
                bytes([len(name)]) + name,
                time.to_bytes(8, "big"),
                bytes([len(origin)]) + origin,
                start.to_bytes(8, "big"),
                end.to_bytes(8, "big"),
                self.root,
            )
        )


def read_checkpoint(text: str, *, where: str) -> Checkpoint:
    """The checkpoint that this text spells, which no signature speaks for yet."""
    note = read_note(text, where=where)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise MalformedInput(where, "lines of origin, size and root, none of them empty")
    size = read_number(lines[1], where=f"{where}: size")
    return Checkpoint(note, lines[0], size, read_hash(lines[2], where=f"{where}: root"))


def read_number(text: str, *, where: str) -> int:
    """A number below 2^64 in ASCII decimals without leading zeros."""
    number = int(text) if _DECIMAL.fullmatch(text) else 2**64
    if number >= 2**64:
        raise MalformedInput(where, "a decimal number below 2^64", found=ascii(text[:80]))
    return number


def read_hash(text: str, *, where: str) -> bytes:
    """The 32 bytes of a SHA-256 hash in base64."""
    decoded = decode_base64(text, where=where)
    if len(decoded) != _HASH_BYTES:
        raise MalformedInput(where, f"{_HASH_BYTES} bytes", found=str(len(decoded)))
    return decoded
