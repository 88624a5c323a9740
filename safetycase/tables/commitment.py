"""Salted commitments to cells that are not published, and how an escrow opens them.

The specification, complete (`||` joins bytes; `u32`, `u64`: big-endian; `framed(x)`: the length
of the UTF-8 bytes of x as u64, then these bytes):

* K           = 32 random bytes, made for one redaction and kept by whoever withholds
* D(k, t, c)  = HKDF-SHA256(k, no salt, info = "safetycase.column.v1" || 0x00 || framed(t) ||
  framed(c)), 32 bytes
* K[t, c]     = D(K, t, c): opens a column; of a keyed one D(K, `*`, c), so that a name has one
  id
* salt[t,c,i] = HMAC-SHA256(K[t, c], u64(i)): opens the cell of row i, from 0; of a keyed column
  under D(K[`*`, c], t, c), so that tables share no salts
* commitment  = SHA-256(0x02 || salt || u32(length of tag) || tag || u64(length of value) ||
  value), tag = t || 0x00 || c || 0x00 || type, in UTF-8; type and value: `text`, UTF-8 bytes as
  generated; `json`, a number, true or false as its table spells it; `absent`, nothing
* root[t, c]  = RFC 6962 root whose leaves are the 32-byte commitments in row order. It is what
  the case publishes of them: 32 bytes a column. One cell opens by its salt and its audit path
* keyed id    = HMAC-SHA256(K[*, c], UTF-8 bytes of the text), the first 8 bytes: equal texts,
  equal ids. It binds nothing, the root does; two texts of one id are refused
* coarse      = the number of the same sign whose size is the largest power of two that is not
  above; 0 stays 0
* a file is a cell of row 0: t is its path in the case, c is `file`, type `bytes`; the ledger
  holds its commitment

Binding rests on the collision resistance of SHA-256, hiding on the 256-bit salt: prompts can be
guessed, so no digest without a salt hides one. A commitment hides neither that the row exists
nor what other columns say of the text: its length and likelihood must be withheld with it
(`tables/disclosure.py`). Coarse numbers of many rows of one text add up: fifty arms tell
more of a prompt than one.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Iterable, Iterator

import msgspec

from safetycase.digest.merkle import leaf_hash
from safetycase.errors import MalformedInput

Cell = str | int | float | bool | bytes | None
"""What a cell of a table can hold, and the bytes of a file."""

SECRET_BYTES = 32
ID_BYTES = 8
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


def commitment(salt: bytes, table: str, column: str, value: Cell) -> bytes:
    """The 32 bytes that bind a cell at its place and tell nothing of it without the salt."""
    _require_length(salt, "salt of a cell")
    kind, data = _spelled(value)
    tag = f"{table}\x00{column}\x00{kind}".encode()
    framed = _TAG.pack(len(tag)) + tag + _COUNT.pack(len(data)) + data
    return hashlib.sha256(_COMMITTED + salt + framed).digest()


def salt_key(key: bytes, table: str, column: str, *, keyed: bool) -> bytes:
    """The key of the salts of a column, from the key that opens it."""
    return column_key(key, table, column) if keyed else key


def leaves(salts: bytes, table: str, column: str, cells: Iterable[Cell]) -> Iterator[bytes]:
    """The leaf hashes of a column's tree, from the key of its salts and its cells."""
    for row, cell in enumerate(cells):
        yield leaf_hash(commitment(cell_salt(salts, row), table, column, cell))


def keyed_id(key: bytes, text: str) -> str:
    """What stands in the place of a name, the same wherever the name stands."""
    return hmac.digest(key, text.encode(), "sha256")[:ID_BYTES].hex()


def coarse(value: float) -> float:
    """The power of two that stands in the place of a number: not larger, of the same sign.

    Whole numbers give whole numbers; zero gives zero.
    """
    if not value:
        return type(value)(0)
    if isinstance(value, int):
        return (1 << abs(value).bit_length() - 1) * (1 if value > 0 else -1)
    return math.copysign(math.ldexp(0.5, math.frexp(value)[1]), value)


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
