"""Clauses 1 to 4: the zip, strict JSON and its one spelling, the statement and its digests."""

import base64
import hashlib
import json
import math
import re
import struct
import zlib

from tests.spec.second.json_types import Json

WORD = r"[a-z0-9]+([._-][a-z0-9]+)*"
NAMES = re.compile(
    rf"case\.json|plan\.json|evidence/{WORD}\.(jsonl|safetensors)|circuits/{WORD}\.json"
    rf"|statements/{WORD}\.(dsse\.json|tsr|tlog-proof)|report/case\.(html|pdf)"
)
BOUND = ("case.json", "plan.json", "evidence/", "circuits/")
LOCAL, CENTRAL, END = 0x04034B50, 0x02014B50, 0x06054B50


class Refused(Exception):
    """The case breaks a clause."""


def demand(held: object, clause: str, what: str) -> None:
    """Refuse the case, naming the clause, unless `held`."""
    if not held:
        raise Refused(f"clause {clause}: {what}")


def members(data: bytes) -> dict[str, bytes]:
    """Clauses 1.1 to 1.3: the members by name, in the order of the file."""
    demand(len(data) >= 22, "1.1", "too short for an end record")
    signature, disk, first, here, entries, size, offset, comment = struct.unpack(
        "<IHHHHIIH", data[-22:]
    )
    demand((signature, disk, first, comment) == (END, 0, 0, 0), "1.1", "the end record")
    demand(here == entries and offset + size == len(data) - 22, "1.1", "bytes of no part")
    found: dict[str, bytes] = {}
    at, place = 0, offset
    for _ in range(entries):
        central = struct.unpack("<IHHHHHHIIIHHHHHII", data[place : place + 46])
        (
            _,
            _,
            _,
            flags,
            method,
            time,
            date,
            crc,
            stored,
            full,
            n,
            extra,
            note,
            disk,
            *_,
            start,
        ) = central
        demand(central[0] == CENTRAL, "1.1", "the central directory")
        raw = data[place + 46 : place + 46 + n]
        place += 46 + n
        demand((flags, extra, note, disk, start) == (0, 0, 0, 0, at), "1.1", f"{raw!r}: entry")
        local = struct.unpack("<IHHHHHIIIHH", data[at : at + 30])
        demand(
            local == (LOCAL, central[2], flags, method, time, date, crc, stored, full, n, 0),
            "1.1",
            f"{raw!r}: its headers differ",
        )
        demand(data[at + 30 : at + 30 + n] == raw, "1.1", f"{raw!r}: its names differ")
        body = data[at + 30 + n : at + 30 + n + stored]
        at += 30 + n + stored
        demand(method in (0, 8) and full > 0, "1.1", f"{raw!r}: method or size")
        if method == 8:
            inflate = zlib.decompressobj(-15)
            body = inflate.decompress(body, full + 1)
            demand(inflate.eof and not inflate.unused_data, "1.4", f"{raw!r}: deflated data")
        demand(len(body) == full and zlib.crc32(body) == crc, "1.4", f"{raw!r}: size or CRC")
        name = raw.decode("ascii")
        demand(name not in found, "1.3", f"{name} occurs twice")
        demand(len(name) <= 120, "1.3", f"{name} is too long")
        demand(not found or NAMES.fullmatch(name), "1.3", f"{name} is no member's name")
        found[name] = body
    demand((at, place) == (offset, offset + size), "1.1", "bytes of no part")
    demand(next(iter(found)) == "mimetype", "1.2", "the first member")
    demand(found["mimetype"] == b"application/vnd.safetycase+zip", "1.2", "its content")
    demand({"case.json", "plan.json"} <= set(found), "1.3", "a required member is missing")
    return found


def strict(data: bytes) -> Json:
    """Clause 2.1: the value of strict JSON."""

    def pairs(items: list[tuple[str, Json]]) -> Json:
        demand(len({k for k, _ in items}) == len(items), "2.1", "a key occurs twice")
        return dict(items)

    def whole(text: str) -> int:
        demand(text != "-0" and abs(int(text)) < 2**53, "2.1", f"integer {text}")
        return int(text)

    def real(text: str) -> float:
        value = float(text)
        zero = not re.search(r"[1-9]", re.split("[eE]", text)[0])
        demand(math.isfinite(value) and (value != 0 or zero), "2.1", f"number {text}")
        demand(math.copysign(1, value) > 0 or value, "2.1", "negative zero")
        return value

    def constant(text: str) -> None:
        raise Refused(f"clause 2.1: {text}")

    demand(len(data) <= 2**26 and not data.startswith(b"\xef\xbb\xbf"), "2.1", "size or mark")
    return json.loads(
        data.decode("utf-8"),
        object_pairs_hook=pairs,
        parse_int=whole,
        parse_float=real,
        parse_constant=constant,
    )


def number(value: Json) -> str:
    """RFC 8785, 3.2.2.3: a number as ECMAScript spells it, from Python's shortest digits."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + part) - len(digits))
    digits = digits.rstrip("0")
    k = len(digits)
    if k <= point <= 21:
        text = digits + "0" * (point - k)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if k > 1 else "") + f"e{point - 1:+d}"
    return ("-" if value < 0 else "") + text


def spelled(value: Json) -> bytes:
    """RFC 8785: the one spelling of a JSON value."""

    def text(v: Json) -> str:
        if v is None or isinstance(v, bool | str):
            return json.dumps(v, ensure_ascii=False)
        if isinstance(v, int | float):
            return number(v)
        if isinstance(v, list):
            return "[" + ",".join(map(text, v)) + "]"
        keys = sorted(v, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(text(k) + ":" + text(v[k]) for k in keys) + "}"

    return text(value).encode("utf-8")


def sha256(data: bytes) -> str:
    """Clause 3.1."""
    return hashlib.sha256(data).hexdigest()


def manifest(files: list[dict]) -> str:
    """Clause 3.2: the digest of a list of files."""
    kept = [{k: f[k] for k in ("path", "sha256", "size")} for f in files]
    demand(kept == sorted(kept, key=lambda f: f["path"]), "3.2", "the order of the files")
    return sha256(spelled(kept))


def case_id(files: dict[str, bytes], model: str) -> str:
    """Clauses 4.1 to 4.3, signatures left out: the id of a case whose files are as it says."""
    envelope = strict(files["statements/case.dsse.json"])
    demand(envelope["payloadType"] == "application/vnd.in-toto+json", "4.1", "payload type")
    demand(1 <= len(envelope["signatures"]) <= 64, "4.1", "signatures")
    payload = base64.b64decode(envelope["payload"], validate=True)
    statement = strict(payload)
    demand(spelled(statement) == payload, "2.2", "the statement's spelling")
    listed = [
        {"path": name, "sha256": sha256(body), "size": len(body)}
        for name, body in sorted(files.items())
        if name.startswith(BOUND)
    ]
    subject = statement["subject"]
    expected = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": subject[0]["name"], "digest": {"sha256": model}}],
        "predicateType": "https://safetycase.dev/case/v1alpha",
        "predicate": {"files": listed},
    }
    demand(statement == expected, "4.3", "the statement is not that of these files")
    return sha256(payload)
