"""Clause 20: what is withheld, held against its commitments, and opened with an escrow."""

import base64
import hashlib
import hmac
import json
import math
import re

from tests.spec.second.container import demand
from tests.spec.second.grading import grade
from tests.spec.second.json_types import Json
from tests.spec.second.tables import Marks, row_text


def hashed(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def maced(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(key, data, hashlib.sha256).digest()


def framed(text: str) -> bytes:
    """Clause 20.2: the length of a text, then its bytes."""
    data = text.encode()
    return len(data).to_bytes(8, "big") + data


def derived(key: bytes, table: str, column: str) -> bytes:
    """Clause 20.2: D, which is HKDF (RFC 5869) of one block."""
    info = b"safetycase.column.v1\x00" + framed(table) + framed(column)
    return maced(maced(bytes(32), key), info + b"\x01")


def committed(salt: bytes, table: str, column: str, value: Json) -> bytes:
    """Clause 20.2: the commitment to a cell, or to the bytes of a file."""
    kind, data = "json", b""
    if value is None:
        kind = "absent"
    elif isinstance(value, bytes):
        kind, data = "bytes", value
    elif isinstance(value, str):
        kind, data = "text", value.encode()
    else:
        data = cell_text(value).encode()
    tag = f"{table}\x00{column}\x00{kind}".encode()
    lengths = len(tag).to_bytes(4, "big") + tag + len(data).to_bytes(8, "big")
    return hashed(b"\x02" + salt + lengths + data)


def leaf(data: bytes) -> bytes:
    """RFC 6962: a leaf."""
    return hashed(b"\x00" + data)


def head(leaves: list[bytes]) -> bytes:
    """RFC 6962: the root over leaf hashes, level by level; an odd last one goes up as it is."""
    level = leaves
    while len(level) > 1:
        pairs = [hashed(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) // 2 * 2 :]
    return level[0] if level else hashed(b"")


def climbed(node: bytes, row: int, size: int, path: list[bytes]) -> bytes | None:
    """RFC 9162 §2.1.3: where an audit path leads from a leaf; none if it has another length."""
    waiting = list(path)
    while size > 1:
        if row ^ 1 < size:
            if not waiting:
                return None
            beside = waiting.pop(0)
            node = hashed(b"\x01" + (beside + node if row & 1 else node + beside))
        row, size = row // 2, (size + 1) // 2
    return None if waiting else node


def coarser(value: float) -> float:
    """Clause 20.2: the power of two in the place of a number."""
    if value == 0:
        return 0 if isinstance(value, int) else 0.0
    if isinstance(value, float):
        return math.copysign(math.ldexp(1.0, math.frexp(value)[1] - 1), value)
    power = 1
    while 2 * power <= abs(value):
        power *= 2
    return power if value > 0 else -power


def cell_text(value: Json) -> str:
    """Clause 6.1: how a table spells a value."""
    return row_text([value])[1:-1]


def in_order(value: Json) -> str:
    """Clause 20.5: objects in the order of their fields, cells as tables spell them."""
    if isinstance(value, dict):
        return "{" + ",".join(f'"{k}":{in_order(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(in_order, value)) + "]"
    return cell_text(value)


FIELDS = {
    "escrow": ["schema", "case", "columns", "files", "cells", "auditors"],
    "columns": ["table", "column", "key", "cells"],
    "files": ["path", "key", "data"],
    "cells": ["table", "column", "row", "salt", "cell", "path"],
}


def escrow_in(data: bytes, case: str) -> Json:
    """Clause 20.5: an escrow, which must be that of the case."""
    escrow = json.loads(data)
    demand(in_order(escrow).encode() + b"\n" == data, "20.5", "the escrow's spelling")
    demand(list(escrow) == FIELDS["escrow"], "20.5", "the fields of the escrow")
    for part in ("columns", "files", "cells"):
        for one in escrow[part]:
            demand(list(one) == FIELDS[part], "20.5", f"the fields of {part}")
    demand(escrow["case"] == case, "20.5", "the escrow of another case")
    return escrow


class Redacted:
    """The closed columns and files of a case, and what an escrow opens of them."""

    def __init__(
        self,
        files: dict[str, bytes],
        ledger: list[Json],
        tables: dict[str, list[Json]],
        marks: dict[str, Marks],
        followers: dict[str, list[str]],
    ) -> None:
        """Clauses 20.1 and 20.3: refuse a ledger that is not exact, and what tells."""
        self.tables, self.marks, self.ledger = tables, marks, ledger
        self.single: dict[str, dict[int, dict]] = {}
        self.opened: dict[str, bytes] = {}
        self.closed = {(e["path"], e.get("column")) for e in ledger}
        self._require_ledger(files)
        self._require_nothing_tells(files, followers)

    def _require_ledger(self, files: dict[str, bytes]) -> None:
        expected = {}
        for kind, marks in self.marks.items():
            path = f"evidence/{kind}.jsonl"
            whole = head([leaf(line) for line in files[path].split(b"\n")[:-1]]).hex()
            for column, (disclosed, _) in marks.items():
                expected[path, column] = (disclosed, len(self.tables[kind]), whole)
        demand(len(self.closed) == len(self.ledger), "20.1", "an entry occurs twice")
        for entry in self.ledger:
            place = (entry["path"], entry.get("column"))
            stated = (entry["disclosure"], entry["count"], entry["commitment"])
            demand(entry["reason"].strip(), "20.1", "a reason")
            auditors = entry.get("auditors", [])
            demand(auditors == sorted(set(auditors)), "20.1", "the order of the auditors")
            if place[1] is None:
                known = place[0].startswith(("evidence/", "circuits/"))
                demand(known and place[0] not in files, "20.1", f"the file {place[0]}")
                demand(stated[:2] == ("withheld", 1), "20.1", f"the entry of {place[0]}")
            else:
                demand(stated == expected.pop(place, None), "20.1", f"the entry of {place}")
        demand(not expected, "20.1", f"no entry of {sorted(expected)}")

    def _require_nothing_tells(
        self, files: dict[str, bytes], followers: dict[str, list[str]]
    ) -> None:
        closed = {f"{kind}.{name}" for kind, marks in self.marks.items() for name in marks}
        closed |= {path for path, column in self.closed if column is None}
        there = {f"{kind}.{c}" for kind, rows in self.tables.items() for c in (rows or [{}])[0]}
        there |= set(files)
        waiting, reached = list(closed), set(closed)
        while waiting:
            for name in followers.get(waiting.pop(), []):
                table, star, rest = name.partition("*")
                some = {n for n in there if n.startswith(table) and n.endswith(rest)}
                waiting += (some if star else {name}) - reached
                reached |= some if star else {name}
        told = reached & there - closed
        demand(not told, "20.3", f"{sorted(told)} tell of what is withheld")
        for kind, marks in self.marks.items():
            for name in [n for n, (disclosed, _) in marks.items() if disclosed == "coarse"]:
                fine = [r[name] for r in self.tables[kind] if coarser(r[name]) != r[name]]
                demand(not fine, "20.3", f"{kind}.{name} is not coarse")

    def open_with(self, escrow: Json) -> None:
        """Clause 20.5: what opens is put in its place; refuse what does not match."""
        opened = {}
        for one in escrow["columns"]:
            marks = self.marks.get(one["table"], {})
            if one["column"] in marks:
                opened[one["table"], one["column"]] = self._cells(one, *marks[one["column"]])
        for one in escrow["cells"]:
            self._require_cell(one)
            rows = self.single.setdefault(one["table"], {})
            rows.setdefault(one["row"], {})[one["column"]] = one["cell"]
        for one in escrow["files"]:
            self._open_file(one)
        for (kind, column), cells in opened.items():
            for row, cell in zip(self.tables[kind], cells, strict=True):
                row[column] = cell
        places = {(f"evidence/{kind}.jsonl", column) for kind, column in opened}
        self.closed -= places
        self._require_auditors(escrow["auditors"], places | {(p, None) for p in self.opened})

    def grade_single(self, plan: Json) -> None:
        """Clause 20.5a: the outcome of answers opened by themselves, where it can be given."""
        evaluations = {e["id"]: e for e in plan["evaluations"]}
        for number, held in self.single.get("generations", {}).items():
            row = self._known("generations", number)
            evaluation = evaluations[row["evaluation"]]
            measure = evaluation["measure"]
            if "output" not in held or "judge" in measure or "nll" not in row:
                continue
            item = next(
                self._known("items", n)
                for n, i in enumerate(self.tables["items"])
                if (i["dataset"], i["item"]) == (evaluation["dataset"], row["item"])
            )
            rules = measure["grader"]["rules"]
            if "target" not in item and any(r["match"] == "contains_target" for r in rules):
                continue
            given = (measure["grader"], plan["coherence"], None, measure.get("turns"))
            found = grade(row["output"], row["nll"], item.get("target"), *given)
            demand(row["outcome"] == found, "20.5a", f"the grade of {row['item']}")

    def _known(self, kind: str, number: int) -> Json:
        """The public cells of a row, and those that are opened by themselves."""
        row, marks = self.tables[kind][number], self.marks.get(kind, {})
        public = {n: c for n, c in row.items() if marks.get(n, ("keyed", ""))[0] == "keyed"}
        return public | self.single.get(kind, {}).get(number, {})

    def _cells(self, one: Json, disclosed: str, stated: str) -> list[Json]:
        kind, column, cells = one["table"], one["column"], one["cells"]
        key = salts = bytes.fromhex(one["key"])
        if disclosed == "keyed":
            salts = derived(key, kind, column)
        rows = self.tables[kind]
        demand(len(cells) == len(rows), "20.5", f"the number of cells of {kind}.{column}")
        leaves = [
            leaf(committed(maced(salts, i.to_bytes(8, "big")), kind, column, cell))
            for i, cell in enumerate(cells)
        ]
        demand(head(leaves).hex() == stated, "20.5", f"the cells of {kind}.{column}")
        for row, cell in zip(rows, cells, strict=True):
            shown = None
            if disclosed == "keyed":
                shown = maced(key, cell.encode())[:8].hex()
            elif disclosed == "coarse":
                shown = coarser(cell)
            demand(row[column] == shown, "20.5", f"what stands for {kind}.{column}")
        return cells  # type: ignore[no-any-return]

    def _require_cell(self, one: Json) -> None:
        kind, column, row = one["table"], one["column"], one["row"]
        where = f"{kind}.{column} of row {row}"
        demand(column in self.marks.get(kind, {}), "20.5", f"{where} is not withheld")
        disclosed, stated = self.marks[kind][column]
        rows = self.tables[kind]
        demand(0 <= row < len(rows), "20.5", f"{where} does not exist")
        node = leaf(committed(bytes.fromhex(one["salt"]), kind, column, one["cell"]))
        path = [bytes.fromhex(each) for each in one["path"]]
        reached = climbed(node, row, len(rows), path)
        demand(reached is not None and reached.hex() == stated, "20.5", where)
        if disclosed == "coarse":
            demand(coarser(one["cell"]) == rows[row][column], "20.5", f"what stands at {where}")

    def _open_file(self, one: Json) -> None:
        entry = next((e for e in self.ledger if e["path"] == one["path"]), None)
        if entry is None or entry.get("column") is not None:
            return
        data = base64.b64decode(one["data"], validate=True)
        salt = maced(bytes.fromhex(one["key"]), bytes(8))
        found = committed(salt, one["path"], "file", data).hex()
        demand(found == entry["commitment"], "20.5", f"the file {one['path']}")
        self.opened[one["path"]] = data
        self.closed.discard((one["path"], None))

    def _require_auditors(self, given: list[str], places: set) -> None:
        for entry in self.ledger:
            named = set(entry.get("auditors", []))
            if given and (entry["path"], entry.get("column")) in places:
                strangers = set(given) - named or (named - set(given) if not self.closed else 0)
                demand(not strangers, "20.5", "the auditors")


def followers_in(rules: str) -> dict[str, list[str]]:
    """RED-002 of rules.md: what is closed with a column."""
    table = rules.partition("* RED-002")[2]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE)
    return {name: re.findall("`([^`]+)`", rest) for name, rest in rows}
