"""A plan that means to deploy must say what: silence leaves the question open."""

from __future__ import annotations

import pytest

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, build_case, policy, remove_from_record, resign
from tests.kit.toy_plan import toy_plan


@pytest.mark.parametrize(
    ("purpose", "outcome"),
    [("deployed", Outcome.UNKNOWN), ("diagnostic", Outcome.NOT_APPLICABLE)],
)
def test_who_deploys_without_saying_what_is_not_let_off(purpose: str, outcome: Outcome) -> None:
    plan = toy_plan()
    plan.pop("release", None)
    for axis in plan["axes"]:
        axis["purpose"] = purpose
    case = resign(remove_from_record(build_case(plan, ship=False), "/subject/tested"))
    verdict = verify(case.to_bytes(), policy(), at=AT)
    assert verdict.outcomes()["GOV-003"] is outcome
