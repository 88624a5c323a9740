"""Every value of a signed case is changed in turn: refused, or listed with a reason."""

from __future__ import annotations

import pytest

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit import sweep
from tests.kit.builder import AT, policy
from tests.kit.cases import small_case

CHANGES = {change.field: change for change in sweep.one_for_each_field()}


def test_the_swept_case_is_honest_and_small() -> None:
    data = small_case().to_bytes()
    verdict = verify(data, policy(), at=AT)
    assert verdict.exit_code == 0
    assert [claim.holds for claim in verdict.claims] == [True, True]


def test_every_part_is_swept() -> None:
    parts = {field.partition("#")[0].partition(":")[0] for field in CHANGES}
    assert parts | {"statements/case.dsse.json"} == set(small_case().members)


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
    assert len(sweep.listed()) <= 50
