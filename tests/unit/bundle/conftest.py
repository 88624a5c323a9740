"""A zip writer without scruples: every header field can be set to a lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

MEMBERS = {
    "mimetype": b"application/vnd.safetycase+zip",
    "case.json": b"{}",
    "plan.json": b"{}",
    "evidence/rows.jsonl": b'["a"]\n[1]\n' * 40,
}


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def forge(
    members: list[tuple[str, bytes]],
    *,
    local: dict[str, dict[str, Any]] | None = None,
    central: dict[str, dict[str, Any]] | None = None,
    both: dict[str, dict[str, Any]] | None = None,
    end: dict[str, Any] | None = None,
    prefix: bytes = b"",
    gap: bytes = b"",
    before_end: bytes = b"",
    suffix: bytes = b"",
) -> bytes:
    """A zip of the members; overrides by member name and header field, junk between parts."""
    body, directory = prefix, b""
    for name, data in members:
        is_stored = name == "mimetype"
        stored = data if is_stored else raw_deflate(data)
        fields = {
            "version": 20, "flags": 0, "method": 0 if is_stored else 8, "time": 0, "date": 33,
            "crc": zlib.crc32(data), "stored_size": len(stored), "size": len(data),
            "name": name.encode(), "extra": b"", "made_by": 0x0314,
            "attributes": 0o100644 << 16, "disk": 0, "comment": b"", "offset": len(body),
            "data": stored,
        }  # fmt: skip
        fields |= (both or {}).get(name, {})
        here = fields | (local or {}).get(name, {})
        there = fields | (central or {}).get(name, {})
        shared = ("version", "flags", "method", "time", "date", "crc", "stored_size", "size")
        body += struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", *(here[key] for key in shared),
            len(here["name"]), len(here["extra"]),
        ) + here["name"] + here["extra"] + here["data"] + gap  # fmt: skip
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", there["made_by"], *(there[key] for key in shared),
            len(there["name"]), len(there["extra"]), len(there["comment"]), there["disk"], 0,
            there["attributes"], there["offset"],
        ) + there["name"] + there["extra"] + there["comment"]  # fmt: skip
    last = {
        "disk": 0, "start": 0, "here": len(members), "count": len(members),
        "length": len(directory), "offset": len(body), "comment": b"",
    } | (end or {})  # fmt: skip
    tail = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", last["disk"], last["start"], last["here"], last["count"],
        last["length"], last["offset"], len(last["comment"]),
    )  # fmt: skip
    return body + directory + before_end + tail + last["comment"] + suffix


@pytest.fixture
def members() -> dict[str, bytes]:
    return dict(MEMBERS)


@pytest.fixture
def forged() -> Callable[..., bytes]:
    """`forge` over the members of a small case, or over those given first."""

    def make(given: list[tuple[str, bytes]] | None = None, **lies: Any) -> bytes:
        return forge(list(MEMBERS.items()) if given is None else given, **lies)

    return make
