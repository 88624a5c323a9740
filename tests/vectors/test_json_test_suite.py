"""nst/JSONTestSuite against the strict reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.errors import NotCanonical, SafetyCaseError

STRICTER_ON_PURPOSE = {
    "y_number_minus_zero.json": "no negative zero",
    "y_number_negative_zero.json": "no negative zero",
    "y_object_duplicated_key.json": "every key once",
    "y_object_duplicated_key_and_value.json": "every key once",
}
COUNTS = {"y": 95, "n": 188, "i": 35}


def files(shared: Path, kind: str) -> list[Path]:
    found = sorted((shared / "vectors/json/test_parsing").glob(f"{kind}_*.json"))
    assert len(found) == COUNTS[kind]
    return found


def test_what_must_parse_parses_and_survives_writing(shared: Path) -> None:
    refused: dict[str, str] = {}
    for path in files(shared, "y"):
        try:
            value = canonical.read(path.read_bytes(), where=path.name)
        except NotCanonical as error:
            refused[path.name] = error.expected
            continue
        spelled = canonical.write(value)
        assert canonical.read_canonical(spelled, where=path.name) == value
    assert refused == STRICTER_ON_PURPOSE


def test_what_must_be_refused_is_refused_by_us(shared: Path) -> None:
    accepted = []
    for path in files(shared, "n"):
        try:
            canonical.read(path.read_bytes(), where=path.name)
        except SafetyCaseError:
            continue
        accepted.append(path.name)
    assert accepted == []


def test_where_the_suite_leaves_a_choice_we_refuse(shared: Path) -> None:
    for path in files(shared, "i"):
        with pytest.raises(SafetyCaseError):
            canonical.read(path.read_bytes(), where=path.name)
