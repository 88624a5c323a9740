"""Salted commitments to cells that are not published, and how an escrow opens them.

The specification, complete (`||` joins bytes; `u32`, `u64`: big-endian; `framed(x)`: the length
of the UTF-8 bytes of x as u64, then these bytes):

* K           = 32 random bytes, made for one redaction and kept by whoever withholds
* K[t, c]     = HKDF-SHA256(K, no salt, info = "safetycase.column.v1" || 0x00 || framed(t) ||
  framed(c)), 32 bytes: opens a column; for keyed columns t is `*`, so that a name has one id
* salt[t,c,i] = HMAC-SHA256(K[t, c], u64(i)): opens the cell of row i, from 0
* commitment  = SHA-256(0x02 || salt || u32(length of tag) || tag || u64(length of value) ||
  value), tag = t || 0x00 || c || 0x00 || type, in UTF-8; type and value: `text`, UTF-8 bytes as
  generated; `json`, a number, true or false as its table spells it; `absent`, nothing
* keyed id    = HMAC-SHA256(K[*, c], UTF-8 bytes of the text): equal texts, equal ids
* a file is a cell of row 0: t is its path in the case, c is `file`, type `bytes`

Binding rests on the collision resistance of SHA-256, hiding on the 256-bit salt: prompts can be
guessed, so no digest without a salt hides one. A commitment hides neither that the row exists
nor what other columns say of the text: its length and likelihood must be withheld with it
(`tables/disclosure.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import struct

import msgspec

from safetycase.errors import MalformedInput

Cell = str | int | float | bool | bytes | None
"""What a cell of a table can hold, and the bytes of a file."""

SECRET_BYTES = 32
EVERY_TABLE = "*"
FILE = "file"

_COUNT = struct.Struct(">Q")
_TAG = struct.Struct(">I")
_COMMITTED = b"\x02"
_COLUMN = b"safetycase.column.v1\x00"


def column_key(secret: bytes, table: str, column: str) -> bytes:
    """The key that opens one column of one table, and nothing else.

    Refused: a secret of another length. HKDF with one block (RFC 5869).
    """
    _require_length(secret, "secret of a redaction")
    info = _COLUMN + _framed(table) + _framed(column)
    extracted = hmac.digest(b"\x00" * 32, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def cell_salt(key: bytes, row: int) -> bytes:
    """The salt that opens one cell of the column with this key; rows count from 0."""
    return hmac.digest(key, _COUNT.pack(row), "sha256")


def commitment(salt: bytes, table: str, column: str, value: Cell) -> str:
    """What stands in the place of a withheld cell, in lower-case hexadecimal."""
    _require_length(salt, "salt of a cell")
    kind, data = _spelled(value)
    tag = f"{table}\x00{column}\x00{kind}".encode()
    framed = _TAG.pack(len(tag)) + tag + _COUNT.pack(len(data)) + data
    return hashlib.sha256(_COMMITTED + salt + framed).hexdigest()


def keyed_id(key: bytes, text: str) -> str:
    """What stands in the place of a name, the same wherever the name stands."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def _spelled(value: Cell) -> tuple[str, bytes]:
    match value:
        case None:
            return "absent", b""
        case str():
            return "text", value.encode()
        case bytes():
            return "bytes", value
        case _:
            return "json", msgspec.json.encode(value)


def _require_length(secret: bytes, where: str) -> None:
    if len(secret) != SECRET_BYTES:
        raise MalformedInput(where, f"{SECRET_BYTES} bytes", found=f"{len(secret)} bytes")


def _framed(text: str) -> bytes:
    data = text.encode()
    return _COUNT.pack(len(data)) + data
