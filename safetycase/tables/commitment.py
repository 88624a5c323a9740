"""Salted commitments to cells that are not published, and how an escrow opens them.

The specification, complete (`||` joins bytes; `u32`, `u64`: big-endian; `framed` as in
`methods/stream.py`):

* K           = 32 random bytes, made for one case and kept by whoever withholds
* K[t, c]     = HKDF-SHA256(K, no salt, info = "safetycase.column.v1" || 0x00 || framed(t) ||
  framed(c)), 32 bytes: opens a column
* salt[t,c,i] = HMAC-SHA256(K[t, c], u64(i)): opens the cell of row i, from 0
* commitment  = SHA-256(0x02 || salt || u32(length of tag) || tag || u64(length of value) ||
  value), tag = t || 0x00 || c || 0x00 || type, in UTF-8; value = the text's UTF-8 bytes as
  generated, nothing for an absent one; type = `text` or `absent`

Binding rests on the collision resistance of SHA-256, hiding on the 256-bit salt: prompts can be
guessed, so no digest without a salt hides one. A commitment hides neither that the row exists
nor what other columns say of the text: its length and likelihood must be withheld with it.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from safetycase.digest import as_sha256
from safetycase.errors import MalformedInput

SECRET_BYTES = 32

_COUNT = struct.Struct(">Q")
_TAG = struct.Struct(">I")
_COMMITTED = b"\x02"
_COLUMN = b"safetycase.column.v1\x00"


def column_key(secret: bytes, table: str, column: str) -> bytes:
    """The key that opens one column of one table, and nothing else.

    Refused: a secret of another length. HKDF with one block (RFC 5869).
    """
    if len(secret) != SECRET_BYTES:
        found = f"{len(secret)} bytes"
        raise MalformedInput("escrow secret", f"{SECRET_BYTES} bytes", found=found)
    info = _COLUMN + _framed(table) + _framed(column)
    extracted = hmac.digest(b"\x00" * 32, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def cell_salt(key: bytes, row: int) -> bytes:
    """The salt that opens one cell of the column with this key; rows count from 0."""
    return hmac.digest(key, _COUNT.pack(row), "sha256")


def commitment(salt: bytes, table: str, column: str, value: str | None) -> str:
    """What stands in the place of a withheld cell, in lower-case hexadecimal."""
    if len(salt) != SECRET_BYTES:
        found = f"{len(salt)} bytes"
        raise MalformedInput("salt of a cell", f"{SECRET_BYTES} bytes", found=found)
    kind = "absent" if value is None else "text"
    tag = f"{table}\x00{column}\x00{kind}".encode()
    data = b"" if value is None else value.encode()
    framed = _TAG.pack(len(tag)) + tag + _COUNT.pack(len(data)) + data
    return hashlib.sha256(_COMMITTED + salt + framed).hexdigest()


def opens(stated: str, salt: bytes, table: str, column: str, value: str | None) -> bool:
    """Whether a salt and a value open a stated commitment at this place."""
    wanted = as_sha256(stated, where=f"commitment in {table}/{column}")
    return hmac.compare_digest(wanted, commitment(salt, table, column, value))


def _framed(text: str) -> bytes:
    data = text.encode()
    return _COUNT.pack(len(data)) + data
