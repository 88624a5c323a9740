"""Every value of a signed case is changed in turn: refused, or listed with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from safetycase import canonical
from safetycase.record.redaction import Redaction
from safetycase.record.schema import record_schemas
from safetycase.tables.escrow import OpenedColumn, OpenedFile
from safetycase.tables.rows import TABLES, path_of
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit import redacted_sweep, sweep
from tests.kit.builder import AT, policy
from tests.kit.small_cases import SMALL

FULL = {change.field: change for change in sweep.one_for_each_field()}
REDACTED = {change.field: change for change in redacted_sweep.one_for_each_field()}
CHANGES = FULL | REDACTED

HELD_BY_NO_LEAST_CASE = {
    "/deviations/*": "a case with a departure from its plan is undecided: nothing to sweep",
    "/dictionaries/*/hook_out": "the toy's dictionary writes where it reads",
    "/results/*/reason": "stands where a figure would, and is compared like it",
    "/redactions/*": "redacted cases are swept apart, closed and opened",
}
"""Places of the published schemas where no least case has a value, each with the reason."""


@pytest.mark.parametrize("name", SMALL)
def test_the_swept_cases_are_honest(name: str) -> None:
    data = SMALL[name]().to_bytes()
    assert verify(data, policy(must_hold="none"), at=AT).exit_code == 0
    held = {claim.axis for claim in verify(data, policy(), at=AT).claims if claim.holds}
    assert held or name == "nothing found"


def test_every_part_is_swept() -> None:
    parts = {field.partition("#")[0].partition(":")[0] for field in FULL}
    members = {member for make in SMALL.values() for member in make().members}
    assert parts | {"statements/case.dsse.json"} == members
    assert {path_of(kind) for kind in TABLES} <= members


@pytest.mark.parametrize("name", ["case", "plan"])
def test_every_place_of_the_schemas_is_swept(name: str) -> None:
    swept = {
        re.sub(r" \(.*\)$", "", field.partition("#")[2])
        for field in FULL
        if field.startswith(f"{name}.json#")
    }
    places = _places(name)
    assert len(places) > 180
    absent = {
        place
        for place in places
        if not any(fnmatchcase(one, place) for one in swept)
        and not any(fnmatchcase(place, each) for each in HELD_BY_NO_LEAST_CASE)
    }
    assert not absent


@pytest.mark.parametrize("case", range(2))
def test_the_redacted_cases_are_honest(case: int) -> None:
    base, escrow = redacted_sweep.bases()[case]
    as_it_is = redacted_sweep.Change("", "", lambda: base, None)
    assert as_it_is.verdict().exit_code == 0
    assert replace(as_it_is, escrow=escrow).verdict().exit_code == 0


def test_the_whole_ledger_and_what_opens_it_is_swept() -> None:
    fields = " ".join(REDACTED)
    for name in Redaction.model_fields:
        assert f"closed case.json#/redactions/*/{name} of " in fields
    for sort in ("withheld", "coarse", "keyed"):
        for part in ("the class", "the root", "a cell"):
            assert f"opened evidence/*.jsonl: {part} of a {sort} column" in REDACTED
    for kind, sort in ((OpenedColumn, "a column"), (OpenedFile, "a file")):
        for name in kind.__struct_fields__:
            assert f"escrow: {name} of {sort}" in REDACTED


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_a_changed_value_is_refused_or_listed(field: str) -> None:
    verdict = CHANGES[field].verdict()
    entries = sweep.entries_for(field)
    assert Outcome.ERROR not in verdict.outcomes().values()
    if verdict.exit_code == 0:
        assert entries, f"let through: {CHANGES[field].where}; check it, or list it"
    else:
        assert not entries, f"listed in vain: {verdict.reason}"


@pytest.mark.parametrize("entry", sorted(sweep.listed()))
def test_no_entry_names_nothing(entry: str) -> None:
    assert any(entry in sweep.entries_for(field) for field in CHANGES)


def test_the_list_is_short() -> None:
    assert len(sweep.listed()) <= 90


def _places(name: str) -> set[str]:
    schema: Any = canonical.read(record_schemas()[f"{name}.schema.json"], where=name)
    return set(_leaves(schema, schema["$defs"], "", ()))


def _leaves(part: Any, parts: Any, place: str, inside: tuple[str, ...]) -> Iterator[str]:
    """Pointers of the values that a schema allows, numbers and free names as `*`."""
    named = part.get("$ref", "").rpartition("/")[2]
    if (named and named in inside) or part.get("type") == "null":
        return
    below = [parts[named]] if named else part.get("anyOf") or part.get("oneOf") or []
    for one in below:
        yield from _leaves(one, parts, place, (*inside, named))
    for key, one in part.get("properties", {}).items():
        yield from _leaves(one, parts, f"{place}/{key}", inside)
    free = (part.get("items"), part.get("additionalProperties"), *part.get("prefixItems", ()))
    entries = [one for one in free if isinstance(one, dict)]
    for one in entries:
        yield from _leaves(one, parts, f"{place}/*", inside)
    if not (below or entries or "properties" in part):
        yield place
