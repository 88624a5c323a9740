"""A leaf of every field of a signed record is changed: refused, or listed with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, edit_record, honest_case, policy, resign

UNCHECKED = {
    "/subject/tensor_root": "the tensors are not in the case",
    "/subject/files/*/role": "a description; the digest binds path, size and bytes",
    "/dictionaries/*/files/*/role": "a description; the digest binds path, size and bytes",
    "/environment/python": "by the runner's word",
    "/environment/platform": "by the runner's word",
    "/environment/device": "by the runner's word",
    "/environment/threads": "by the runner's word",
    "/environment/attention": "by the runner's word",
    "/environment/batch_rows": "by the runner's word",
    "/environment/packages/numpy": "by the runner's word",
    "/environment/packages/torch": "by the runner's word",
    "/environment/packages/transformers": "by the runner's word",
    "/times/started": "the runner's clock is its own",
    "/times/finished": "the runner's clock is its own",
}
"""Fields whose value nothing in a case can show to be wrong."""


def _leaves(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{pointer}/{number}")
    else:
        yield pointer, value


def _representatives() -> dict[str, str]:
    """The first leaf of every field, list positions aside."""
    found: dict[str, str] = {}
    for pointer, value in _leaves(honest_case().record, ""):
        field = re.sub(r"/\d+(?=/|$)", "/*", pointer)
        if value is not None:
            found.setdefault(field, pointer)
    return found


def _at(pointer: str) -> Any:
    value = honest_case().record
    for step in pointer.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def _changed(value: Any, field: str) -> Any:
    """Another value of the same form, where the form allows one."""
    if field.endswith("/role") and field.startswith(("/subject", "/dictionaries")):
        return "other"
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1 if isinstance(value, int) else value / 2
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return ("1" if value[0] == "0" else "0") + value[1:]
    if re.fullmatch(r"\d{4}-.*Z", value):
        return value.replace(":00Z", ":01Z")
    return value + "x"


@pytest.mark.parametrize("field", sorted(_representatives()))
def test_a_changed_leaf_is_refused_or_listed(field: str) -> None:
    pointer = _representatives()[field]
    changed = _changed(_at(pointer), field)
    verdict = verify(
        resign(edit_record(honest_case(), pointer, changed)).to_bytes(), policy(), at=AT
    )
    assert Outcome.ERROR not in verdict.outcomes().values()
    assert (verdict.exit_code == 0) == (field in UNCHECKED), verdict.failing()


def test_no_field_is_listed_in_vain() -> None:
    assert set(UNCHECKED) <= set(_representatives())
