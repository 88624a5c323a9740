"""The leaf sweep: one value of a signed case is changed at a time, everywhere.

Every leaf of case.json and plan.json, every column of every table for every sort of row, and a
number of every tensor, in the first of the least cases (`small_cases`) that has it. The case is
signed again with the right key, and a changed plan gets its new digest in the record. What is
not refused must stand in fixtures/unchecked_fields.json with a reason: that file is the honest
boundary of the verifier. `python -m tests.kit.sweep` tries all leaves of all the cases instead
of one for each field, and prints what was let through.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from safetycase import canonical
from safetycase.bundle.tensors import read_tensors
from safetycase.digest import sha256_hex
from safetycase.methods.derive import splits_of
from safetycase.methods.gold import GOLD
from safetycase.record.plan import Plan
from safetycase.tables.rows import TABLES, columns, path_of
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from tests.kit.builder import (
    AT,
    Json,
    KitCase,
    edit_plan,
    edit_record,
    edit_row,
    edit_tensor,
    policy,
)
from tests.kit.seal import sealed
from tests.kit.small_cases import SMALL

LISTED = Path(__file__).resolve().parents[2] / "fixtures" / "unchecked_fields.json"

_SLIGHT = 1e-6


@dataclass(frozen=True)
class Change:
    """One value changed: where, in which sort of place, and to what."""

    field: str
    """The place without its numbers, and how much was changed: what the list names."""
    where: str
    altered: Json = field(repr=False)
    """A function that gives the altered case."""
    must_hold: str = "all"
    """Whose claims the policy asks to hold: all, or none where they did not before."""

    def verdict(self) -> Verdict:
        """What the verifier says of the change, signed by the right key."""
        return verify(
            sealed(self.altered()).to_bytes(), policy(must_hold=self.must_hold), at=AT
        )


def listed() -> dict[str, str]:
    """Fields whose value nothing in a case can show to be wrong, each with its reason."""
    entries: dict[str, str] = canonical.read(LISTED.read_bytes(), where=LISTED.name)
    return entries


def entries_for(field: str) -> list[str]:
    """Entries of the list that name a field; `*` in an entry stands for anything."""
    return [entry for entry in listed() if fnmatchcase(field, entry)]


def changes() -> Iterator[Change]:
    """Every change to every value of the least cases."""
    for make in SMALL.values():
        case = make()
        held = all(axis["claim"]["holds"] for axis in case.record["results"]["axes"])
        for change in _changes_of(case):
            yield change if held else replace(change, must_hold="none")


def _changes_of(case: KitCase) -> Iterator[Change]:
    yield from _json_changes("case.json", case.record, partial(edit_record, case))
    yield from _json_changes("plan.json", case.plan, partial(_plan_changed, case))
    yield from _table_changes(case)
    yield from _tensor_changes(case)


def one_for_each_field() -> list[Change]:
    """The first change for every field and amount."""
    first: dict[str, Change] = {}
    for change in changes():
        first.setdefault(change.field, change)
    return list(first.values())


def _plan_changed(case: KitCase, pointer: str, value: Json) -> KitCase:
    changed = edit_plan(case, pointer, value)
    digest = sha256_hex(changed.members["plan.json"])
    return edit_record(changed, "/plan_digest", digest)


def _json_changes(name: str, document: Json, edit: Any) -> Iterator[Change]:
    for pointer, value in _leaves(document, ""):
        general = re.sub(r"/\d+(?=/|$)", "/*", pointer)
        for amount, other in _others(value, general):
            place = f"{name}#{general}{amount}"
            yield Change(place, f"{name}#{pointer}", partial(edit, pointer, other))


def _leaves(value: Json, pointer: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{pointer}/{number}")
    else:
        yield pointer, value


def _others(value: Json, field: str = "") -> Iterator[tuple[str, Json]]:
    """Other values of the same form: far away and, for a fraction, close by."""
    if value is None:
        yield "", "x"
    elif isinstance(value, bool):
        yield "", not value
    elif isinstance(value, int):
        yield "", value + 1
    elif isinstance(value, float):
        yield "", value / 2 if value else 0.25
        yield " (slightly)", value * (1.0 + _SLIGHT) if value else _SLIGHT
    else:
        yield "", _other_text(value, field)


def _other_text(value: str, field: str) -> str:
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return ("1" if value[0] == "0" else "0") + value[1:]
    if re.fullmatch(r"\d{4}-.*Z", value):
        return value.replace(":00Z", ":01Z")
    if field.endswith("/role"):
        return "other"
    return f"{value}x"


@dataclass(frozen=True)
class _Sorts:
    """Names the sort of a row, so that one row stands for all that are checked alike."""

    case: KitCase
    frozen: Plan
    splits: dict[tuple[str, str], str]
    datasets: dict[str, str]
    claims: dict[str, str]
    texts: Counter[tuple[str, str, str]]

    @classmethod
    def of(cls, case: KitCase) -> _Sorts:
        plan = case.plan
        return cls(
            case,
            Plan.model_validate_json(case.members["plan.json"]),
            {(row.dataset, row.item): row.split for row in case.rows("items")},
            {each["id"]: each["dataset"] for each in plan["evaluations"]},
            {each["id"]: each["claim"]["measure"]["evaluation"] for each in plan["axes"]},
            Counter(map(_said, case.rows("generations") if _generates(case) else ())),
        )

    def sort(self, row: Json) -> str:
        if hasattr(row, "arm"):
            return "a gold row" if row.arm == GOLD else self._answer(row)
        if hasattr(row, "split"):
            return f"a {row.split} item"
        if hasattr(row, "position"):
            return "a prompt" if row.position == -1 else "a word"
        return "a row"

    def _answer(self, row: Json) -> str:
        split = self.splits[self.datasets[row.evaluation], row.item]
        axis, _, rest = row.arm.partition("/")
        role = rest.partition("/")[0]
        arm = {"": "baseline", "sham": "sham", "reconstruction": "reconstruction"}
        named = arm.get(role, "an adding arm")
        if split == "held_out" and role:
            claim = "its claim" if self.claims[axis] == row.evaluation else "something else"
            named = f"{named} on {claim}"
        return f"a {split} row of {named}"

    def split_of(self, cluster: str) -> str:
        """The split of a cluster, by the plan."""
        digest = sha256_hex(self.case.members["plan.json"])
        return splits_of(self.frozen, digest, [cluster])[cluster]

    def is_shared(self, row: Json) -> bool:
        """Whether another arm gives the same answer to the same item."""
        return self.texts[_said(row)] > 1


def _generates(case: KitCase) -> bool:
    return path_of("generations") in case.members


def _said(row: Json) -> tuple[str, str, str]:
    return row.evaluation, row.item, row.output


def _table_changes(case: KitCase) -> Iterator[Change]:
    sorts = _Sorts.of(case)
    for kind in TABLES:
        if path_of(kind) not in case.members:
            continue
        for number, row in enumerate(case.rows(kind)):
            for column in columns(kind):
                for amount, other in _cells(sorts, row, column):
                    yield Change(
                        f"{path_of(kind)}: {column} of {sorts.sort(row)}{amount}",
                        f"{path_of(kind)} row {number}: {column}",
                        partial(edit_row, case, kind, number, **{column: other}),
                    )


_OTHER_CONTEXT = {"evaluation": "deployment", "deployment": "evaluation"}
_LETTERS = frozenset({"forward_matching", "forward_other", "swapped_matching", "swapped_other"})


def _cells(sorts: _Sorts, row: Json, column: str) -> Iterator[tuple[str, Json]]:
    """Other values of a cell; a measured number keeps its grade, which is what a liar wants."""
    value = getattr(row, column)
    if column in _LETTERS:
        yield " (grade kept)", value - 0.01
        yield " (slightly)", value * (1.0 + _SLIGHT)
    elif column == "score":
        yield " (grade kept)", value + 1.0 if row.outcome == "above" else value - 1.0
        yield " (slightly)", value * (1.0 + _SLIGHT)
    elif column == "nll" and not hasattr(row, "output"):
        yield " (grade kept)", value - 0.01
        yield " (slightly)", value * (1.0 + _SLIGHT)
    elif column == "nll":
        shared = "given" if sorts.is_shared(row) else "not given"
        yield f" (text {shared} elsewhere)", value / 2
        yield " (slightly)", value * (1.0 + _SLIGHT)
    elif column == "cluster":
        yield from _clusters(sorts, row)
    elif column == "context" and value is not None:
        yield "", _OTHER_CONTEXT[value]
    else:
        yield from _others(value)


def _clusters(sorts: _Sorts, row: Json) -> Iterator[tuple[str, Json]]:
    """Another name that falls into another split, and one that falls into the same."""
    names = [f"{row.cluster}-{number}" for number in range(64)]
    yield "", next(name for name in names if sorts.split_of(name) != row.split)
    yield " (same split)", next(name for name in names if sorts.split_of(name) == row.split)


def _tensor_changes(case: KitCase) -> Iterator[Change]:
    for path in sorted(name for name in case.members if name.endswith(".safetensors")):
        stem = path.removeprefix("evidence/").removesuffix(".safetensors")
        arrays = read_tensors(case.members[path], where=path)
        for name, array in arrays.items():
            for what, place in _places(case, name, arrays):
                for amount, change in _number_changes(array, place):
                    yield Change(
                        f"{path}: {what}{amount}",
                        f"{path}: {name}[{place}]",
                        partial(edit_tensor, case, stem, name, change),
                    )


def _places(case: KitCase, name: str, arrays: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Places in an array, and what stands there."""
    axis, _, kind = name.rpartition(".")
    if kind != "values":
        return [(kind, arrays[name].size // 2)]
    results = {result["axis"]: result for result in case.record["results"]["axes"]}
    kept = {found["feature"] for found in results[axis]["identification"]["features"]}
    read = [int(column) in kept for column in arrays[f"{axis}.columns"]]
    sorts = {True: "values of a kept feature", False: "values of another feature"}
    return [(what, read.index(sort)) for sort, what in sorts.items() if sort in read]


def _number_changes(array: Json, place: int) -> Iterator[tuple[str, Json]]:
    if np.issubdtype(array.dtype, np.integer):
        yield "", partial(_with_number, place=place, factor=1.0, plus=1.0)
    else:
        yield "", partial(_with_number, place=place, factor=2.0, plus=0.5)
        yield " (slightly)", partial(_with_number, place=place, factor=1.0 + _SLIGHT, plus=0.0)


def _with_number(array: Json, *, place: int, factor: float, plus: float) -> Json:
    changed = array.copy()
    changed.flat[place] = changed.flat[place] * factor + plus
    return changed


def main() -> int:
    """Try every change, and print for each field how many were refused and let through."""
    passed: dict[str, list[str]] = defaultdict(list)
    count: dict[str, int] = defaultdict(int)
    for change in changes():
        verdict = change.verdict()
        count[change.field] += 1
        if verdict.exit_code == 0:
            passed[change.field].append(change.where)
    for name in sorted(passed):
        sys.stdout.write(f"{len(passed[name])} of {count[name]}  {name}  {passed[name][0]}\n")
    through = sum(map(len, passed.values()))
    sys.stdout.write(
        f"{sum(count.values())} changes of {len(count)} fields, {through} let through\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
