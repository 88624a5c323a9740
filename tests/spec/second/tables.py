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


PUBLIC = {
    "arm", "axis", "cause", "dataset", "dictionary", "evaluation", "feature", "outcome",
    "sample", "split", "verdict",
}  # fmt: skip
MARK = re.compile(r"([a-z_]+):(withheld|coarse|keyed):([0-9a-f]{64})")

Marks = dict[str, tuple[str, str]]
"""Class and root of every closed column of a table."""


def marks_in(names: list, schema: dict) -> Marks:
    """Clauses 6.1 and 6.1a: what the first line says of the columns of a table."""
    columns = schema["prefixItems"]
    demand(len(names) == len(columns), "6.1", "the names of the columns")
    marks: Marks = {}
    for name, column in zip(names, columns, strict=True):
        if name != column["title"]:
            mark = MARK.fullmatch(name)
            demand(mark is not None and mark[1] == column["title"], "6.1", f"the name {name}")
            demand(mark[2] in classes_of(column), "6.1a", f"the class of {name}")
            marks[mark[1]] = (mark[2], mark[3])
    return marks


def classes_of(column: dict) -> set[str]:
    """Clause 6.1a: how a column may be disclosed that is not public."""
    if column["title"] in PUBLIC:
        return set()
    if column["title"] == "item":
        return {"keyed"}
    numbers = column.get("type") in {"integer", "number"}
    return {"withheld", "coarse"} if numbers else {"withheld"}


def shown(cell: Json, disclosed: str, column: dict) -> bool:
    """Clause 6.1a: whether a cell may stand in a closed column."""
    if disclosed == "withheld":
        return cell is None
    if disclosed == "keyed":
        return isinstance(cell, str) and re.fullmatch("[0-9a-f]{16}", cell) is not None
    return type(cell) is (int if column["type"] == "integer" else float)


def row_text(row: list) -> str:
    """Clause 6.1: the one spelling of a row."""

    def cell(v: Json) -> str:
        if isinstance(v, float):
            return real(v)
        if isinstance(v, str) and not CONTROL.search(v):
            return f'"{v}"'
        return spelled(v).decode()

    return "[" + ",".join(map(cell, row)) + "]"


def rows_of(data: bytes, schema: dict) -> tuple[list[dict], Marks]:
    """Clauses 6.1 and 6.1a: the rows of a table, by column, and which columns are closed."""
    demand(data.endswith(b"\n"), "6.1", "the last line has no end")
    first, *lines = data.decode("utf-8").split("\n")[:-1]
    columns = {column["title"]: column for column in schema["prefixItems"]}
    marks = marks_in(json.loads(first), schema)
    demand(first == spelled(json.loads(first)).decode(), "6.1", "spelling of the first line")
    found = []
    for number, line in enumerate(lines, 2):
        cells = json.loads(line)
        demand(
            len(cells) == len(columns) and row_text(cells) == line,
            "6.1",
            f"spelling, line {number}",
        )
        row = dict(zip(columns, cells, strict=True))
        for name, (disclosed, _) in marks.items():
            fits = shown(row[name], disclosed, columns[name])
            demand(fits, "6.1a", f"{name} in line {number}")
        found.append(row)
    return found, marks


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
