"""Clauses 6 and 7.1: the rows of the tables and the numbers of the tensor files."""

import json
import re
import struct

from tests.spec.second.container import demand, spelled, strict
from tests.spec.second.json_types import Json

FORMATS = {"BOOL": "?", "U8": "B", "I32": "i", "I64": "q", "F32": "f", "F64": "d"}
CONTROL = re.compile(r"[\x00-\x1f\"\\]")


def real(value: float) -> str:
    """Clause 6.1: how a table spells a number that is no count."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + part) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if repr(value).startswith("-") else ""
    if not digits:
        return sign + "0.0"
    if 0 < point <= 16:
        digits = digits.ljust(point, "0")
        return sign + digits[:point] + "." + (digits[point:] or "0")
    if -5 < point <= 0:
        return sign + "0." + "0" * -point + digits
    return sign + digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1}"


def row_text(row: list) -> str:
    """Clause 6.1: the one spelling of a row."""

    def cell(v: Json) -> str:
        if isinstance(v, float):
            return real(v)
        if isinstance(v, str) and not CONTROL.search(v):
            return f'"{v}"'
        return spelled(v).decode()

    return "[" + ",".join(map(cell, row)) + "]"


def rows_of(data: bytes, schema: dict) -> list[dict]:
    """Clause 6.1: the rows of a table, by column."""
    demand(data.endswith(b"\n"), "6.1", "the last line has no end")
    first, *lines = data.decode("utf-8").split("\n")[:-1]
    names = [column["title"] for column in schema["prefixItems"]]
    demand(json.loads(first) == names, "6.1", "the names of the columns")
    demand(first == spelled(names).decode(), "6.1", "the spelling of the first line")
    found = []
    for number, line in enumerate(lines, 2):
        row = json.loads(line)
        demand(
            len(row) == len(names) and row_text(row) == line, "6.1", f"spelling, line {number}"
        )
        found.append(dict(zip(names, row, strict=True)))
    return found


class Tensors(dict):
    """Clause 7.1: the tensors of a file, each a flat tuple, with their shapes beside them."""

    def __init__(self, data: bytes) -> None:
        """Read them all."""
        super().__init__()
        self.shapes = {}
        size = int.from_bytes(data[:8], "little")
        head = data[8 : 8 + size]
        demand(size % 8 == 0, "7.1", "the length of the table")
        table = strict(head.rstrip(b" "))
        demand(spelled(table).ljust(size, b" ") == head, "7.1", "the spelling of the table")
        at, body = 0, data[8 + size :]
        for name in sorted(table):
            kind = FORMATS[table[name]["dtype"]]
            start, end = table[name]["data_offsets"]
            shape = table[name]["shape"]
            count = 1
            for side in shape:
                count *= side
            width = struct.calcsize("<" + kind)
            demand((start, end - start) == (at, count * width), "7.1", f"the range of {name}")
            self[name] = struct.unpack(f"<{count}{kind}", body[start:end])
            self.shapes[name] = shape
            at = end
        demand(at == len(body), "7.1", "bytes of no tensor")

    def rows(self, name: str) -> list[tuple]:
        """A matrix, row by row."""
        count, width = self.shapes[name]
        return [self[name][i * width : (i + 1) * width] for i in range(count)]
